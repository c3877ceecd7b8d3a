"""Credentials of inputs: how they are generated, and compared without revealing anything by the time that it takes."""

import hmac
import secrets
from hashlib import sha256
from typing import Final

NO_DIGEST: Final = bytes(32)


def new_key() -> str:
    return secrets.token_hex(12)


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def new_authorization() -> str:
    return f"Token {secrets.token_urlsafe(32)}"


def digest_of(secret: str) -> bytes:
    # Digests are of equal length, so comparing them reveals nothing about a secret's length.
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


def is_one_of(given: str, digests: tuple[bytes, ...]) -> bool:
    digest = digest_of(given)
    # Compare with all, whichever matches: `any` over a generator would stop early.
    return any([hmac.compare_digest(digest, known) for known in digests])
