"""The key file and the boxes of its keys: the one in use, and during a rotation the next one beside it."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from tiktok_forwarder.database.sync import sync
from tiktok_forwarder.domain.errors import ConfigurationError, SecretUnreadable
from tiktok_forwarder.secrets.secret_box import AesGcmSecretBox, create_key, key_id_of, load_key, parse_key, read_key


class KeyRing:
    """A `SecretBox` whose key can be changed. The next key is in a place of its own until it seals everything.

    So a node has a key that the store needs at every moment, and the store determines which.
    """

    def __init__(self, key: bytes, key_file: Path | None, next_variable: str, *, is_new: bool = False) -> None:
        """`key_file` is None if the key comes from the environment; `is_new` if the file was created for it."""
        self._key_file = key_file
        self._next_variable = next_variable
        self._is_new = is_new
        self._current = AesGcmSecretBox(key)
        self._next: AesGcmSecretBox | None = None
        self._boxes = {self._current.key_id: self._current}

    @classmethod
    def load(
        cls, environment: Mapping[str, str], variable: str, next_variable: str, key_file: Path, sealed: str | None
    ) -> "KeyRing":
        """Return the ring with the key of the environment variable, or else of the file, and with the next key.

        `sealed` is a text that the key must open. If the next key opens it, the rotation was completed meanwhile, and
        it is the key in use. Without `sealed`, a missing key is created. Raises `ConfigurationError`.
        """
        key, is_new = load_key(environment, variable, key_file, may_create=sealed is None)
        ring = cls(key, None if variable in environment else key_file, next_variable, is_new=is_new)
        if given := environment.get(next_variable):
            ring._add_next(parse_key(given, next_variable))
        ring.find_next()
        if sealed is not None and ring._next is not None and ring._next.key_id == key_id_of_sealed(sealed):
            ring.use(ring._next.key_id)
            ring.finish()
        return ring

    @property
    def key_id(self) -> str:
        return self._current.key_id

    @property
    def key_ids(self) -> list[str]:
        """Return the IDs of the keys that can open a text, that of the key in use first."""
        return sorted(self._boxes, key=lambda key_id: key_id != self.key_id)

    def seal(self, secret: str, record_id: str) -> str:
        return self._current.seal(secret, record_id)

    def open(self, sealed: str, record_id: str) -> str:
        """Return the decrypted text. Raises `SecretUnreadable`."""
        return self._boxes.get(key_id_of_sealed(sealed), self._current).open(sealed, record_id)

    def withdraw(self) -> bool:
        """Remove the key file if `load` has created it, since the store needs another key; return whether it has."""
        if self._is_new and self._key_file is not None:
            self._key_file.unlink(missing_ok=True)
        return self._is_new

    # --- changing the key --------------------------------------------------------------------------------------------

    def find_next(self) -> None:
        """Read the next key, if it was put beside the key file; it opens texts from now on.

        Raises `ConfigurationError`.
        """
        if self._key_file is not None and _has_content(_next_to(self._key_file)):
            self._add_next(read_key(_next_to(self._key_file)))

    def begin(self) -> AesGcmSecretBox:
        """Return the next key's box; the key is created, durably, if there is none. Raises `ConfigurationError`."""
        self._put_in_place()
        self.find_next()
        if self._next is not None:
            return self._next
        if self._key_file is None:
            where = f"give each node the next one in {self._next_variable} and restart it, then rotate"
            raise ConfigurationError([f"the key comes from the environment; {where}"])
        # An empty one is left over from a rotation that was interrupted.
        _next_to(self._key_file).unlink(missing_ok=True)
        return self._add_next(create_key(_next_to(self._key_file)))

    def use(self, key_id: str) -> None:
        """Seal with this key from now on; the store needs it to be opened again. Raises `SecretUnreadable`."""
        if key_id not in self._boxes:
            raise SecretUnreadable(f"the secrets of the store are encrypted with key {key_id}, which this node lacks")
        self._current = self._boxes[key_id]
        self._next = None

    def finish(self) -> None:
        """Drop the old key: it opens nothing from now on.

        Raises `ConfigurationError` if the file cannot be put in place; the next start does it then.
        """
        self._boxes = {self.key_id: self._current}
        self._put_in_place()

    def next_place(self) -> str:
        """Return where this node has the next key."""
        return self._next_variable if self._key_file is None else str(_next_to(self._key_file))

    def _add_next(self, key: bytes) -> AesGcmSecretBox:
        box = self._boxes.get(key_id_of(key))
        if box is None:
            box = self._next = self._boxes[key_id_of(key)] = AesGcmSecretBox(key)
        return box

    def _put_in_place(self) -> None:
        """Replace the key file by that of the next key, if that is the key in use."""
        if self._key_file is None or not _has_content(_next_to(self._key_file)):
            return
        if key_id_of(read_key(_next_to(self._key_file))) == self.key_id:
            _replace(self._key_file)


def key_files_of(key_file: Path) -> list[Path]:
    """Return the paths at which there may be a key: the file's, and that of the next key during a rotation."""
    return [key_file, _next_to(key_file)]


def key_id_of_sealed(sealed: str) -> str:
    """Return the ID of the key that sealed a text; empty if there is none."""
    return sealed.partition(".")[2].partition(".")[0]


def _next_to(key_file: Path) -> Path:
    return key_file.with_name(f"{key_file.name}.next")


def _has_content(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False


def _replace(key_file: Path) -> None:
    try:
        # Another node with the same key file may have done it a moment ago.
        with contextlib.suppress(FileNotFoundError):
            _next_to(key_file).replace(key_file)
        sync(key_file.parent)
    except OSError as error:
        raise ConfigurationError(
            [f"{key_file}: cannot install the new key: {error.strerror}; keep {_next_to(key_file)}"]
        ) from None
