"""The key file through a change of keys, cut short at every step."""

from pathlib import Path

import pytest

from tiktok_forwarder.domain.errors import ConfigurationError, SecretUnreadable
from tiktok_forwarder.secrets.key_ring import KeyRing

VARIABLE = "TIKTOK_FORWARDER_ENCRYPTION_KEY"


def loaded(key_file: Path, sealed: str | None = None) -> KeyRing:
    return KeyRing.load({}, VARIABLE, key_file, sealed)


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


def test_a_key_of_the_environment_is_not_changed_from_here(tmp_path: Path) -> None:
    """The sentence says what to do; nothing is written."""
    ring = KeyRing.load({VARIABLE: "00" * 32}, VARIABLE, tmp_path / "encryption.key", None)
    with pytest.raises(ConfigurationError, match="environment"):
        ring.begin()
    assert names(tmp_path) == []
