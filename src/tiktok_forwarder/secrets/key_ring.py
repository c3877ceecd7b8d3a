"""The key file and the boxes of its keys: the one in use, and during a rotation the next one beside it."""

from collections.abc import Mapping
from pathlib import Path

from tiktok_forwarder.database.sync import sync
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.secrets.secret_box import AesGcmSecretBox, create_key, key_id_of, load_key, read_key


class KeyRing:
    """A `SecretBox` whose key can be changed. The next key is in its own file until it seals everything.

    So the files contain a key that the store needs at every moment, and the store determines which.
    """

    def __init__(self, key: bytes, key_file: Path | None, *, is_new: bool = False) -> None:
        self._key_file = key_file
        self._is_new = is_new
        self._current = AesGcmSecretBox(key)
        self._boxes = {self._current.key_id: self._current}

    @classmethod
    def load(cls, environment: Mapping[str, str], variable: str, key_file: Path, sealed: str | None) -> "KeyRing":
        """Return the ring with the key of the environment variable, or else of the file.

        `sealed` is a text that the key must open. A rotation that was interrupted after the store had been changed is
        completed. Without `sealed`, a missing key is created. Raises `ConfigurationError`.
        """
        key, is_new = load_key(environment, variable, key_file, may_create=sealed is None)
        if variable in environment:
            return cls(key, None)
        next_file = _next_to(key_file)
        if sealed is not None and next_file.exists():
            next_key = read_key(next_file)
            if key_id_of(next_key) == key_id_of_sealed(sealed):
                _put_in_place(key_file)
                return cls(next_key, key_file)
        return cls(key, key_file, is_new=is_new)

    def withdraw(self) -> bool:
        """Remove the key file if `load` has created it, since the store needs another key; return whether it has."""
        if self._is_new and self._key_file is not None:
            self._key_file.unlink(missing_ok=True)
        return self._is_new

    @property
    def key_id(self) -> str:
        return self._current.key_id

    def seal(self, secret: str, record_id: str) -> str:
        return self._current.seal(secret, record_id)

    def open(self, sealed: str, record_id: str) -> str:
        """Return the decrypted text. Raises `SecretUnreadable`."""
        return self._boxes.get(key_id_of_sealed(sealed), self._current).open(sealed, record_id)

    # --- changing the key --------------------------------------------------------------------------------------------

    def begin(self) -> AesGcmSecretBox:
        """Create the next key, durably; texts sealed with it can be opened from now on. Raises `ConfigurationError`."""
        if self._key_file is None:
            raise ConfigurationError(
                ["the key comes from the environment; move it to the key file, unset the variable, then rotate it"]
            )
        next_file = _next_to(self._key_file)
        if next_file.exists() and key_id_of(read_key(next_file)) == self.key_id:
            # Left by a rotation that could not put its file in place: it is the key in use.
            _put_in_place(self._key_file)
        next_file.unlink(missing_ok=True)
        box = AesGcmSecretBox(create_key(next_file))
        self._boxes[box.key_id] = box
        return box

    def use(self, key_id: str) -> None:
        """Seal with this key, which `begin` has created, from now on; the store needs it to be opened again."""
        self._current = self._boxes[key_id]

    def finish(self) -> None:
        """Drop the old key: it opens nothing from now on.

        Raises `ConfigurationError` if the file cannot be put in place; the next start does it then.
        """
        self._boxes = {self.key_id: self._current}
        if self._key_file is not None:
            _put_in_place(self._key_file)


def key_files_of(key_file: Path) -> list[Path]:
    """Return the paths at which there may be a key: the file's, and that of the next key during a rotation."""
    return [key_file, _next_to(key_file)]


def key_id_of_sealed(sealed: str) -> str:
    """Return the ID of the key that sealed a text; empty if there is none."""
    return sealed.partition(".")[2].partition(".")[0]


def _next_to(key_file: Path) -> Path:
    return key_file.with_name(f"{key_file.name}.next")


def _put_in_place(key_file: Path) -> None:
    try:
        _next_to(key_file).replace(key_file)
        sync(key_file.parent)
    except OSError as error:
        raise ConfigurationError(
            [f"{key_file}: cannot install the new key: {error.strerror}; keep {_next_to(key_file)}"]
        ) from None
