"""Digests of secrets with 256 random bits, by which the store knows them without containing them."""

from base64 import urlsafe_b64encode
from hashlib import sha256


def digest_of(secret: str) -> str:
    """Return SHA-256 in 43 letters, digits, dashes and underscores; also of what a browser sent instead of a secret."""
    digest = sha256(secret.encode("utf-8", "surrogateescape")).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")
