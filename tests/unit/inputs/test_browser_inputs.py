"""Inputs of kind browser: a public key and a list of origins, and no way to authenticate."""

import hmac
from typing import Any

import msgspec
import pytest

from tests.unit.parts import Parts
from tiktok_forwarder.domain.errors import ConfigurationError, RevisionConflict
from tiktok_forwarder.inputs.checks import MAX_ORIGINS, read_origins

SHOP = "https://shop.example.com"


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def test_browser_input_is_found_by_its_public_key(parts: Parts) -> None:
    """The generated key is the whole identification; a server's key is none for a browser."""
    added = await parts.add_browser_input("web", SHOP)
    server = await parts.add_input("server")
    inputs = (await parts.reopened()).inputs
    assert len(added.key) == 24
    assert (added.kind, added.origins, added.allows_purchases) == ("browser", (SHOP,), True)
    assert inputs.find_browser_input(added.key) == added == inputs.find_by_name("web")
    assert inputs.find_browser_input(server.key) is None
    assert inputs.find_browser_input("unknown") is None


@pytest.mark.parametrize("secret", ["", "None", "a-secret-of-the-visitor"])
async def test_browser_input_authenticates_nowhere(parts: Parts, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its key is public, so neither Basic credentials nor an Authorization value are ever its own; the check takes as
    long as for an unknown key."""
    added = await parts.add_browser_input("web", SHOP)
    compared: list[int] = []
    real = hmac.compare_digest

    def counting(one: Any, other: Any) -> bool:
        compared.append(len(one))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    assert parts.inputs.find_by_credentials(added.key, secret) is None
    assert parts.inputs.find_by_authorization("web", secret) is None
    assert compared == [32, 32]


async def test_old_key_of_browser_input_is_valid_until_it_is_retired(parts: Parts) -> None:
    """Cached pages send the old key for a while, and a page never has both."""
    old = await parts.add_browser_input("web", SHOP)
    new = await parts.inputs.rotate_key("web", key=None, changed_by="ann")
    for inputs in (parts.inputs, (await parts.reopened()).inputs):
        assert inputs.find_browser_input(old.key) == inputs.find_browser_input(new.key) == new
    assert new.key != old.key and new.is_rotating
    with pytest.raises(ConfigurationError, match="two keys are already valid"):
        await parts.inputs.rotate_key("web", key=None, changed_by="ann")
    retired = await parts.inputs.retire("web", "ann")
    assert parts.inputs.find_browser_input(old.key) is None
    assert parts.inputs.find_browser_input(new.key) == retired and not retired.is_rotating


async def test_key_belongs_to_one_input_only(parts: Parts) -> None:
    """A browser input shares its key with no other input, nor its old key while it is valid."""
    await parts.add_input("server", key="key-of-server")
    await parts.add_browser_input("web", SHOP, key="key-of-web-1")
    with pytest.raises(ConfigurationError, match="key: another input"):
        await parts.add_browser_input("more", SHOP, key="key-of-server")
    with pytest.raises(ConfigurationError, match="key: another input"):
        await parts.inputs.rotate_key("web", key="key-of-web-1", changed_by="ann")
    await parts.inputs.rotate_key("web", key="key-of-web-2", changed_by="ann")
    for key in ("key-of-web-1", "key-of-web-2"):
        with pytest.raises(ConfigurationError, match="key: another input"):
            await parts.add_input("other", key=key)


async def test_each_kind_is_rotated_in_its_own_way(parts: Parts) -> None:
    """A browser input has no secrets to rotate, and a server's input keeps its key."""
    await parts.add_input("server")
    await parts.add_browser_input("web", SHOP)
    with pytest.raises(ConfigurationError, match="web: a browser input has no secrets"):
        await parts.inputs.rotate("web", secret=None, authorization=None, changed_by="ann")
    with pytest.raises(ConfigurationError, match="server: a server's input keeps its key"):
        await parts.inputs.rotate_key("server", key=None, changed_by="ann")


async def test_origins_and_purchases_are_changed(parts: Parts) -> None:
    """What is not given stays, the key in any case, and another process reads the same."""
    added = await parts.add_browser_input("web", SHOP)
    await parts.inputs.change("web", origins=[SHOP, "https://m.example.com"], changed_by="ann")
    await parts.inputs.change("web", allows_purchases=False, changed_by="ann")
    found = (await parts.reopened()).inputs.find_browser_input(added.key)
    assert found is not None
    assert (found.origins, found.allows_purchases) == ((SHOP, "https://m.example.com"), False)


async def test_change_of_another_revision_is_refused(parts: Parts) -> None:
    """Of two forms that are open at the same time, the second must not undo the first."""
    added = await parts.add_browser_input("web", SHOP)
    await parts.inputs.change("web", allows_purchases=False, expected_revision=added.revision, changed_by="ann")
    with pytest.raises(RevisionConflict):
        await parts.inputs.change("web", origins=[SHOP], expected_revision=added.revision, changed_by="bob")


async def test_server_input_may_be_kept_from_purchases_and_has_no_origins(parts: Parts) -> None:
    """The switch is every input's; origins are sent by browsers only."""
    await parts.add_input("server")
    changed = await parts.inputs.change("server", allows_purchases=False, changed_by="ann")
    assert not changed.allows_purchases
    with pytest.raises(ConfigurationError, match='origins: input "server" is not a browser input'):
        await parts.inputs.change("server", origins=[SHOP], changed_by="ann")


async def test_input_of_an_older_version_is_a_server(parts: Parts) -> None:
    """A document written before there were kinds has neither kind nor origins, and its sender goes on."""
    old = {
        "name": "shop",
        "key": "key-1",
        "sealed_secrets": [parts.box.seal("secret-1", "in_1")],
        "sealed_authorizations": [parts.box.seal("Token value-1", "in_1")],
    }
    body = msgspec.json.encode(old)
    await parts.store.put_document("input", "in_1", body, expected_revision=0, changed_by="ann", now_ms=0)
    inputs = (await parts.reopened()).inputs
    found = inputs.find_by_credentials("key-1", "secret-1")
    assert found is not None
    assert (found.kind, found.origins, found.allows_purchases) == ("server", (), True)


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        (SHOP, SHOP),
        (" https://Shop.Example.com ", SHOP),
        ("HTTPS://shop.example.com:443", SHOP),
        ("http://shop.example.com:80", "http://shop.example.com"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://shop.example.com:80", "https://shop.example.com:80"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[0:0::1]:3000", "http://[::1]:3000"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_origin_is_kept_as_browsers_send_it(given: str, origin: str) -> None:
    """Browsers write the host in lower case and leave the default port out, and origins are compared exactly."""
    assert read_origins([given]) == ((origin,), [])


@pytest.mark.parametrize(
    "given",
    [
        "",
        "*",
        "null",
        "shop.example.com",
        "//shop.example.com",
        "ftp://shop.example.com",
        "https://",
        "https://*.example.com",
        "https://shop..example.com",
        "https://user:pass@shop.example.com",
        "https://shop.example.com:0",
        "https://shop.example.com:65536",
        "https://shop.example.com:port",
        "https://bücher.example",
        "https://[::g]",
        "https://[127.0.0.1]",
        "https://shop example.com",
        f"https://{'a.' * 130}example.com",
    ],
)
def test_text_that_is_no_origin_is_refused(given: str) -> None:
    """Each has one problem, which quotes it: a browser never sends it as an origin."""
    origins, (problem,) = read_origins([given])
    assert origins == ()
    assert problem.startswith("origins: must be a scheme and an ASCII host, such as https://shop.example.com, not ")
    assert problem.endswith(repr(given[:100]))


@pytest.mark.parametrize("rest", ["/", "/cart", "?a=b", "#top", "/\n"])
def test_origin_with_a_path_is_refused(rest: str) -> None:
    """An address that is copied from the browser's bar has more than an origin has: the problem says what."""
    _, (problem,) = read_origins([SHOP + rest])
    assert problem == (f"origins: must end after the host or port, without {rest.strip()!r}, not {SHOP + rest!r}")


def test_number_of_origins_is_bounded() -> None:
    """At least one, or no page could send; not so many that a request would search for long."""
    assert read_origins([])[1] == ["origins: a browser input needs at least one, such as https://shop.example.com"]
    many = [f"https://shop-{number}.example.com" for number in range(MAX_ORIGINS + 1)]
    assert read_origins(many)[1] == [f"origins: at most {MAX_ORIGINS} are allowed, not {MAX_ORIGINS + 1}"]
    assert read_origins([*many[:-1]]) == (tuple(many[:-1]), [])
    assert read_origins([SHOP, SHOP.upper()]) == ((SHOP,), [])
