"""Secrets at rest: AES-256-GCM under a key from the environment or a file, bound to the record that contains them."""

import base64
import contextlib
import os
import secrets
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tiktok_forwarder.database.sync import sync
from tiktok_forwarder.domain.errors import ConfigurationError, SecretUnreadable

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12  # the size that GCM is specified for
_FORM: Final = "v1"
_WRITING_SECONDS: Final = 1.0


class AesGcmSecretBox:
    """The `SecretBox` of a running service. A sealed text is `v1.<key id>.<nonce and ciphertext in base64>`."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self.key_id = key_id_of(key)

    def __repr__(self) -> str:
        return f"AesGcmSecretBox({self.key_id})"

    def seal(self, secret: str, record_id: str) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.encode(), self._bound_to(record_id))
        return f"{_FORM}.{self.key_id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, record_id: str) -> str:
        form, _, rest = sealed.partition(".")
        key_id, _, text = rest.partition(".")
        if form != _FORM or key_id != self.key_id:
            raise SecretUnreadable(
                f"The secret of {record_id} was encrypted with key {key_id or 'unknown'}, "
                f"but the current key is {self.key_id}: start the service with that key"
            )
        try:
            raw = _strict_base64(text)
            # Base64's last letter can have spare bits; an equivalent text with other spare bits was changed as well.
            if base64.urlsafe_b64encode(raw).decode() != text:
                raise ValueError(text)
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], self._bound_to(record_id)).decode()
        except (InvalidTag, ValueError):
            raise SecretUnreadable(f"The secret of {record_id} is damaged: set it again") from None

    def _bound_to(self, record_id: str) -> bytes:
        return f"{_FORM}.{self.key_id}.{record_id}".encode()


def key_id_of(key: bytes) -> str:
    """Return a name of the key that reveals nothing about it."""
    return sha256(b"tiktok-forwarder key id" + key).hexdigest()[:12]


class LoadedKey(NamedTuple):
    """A key, and whether its file was created to have it."""

    key: bytes
    is_new: bool


def load_key(environment: Mapping[str, str], variable: str, key_file: Path, *, may_create: bool) -> LoadedKey:
    """Return the key of the environment variable, or else of the file; created at first start if `may_create`.

    Raises `ConfigurationError`. A key that is missing although secrets exist is never replaced: the secrets would be
    lost.
    """
    if variable in environment:
        return LoadedKey(parse_key(environment[variable], variable), is_new=False)
    if may_create:
        with contextlib.suppress(FileExistsError):
            return LoadedKey(create_key(key_file), is_new=True)
        _wait_until_written(key_file)
    elif not key_file.exists():
        lost = f"{key_file}: the key file is missing, but there are secrets encrypted with it"
        raise ConfigurationError([f"{lost}: restore it, copy it from another node, or set {variable}"])
    return LoadedKey(read_key(key_file), is_new=False)


def _wait_until_written(key_file: Path) -> None:
    """Wait while the file is empty: another process may have created it a moment ago."""
    deadline = time.monotonic() + _WRITING_SECONDS
    with contextlib.suppress(OSError):
        while key_file.stat().st_size == 0 and time.monotonic() < deadline:
            time.sleep(0.01)


def read_key(key_file: Path) -> bytes:
    """Return the key in the file. Raises `ConfigurationError`."""
    try:
        return parse_key(key_file.read_text("ascii"), str(key_file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{key_file}: cannot read the key file: {error}"]) from None


def parse_key(text: str, where: str) -> bytes:
    """Return the key that a text is. Raises `ConfigurationError`, which names the place and not the text."""
    text = text.strip()
    padded = text + "=" * (-len(text) % 4)
    for decode, form in ((bytes.fromhex, text), (_strict_base64, padded)):
        try:
            key = decode(form)
        except ValueError:
            continue
        if len(key) == KEY_BYTES:
            return key
    raise ConfigurationError([f"{where}: must contain a key of {KEY_BYTES} bytes, as base64 or hexadecimal digits"])


def _strict_base64(text: str) -> bytes:
    """Decode either alphabet. Raises `ValueError` for anything else; Python's own default skips unknown characters."""
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


def create_key(key_file: Path) -> bytes:
    """Return a new key in a new file, durable on return. Raises `FileExistsError` and `ConfigurationError`."""
    key = secrets.token_bytes(KEY_BYTES)
    try:
        # O_EXCL: another process that starts at the same moment must not lose its key to this one.
        descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise
    except OSError as error:
        raise _unwritable(key_file, error) from None
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(base64.urlsafe_b64encode(key).decode() + "\n")
            file.flush()
            os.fsync(file.fileno())
        sync(key_file.parent)
    except OSError as error:
        # Remove the partial file: the next start would read it as a corrupt key. Nothing is encrypted with it yet.
        key_file.unlink(missing_ok=True)
        raise _unwritable(key_file, error) from None
    return key


def _unwritable(key_file: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError([f"{key_file}: cannot write the key file: {error.strerror}"])
