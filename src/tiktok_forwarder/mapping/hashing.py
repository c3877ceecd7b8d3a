"""SHA-256 of short texts, for identities: Python's own, where it has one, is twice as fast as OpenSSL's."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any


def _quickest() -> Callable[[bytes], Any]:
    # OpenSSL's takes half a microsecond to begin; the module was renamed in Python 3.12.
    for name in ("_sha2", "_sha256"):
        with suppress(ImportError):
            sha256: Callable[[bytes], Any] = import_module(name).sha256
            return sha256
    return hashlib.sha256


_sha256 = _quickest()


def digest_of(text: str) -> str:
    """Return the digest of the text in UTF-8, in lower-case hexadecimal."""
    digest: str = _sha256(text.encode()).hexdigest()
    return digest
