"""API keys: what is kept of them, who they let in, and how they are revoked."""

import re
from pathlib import Path

import pytest
from tests.unit.parts import ManualClock, shared_documents

from tiktok_forwarder.access.api_keys import SCOPES, ApiKeys
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.sqlite.store import SqliteStore


@pytest.fixture
def keys() -> ApiKeys:
    return ApiKeys(shared_documents(MemoryStore()), ManualClock())


async def test_a_key_is_found_with_its_scope(keys: ApiKeys) -> None:
    """Each key by itself alone, and no text that is none."""
    made = [await keys.make(f"key {scope}", scope, "ann") for scope in SCOPES]
    for new in made:
        found = keys.find(new.key)
        assert found is not None and (found.id, found.name, found.scope) == (new.id, new.name, new.scope)
    for wrong in ("", made[0].key[:-1], made[0].key + "x", made[0].key.upper(), made[0].id, "\udcff"):
        assert keys.find(wrong) is None


async def test_a_revoked_key_opens_nothing(keys: ApiKeys) -> None:
    """Neither here nor in another process; the other keys stay."""
    one, two = await keys.make("one", "admin", "ann"), await keys.make("two", "admin", "ann")
    await keys.revoke("one", "ann")
    await keys.revoke(two.id, "ann")
    assert keys.find(one.key) is None and keys.find(two.key) is None
    assert keys.all() == []
    with pytest.raises(UnknownName, match='API key "one" not found'):
        await keys.revoke("one", "ann")


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_only_a_digest_is_on_disk(tmp_path: Path) -> None:
    """The key stands in no file of the store, revoked or not; another process knows it by its digest."""
    store = SqliteStore.open(tmp_path / "events.db")
    keys = ApiKeys(shared_documents(store), ManualClock())
    kept, revoked = await keys.make("kept", "read", "ann"), await keys.make("revoked", "read", "ann")
    await keys.revoke("revoked", "ann")
    shared = shared_documents(store)
    again = ApiKeys(shared, ManualClock())
    await shared.load()
    found = again.find(kept.key)
    assert found is not None and found.name == "kept"
    assert again.find(revoked.key) is None
    on_disk = everything_in(tmp_path)
    await store.close()
    assert b"kept" in on_disk
    for secret in (kept.key, revoked.key):
        assert secret.encode() not in on_disk and secret.removeprefix("tfk_").encode() not in on_disk


async def test_a_listed_key_shows_no_secret(keys: ApiKeys) -> None:
    """A list has names and scopes, and nothing that opens."""
    new = await keys.make("one", "operate", "ann")
    assert new.key not in repr(keys.all()) and "digest" not in repr(keys.all())


@pytest.mark.parametrize("name", ["", "  ", "x" * 64, "a\nb"])
async def test_a_name_must_be_one_line(keys: ApiKeys, name: str) -> None:
    """The name stands in histories and lists."""
    with pytest.raises(ConfigurationError, match="name"):
        await keys.make(name, "read", "ann")


@pytest.mark.parametrize(
    ("first", "second"), [("Console", " console "), ("console", "CONSOLE"), ("CONSOLE", "Console"), ("ÄÖ", "äö")]
)
async def test_names_are_unique_in_any_case(keys: ApiKeys, first: str, second: str) -> None:
    """A history that names a key names one, whichever spelling came first; the refused key does not exist."""
    made = await keys.make(first, "read", "ann")
    with pytest.raises(ConfigurationError) as refused:
        await keys.make(second, "admin", "ann")
    assert refused.value.problems == (f'name: an API key named "{second.strip()}" already exists',)
    assert [each.id for each in keys.all()] == [made.id]


async def test_name_of_a_revoked_key_is_free_again(keys: ApiKeys) -> None:
    """A key that leaked is replaced by one of the same name."""
    await keys.make("console", "read", "ann")
    await keys.revoke("console", "ann")
    assert (await keys.make("CONSOLE", "read", "ann")).name == "CONSOLE"


@pytest.mark.parametrize("name", ["x", "x" * 63, "  deploy / prod  "])
async def test_name_of_up_to_63_characters_is_taken(keys: ApiKeys, name: str) -> None:
    """Blanks at its ends do not count."""
    assert (await keys.make(name, "read", "ann")).name == name.strip()


async def test_key_is_256_random_bits_behind_its_prefix(keys: ApiKeys) -> None:
    """A key can be recognized in a file that leaked, and cannot be guessed."""
    made = [(await keys.make(name, "read", "ann")).key for name in ("one", "two")]
    assert made[0] != made[1]
    assert all(re.fullmatch(r"tfk_[\w-]{43}", key) for key in made)
