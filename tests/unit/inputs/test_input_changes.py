"""Inputs whose secrets are rotated, and inputs that are removed."""

import asyncio

import pytest

from tests.unit.parts import Parts
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName
from tiktok_forwarder.inputs.inputs import NewInput


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def rotate(parts: Parts, name: str = "shop", **given: str) -> NewInput:
    return await parts.inputs.rotate(
        name, secret=given.get("secret"), authorization=given.get("authorization"), changed_by="ann"
    )


def lets_in(parts: Parts, sender: NewInput) -> tuple[bool, bool]:
    """Whether the sender is let in by key and secret, and by its authorization."""
    inputs = parts.inputs
    by_secret = inputs.find_by_credentials(sender.key, sender.secret)
    return by_secret is not None, inputs.find_by_authorization(sender.name, sender.authorization) is not None


async def test_old_and_new_secrets_are_valid_until_the_old_are_retired(parts: Parts) -> None:
    """Key and name stay; after retiring only the new secrets let in, also in another process."""
    old = await parts.add_input("shop")
    new = await rotate(parts)
    assert (new.id, new.key, new.name) == (old.id, old.key, old.name)
    assert new.secret != old.secret and new.authorization != old.authorization
    for each in (parts, await parts.reopened()):
        assert lets_in(each, old) == (True, True) == lets_in(each, new)
    await parts.inputs.retire("SHOP", "ann")
    for each in (parts, await parts.reopened()):
        assert lets_in(each, old) == (False, False)
        assert lets_in(each, new) == (True, True)


async def test_a_header_is_known_until_something_changes(parts: Parts) -> None:
    """What is remembered of a sender's header never outlives its secret, nor grows with what senders say."""
    await parts.add_input("shop")
    sender = parts.inputs.find_by_name("shop")
    assert sender is not None
    assert parts.inputs.find_by_cached_header(b"Basic one") is None
    for header in (b"Basic one", *(b"Basic %d" % n for n in range(2500))):
        parts.inputs.cache_header(header, sender)
    assert parts.inputs.find_by_cached_header(b"Basic 2499") is sender
    assert parts.inputs.find_by_cached_header(b"Basic one") is None
    await rotate(parts)
    assert parts.inputs.find_by_cached_header(b"Basic 2499") is None


async def test_secrets_may_be_given(parts: Parts) -> None:
    """What is given is taken, and must be as good as a new input's; a bad one changes nothing."""
    old = await parts.add_input("shop")
    with pytest.raises(ConfigurationError) as refused:
        await rotate(parts, secret="tiny", authorization="Token käse-käse")
    assert [each.partition(":")[0] for each in refused.value.problems] == ["secret", "authorization"]
    assert lets_in(parts, old) == (True, True)
    new = await rotate(parts, secret="a-secret-of-ours", authorization="Token of-our-own")
    assert (new.secret, new.authorization) == ("a-secret-of-ours", "Token of-our-own")
    assert lets_in(parts, new) == (True, True)


async def test_a_rotation_is_finished_before_the_next(parts: Parts) -> None:
    """A second one would end the first's old secrets unasked, so it is refused, also at the same moment."""
    await parts.add_input("shop")
    results = await asyncio.gather(rotate(parts), rotate(parts), return_exceptions=True)
    refusals = [result for result in results if isinstance(result, ConfigurationError)]
    assert len(refusals) == 1 and "finish the last rotation first" in str(refusals[0])
    await parts.inputs.retire("shop", "ann")
    await rotate(parts)


async def test_rotated_secrets_are_stored_sealed(parts: Parts) -> None:
    """No revision of the document shows a secret."""
    old = await parts.add_input("shop")
    new = await rotate(parts)
    stored = b"".join(each.body for each in await parts.store.document_history("input", old.id))
    for secret in (old.secret, old.authorization, new.secret, new.authorization):
        assert secret.encode() not in stored


async def test_a_removed_input_lets_nobody_in(parts: Parts) -> None:
    """Not by name, key or secret; its name and key are free again."""
    old = await parts.add_input("shop", key="key-1")
    await parts.inputs.remove("shop", "ann")
    for each in (parts, await parts.reopened()):
        assert lets_in(each, old) == (False, False)
        assert each.inputs.all() == []
    await parts.add_input("shop", key="key-1")


async def test_an_unknown_input_is_told(parts: Parts) -> None:
    """Rotating, retiring and removing name the input that is not there."""
    for unknown in (
        rotate(parts, "nobody"),
        parts.inputs.retire("nobody", "ann"),
        parts.inputs.remove("nobody", "ann"),
    ):
        with pytest.raises(UnknownName, match='input "nobody" not found'):
            await unknown
