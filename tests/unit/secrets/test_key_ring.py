"""The key file through a change of keys, cut short at every step."""

from pathlib import Path

import pytest

from tiktok_forwarder.domain.errors import ConfigurationError, SecretUnreadable
from tiktok_forwarder.secrets.key_ring import KeyRing

VARIABLE = "TIKTOK_FORWARDER_ENCRYPTION_KEY"
NEXT_VARIABLE = f"{VARIABLE}_NEXT"


def loaded(key_file: Path, sealed: str | None = None) -> KeyRing:
    return KeyRing.load({}, VARIABLE, NEXT_VARIABLE, key_file, sealed)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_both_keys_open_until_the_change_is_finished(tmp_path: Path) -> None:
    """Then the old one opens nothing, and the file holds the new one, for its owner alone."""
    key_file = tmp_path / "encryption.key"
    ring = loaded(key_file)
    old = ring.seal("secret", "r")
    before = key_file.read_bytes()
    fresh = ring.begin()
    new = fresh.seal("secret", "r")
    assert (ring.open(old, "r"), ring.open(new, "r"), ring.seal("x", "r")[:15]) == ("secret", "secret", old[:15])
    ring.use(fresh.key_id)
    assert (ring.open(old, "r"), ring.open(new, "r"), ring.seal("x", "r")[:15]) == ("secret", "secret", new[:15])
    ring.finish()
    assert ring.open(new, "r") == "secret"
    with pytest.raises(SecretUnreadable):
        ring.open(old, "r")
    assert names(tmp_path) == ["encryption.key"]
    assert key_file.read_bytes() != before
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert loaded(key_file, new).open(new, "r") == "secret"


def test_the_store_says_which_key_counts_after_a_crash(tmp_path: Path) -> None:
    """With the old texts the old file stays; with the new ones the new file takes its place."""
    key_file = tmp_path / "encryption.key"
    ring = loaded(key_file)
    old = ring.seal("secret", "r")
    new = ring.begin().seal("secret", "r")
    assert names(tmp_path) == ["encryption.key", "encryption.key.next"]
    assert loaded(key_file, old).open(old, "r") == "secret"
    assert loaded(key_file, new).open(new, "r") == "secret"
    assert names(tmp_path) == ["encryption.key"]
    again = loaded(key_file, new)
    assert again.open(new, "r") == "secret"


def test_a_change_begun_again_does_not_lose_the_key_in_use(tmp_path: Path) -> None:
    """Neither after one that was given up, nor after one whose file could not be put in place."""
    key_file = tmp_path / "encryption.key"
    ring = loaded(key_file)
    old = ring.seal("secret", "r")
    ring.begin()
    fresh = ring.begin()
    ring.use(fresh.key_id)
    new = ring.seal("secret", "r")
    newest = ring.begin().seal("secret", "r")
    assert ring.open(old, "r") == ring.open(new, "r") == "secret"
    assert loaded(key_file, new).open(new, "r") == "secret"
    assert loaded(key_file, newest).open(newest, "r") == "secret"


def test_key_of_the_environment_is_not_created_here(tmp_path: Path) -> None:
    """The sentence says what to do; nothing is written."""
    ring = KeyRing.load({VARIABLE: "00" * 32}, VARIABLE, NEXT_VARIABLE, tmp_path / "encryption.key", None)
    with pytest.raises(ConfigurationError, match="environment"):
        ring.begin()
    assert names(tmp_path) == []


def test_next_key_of_the_environment_is_used_when_the_store_is_sealed_with_it(tmp_path: Path) -> None:
    """Until then it only opens; afterwards the old key is of no use, also where it is still in the environment."""
    key_file = tmp_path / "encryption.key"
    variables = {VARIABLE: "00" * 32, NEXT_VARIABLE: "11" * 32}
    ring = KeyRing.load(variables, VARIABLE, NEXT_VARIABLE, key_file, None)
    old = ring.seal("secret", "r")
    new = ring.begin().seal("secret", "r")
    assert ring.open(new, "r") == ring.open(old, "r") == "secret"
    restarted = KeyRing.load(variables, VARIABLE, NEXT_VARIABLE, key_file, old)
    assert restarted.seal("x", "r")[:15] == old[:15] and len(restarted.key_ids) == 2
    restarted = KeyRing.load(variables, VARIABLE, NEXT_VARIABLE, key_file, new)
    assert restarted.open(new, "r") == "secret" and len(restarted.key_ids) == 1
    with pytest.raises(ConfigurationError, match=NEXT_VARIABLE):
        restarted.begin()
    assert names(tmp_path) == []


def test_next_key_of_the_environment_leaves_the_key_file_unchanged(tmp_path: Path) -> None:
    """A file that is mounted as a secret cannot be replaced here: the operator does it after the change."""
    key_file, other = tmp_path / "encryption.key", tmp_path / "other.key"
    loaded(key_file)
    before = key_file.read_bytes()
    loaded(other)
    environment = {NEXT_VARIABLE: other.read_text().strip()}
    other.unlink()
    ring = KeyRing.load(environment, VARIABLE, NEXT_VARIABLE, key_file, None)
    ring.use(ring.begin().key_id)
    ring.finish()
    new = ring.seal("secret", "r")
    assert names(tmp_path) == ["encryption.key"] and key_file.read_bytes() == before
    assert KeyRing.load(environment, VARIABLE, NEXT_VARIABLE, key_file, new).open(new, "r") == "secret"


def test_next_key_that_is_put_beside_the_file_is_found_and_kept(tmp_path: Path) -> None:
    """A rotation uses it instead of creating another; a file that is still empty is not read."""
    key_file, next_file = tmp_path / "encryption.key", tmp_path / "encryption.key.next"
    ring = loaded(key_file)
    next_file.touch()
    ring.find_next()
    assert ring.key_ids == [ring.key_id]
    next_file.write_text("11" * 32)
    ring.find_next()
    assert len(ring.key_ids) == 2 and ring.begin().key_id == ring.key_ids[1]
    ring.use(ring.key_ids[1])
    ring.finish()
    assert (names(tmp_path), key_file.read_text()) == (["encryption.key"], "11" * 32)


def test_key_that_a_node_does_not_have_is_not_used(tmp_path: Path) -> None:
    """It goes on with the key that it has, and the sentence names the other by its ID."""
    ring = loaded(tmp_path / "encryption.key")
    sealed = ring.seal("secret", "r")
    with pytest.raises(SecretUnreadable, match="0123456789ab"):
        ring.use("0123456789ab")
    assert ring.open(sealed, "r") == "secret"


def test_key_file_that_was_just_created_can_be_withdrawn(tmp_path: Path) -> None:
    """Another node was quicker; a file that was there before stays."""
    key_file = tmp_path / "encryption.key"
    assert loaded(key_file).withdraw() and names(tmp_path) == []
    loaded(key_file)
    assert not loaded(key_file).withdraw() and names(tmp_path) == ["encryption.key"]
