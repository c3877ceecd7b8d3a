"""Limits of sending: access tokens with their pixels, and limits per second."""

import hashlib
import hmac
from collections import Counter
from collections.abc import Collection, Mapping

from tiktok_sandbox.facts import MESSAGES, NO_PERMISSION, TOKEN_EMPTY, TOKEN_INCORRECT, TOKEN_MISSING_MESSAGE
from tiktok_sandbox.validate import Refusal

# The pixels that each access token may send to; None for any pixel.
TokenGrants = Mapping[str, Collection[str] | None]


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def fingerprint(token: str) -> str:
    """Return the part of a token to show: enough to distinguish two, too little to use one."""
    return f"sha256:{digest_of(token).hex()[:8]}"


class Access:
    """The granted tokens, kept as digests only. Without grants, every token but an empty one may do everything."""

    def __init__(self, grants: TokenGrants | None) -> None:
        self._grants = None if grants is None else [
            (digest_of(token), None if pixels is None else frozenset(pixels)) for token, pixels in grants.items()
        ]  # fmt: skip

    def refuse_token(self, token: str | None) -> Refusal | None:
        """Return the refusal of a token by rules 3 and 4, or None."""
        if token is None:
            return Refusal(3, TOKEN_EMPTY, TOKEN_MISSING_MESSAGE)
        if not token:
            return Refusal(3, TOKEN_EMPTY, MESSAGES[TOKEN_EMPTY])
        if token.startswith("Bearer ") or not self._knows(token):
            return Refusal(4, TOKEN_INCORRECT, MESSAGES[TOKEN_INCORRECT])
        return None

    def refuse_pixel(self, token: str, pixel: str) -> Refusal | None:
        """Return the refusal of a pixel by rule 5, or None."""
        for digest, pixels in self._grants or ():
            if pixels is not None and pixel not in pixels and hmac.compare_digest(digest, digest_of(token)):
                return Refusal(5, NO_PERMISSION, MESSAGES[NO_PERMISSION].format(pixel=pixel))
        return None

    def _knows(self, token: str) -> bool:
        if self._grants is None:
            return True
        return any(hmac.compare_digest(digest, digest_of(token)) for digest, _ in self._grants)


class PerSecondLimit:
    """Allows a limited number of a key's requests per second of the clock; refuses others until the next second."""

    def __init__(self, requests_per_second: int | None) -> None:
        self._limit = requests_per_second
        self._second = 0
        self._taken: Counter[str] = Counter()

    def is_exceeded_by(self, key: str, now_seconds: float) -> bool:
        if self._limit is None:
            return False
        if int(now_seconds) != self._second:
            self._second = int(now_seconds)
            self._taken.clear()
        self._taken[key] += 1
        return self._taken[key] > self._limit
