"""Inputs: who is let in, and what is refused when one is added."""

import asyncio
import hmac
from typing import Any

import msgspec
import pytest
from msgspec import structs

from tests.unit.parts import Parts, shared_documents
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.inputs.inputs import InputRecord, Inputs
from tiktok_forwarder.secrets.secret_box import AesGcmSecretBox


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def test_what_is_not_given_is_made_up(parts: Parts) -> None:
    """Two inputs made without any secrets have long ones of their own, and these let their senders in."""
    one, two = await parts.add_input("one"), await parts.add_input("two")
    assert one.key != two.key and one.secret != two.secret and one.authorization != two.authorization
    assert min(len(one.secret), len(one.authorization)) > 30
    found = parts.inputs.find_by_credentials(one.key, one.secret)
    assert found is not None and found.name == "one"
    found = parts.inputs.find_by_authorization("two", two.authorization)
    assert found is not None and found.name == "two"


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("key-1", "wrong-secret"),
        ("nobody", "secret-1"),
        ("key-1", ""),
        ("", ""),
        ("key-1", "Secret-1"),
        ("KEY-1", "secret-1"),
    ],
)
async def test_only_key_and_secret_together_let_in(parts: Parts, key: str, secret: str) -> None:
    """Neither half will do, nor another case."""
    await parts.add_input("shop", key="key-1", secret="secret-1")
    assert parts.inputs.find_by_credentials(key, secret) is None


async def test_an_authorization_value_is_its_inputs_own(parts: Parts) -> None:
    """One input's value does not open another's address; the name's case does not matter."""
    await parts.add_input("one", authorization="Token of-the-first")
    await parts.add_input("two", authorization="Token of-the-second")
    assert parts.inputs.find_by_authorization("two", "Token of-the-first") is None
    assert parts.inputs.find_by_authorization("three", "Token of-the-first") is None
    assert parts.inputs.find_by_authorization("ONE", "Token of-the-first") is not None


async def test_old_and_new_secret_are_both_valid(parts: Parts) -> None:
    """A record with two secrets, as one being rotated has, lets either in."""
    new = await parts.add_input("shop", key="key-1")
    seal = parts.box.seal
    record = InputRecord(
        "shop",
        "key-1",
        (seal("old-secret", new.id), seal("new-secret", new.id)),
        (seal("Token old-value", new.id), seal("Token new-value", new.id)),
    )
    await parts.store.put_document(
        "input", new.id, msgspec.json.encode(record), expected_revision=1, changed_by="test", now_ms=0
    )
    inputs = (await parts.reopened()).inputs
    assert inputs.find_by_credentials("key-1", "old-secret") and inputs.find_by_credentials("key-1", "new-secret")
    assert inputs.find_by_authorization("shop", "Token old-value") and inputs.find_by_authorization(
        "shop", "Token new-value"
    )
    assert inputs.find_by_credentials("key-1", new.secret) is None


async def test_secrets_are_compared_in_constant_time(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every path compares with `hmac.compare_digest`, an unknown key or name as often as a known one."""
    await parts.add_input("shop", key="key-1")
    compared: list[int] = []
    real = hmac.compare_digest

    def counting(one: Any, other: Any) -> bool:
        compared.append(len(one))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    parts.inputs.find_by_credentials("key-1", "x")
    parts.inputs.find_by_credentials("nobody", "a much longer secret")
    parts.inputs.find_by_authorization("shop", "x")
    parts.inputs.find_by_authorization("nobody", "x")
    assert compared == [32, 32, 32, 32]


async def test_every_problem_is_told_at_once(parts: Parts) -> None:
    """A bad name, key, secret and value are four problems of one message, none of which shows the secrets."""
    with pytest.raises(ConfigurationError) as refused:
        await parts.add_input("a/b", key="k", secret="tiny", authorization=" padded value")
    assert [problem.partition(":")[0] for problem in refused.value.problems] == [
        "name",
        "key",
        "secret",
        "authorization",
    ]
    assert "tiny" not in str(refused.value) and "padded" not in str(refused.value)


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "x" * 64, "é"])
async def test_a_name_must_fit_an_address(parts: Parts, name: str) -> None:
    """The name is a segment of the webhook's path."""
    with pytest.raises(ConfigurationError, match="name"):
        await parts.add_input(name)


async def test_a_header_value_must_be_ascii(parts: Parts) -> None:
    """A value that senders would encode one way or the other could never be matched."""
    with pytest.raises(ConfigurationError, match="ASCII"):
        await parts.add_input("shop", authorization="Token käse-käse")


async def test_names_and_keys_are_unique(parts: Parts) -> None:
    """A second input of the same name, in any case, or of the same key is refused."""
    await parts.add_input("shop", key="key-1")
    with pytest.raises(ConfigurationError, match="already"):
        await parts.add_input("SHOP")
    with pytest.raises(ConfigurationError, match="another input"):
        await parts.add_input("other", key="key-1")


async def test_two_of_a_name_at_the_same_moment_are_one(parts: Parts) -> None:
    """Of two requests that add the same name at once, one is told that it is taken."""
    results = await asyncio.gather(parts.add_input("shop"), parts.add_input("Shop"), return_exceptions=True)
    assert [isinstance(result, ConfigurationError) for result in results].count(True) == 1
    assert len(parts.inputs.all()) == 1


async def test_inputs_are_found_again(parts: Parts) -> None:
    """Another process on the same store knows them, in the order they were made."""
    made = [await parts.add_input(name) for name in ("b", "a", "c")]
    inputs = (await parts.reopened()).inputs
    assert [each.name for each in inputs.all()] == ["b", "a", "c"]
    assert inputs.find_by_credentials(made[1].key, made[1].secret) is not None


async def test_secrets_are_stored_sealed(parts: Parts) -> None:
    """What is stored of an input holds its name and key, but not its secrets, and opens with no other key."""
    new = await parts.add_input("shop")
    (document,) = await parts.store.list_documents("input")
    assert b"shop" in document.body and new.key.encode() in document.body
    assert new.secret.encode() not in document.body and new.authorization.encode() not in document.body
    other = Inputs(shared_documents(parts.store), AesGcmSecretBox(bytes([1] * 32)))
    await other.load()
    assert other.find_by_credentials(new.key, new.secret) is None
    assert other.find_by_authorization("shop", new.authorization) is None
    assert [each.unreadable for each in other.all()] == [True]


async def test_a_secret_that_was_changed_on_disk_lets_nobody_in(parts: Parts) -> None:
    """The other inputs go on as before, and new secrets mend it."""
    shop, other = await parts.add_input("shop"), await parts.add_input("other")
    first, second = await parts.store.list_documents("input")
    one, two = (msgspec.json.decode(each.body, type=InputRecord) for each in (first, second))
    moved = structs.replace(one, sealed_secrets=two.sealed_secrets, sealed_authorizations=two.sealed_authorizations)
    body = msgspec.json.encode(moved)
    await parts.store.put_document("input", shop.id, body, expected_revision=None, changed_by="eve", now_ms=1)
    inputs = (await parts.reopened()).inputs
    assert [each.unreadable for each in inputs.all()] == [True, False]
    for secret, authorization in ((shop.secret, shop.authorization), (other.secret, other.authorization)):
        assert inputs.find_by_credentials(shop.key, secret) is None
        assert inputs.find_by_authorization("shop", authorization) is None
    assert inputs.find_by_credentials(other.key, other.secret) is not None
    new = await inputs.rotate("shop", secret=None, authorization=None, changed_by="ann")
    assert inputs.find_by_credentials(shop.key, new.secret) is not None
    assert (await inputs.retire("shop", "ann")).unreadable is False
