"""Passwords of the console's users: the rules for a new one, and how passwords are stored."""

import asyncio
import os
import secrets
import unicodedata
from itertools import product
from typing import Final, Protocol

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

SHORTEST: Final = 8
LONGEST: Final = 128
# Hash one password at a time: hashing can occupy a core, and events need the other.
_AT_ONCE: Final = 1

_WORDS: Final = (
    "password", "passwort", "passw0rd", "p@ssword", "p@ssw0rd", "welcome", "willkommen", "letmein", "admin",
    "administrator", "qwerty", "qwertyuiop", "qwertz", "qwertzuiop", "asdfghjkl", "azerty", "abc", "abcd", "abcdef",
    "abcdefgh", "iloveyou", "monkey", "dragon", "sunshine", "princess", "football", "baseball", "superman", "batman",
    "shadow", "master", "michael", "jordan", "summer", "winter", "spring", "autumn", "secret", "changeme", "default",
    "login", "access", "trustno", "starwars", "computer", "internet", "whatever", "freedom", "hello", "ninja",
    "mustang", "tiktok", "mparticle", "marketing", "company", "test", "testing", "guest", "root", "user", "demo",
)  # fmt: skip
_ENDINGS: Final = (
    "", "1", "12", "123", "1234", "12345", "123456", "12345678", "123456789", "1!", "123!", "!", "!!", "01", "11",
    "00", "99", "69", "007", "2020", "2021", "2022", "2023", "2024", "2025", "2026", "2026!", "2025!",
)  # fmt: skip
_RUNS: Final = (
    "0123456789", "1234567890", "9876543210", "12345678", "123456789", "87654321", "11223344", "1q2w3e4r", "1qaz2wsx",
    "q1w2e3r4", "qazwsxedc", "zaq12wsx", "1q2w3e4r5t", "qweasdzxc", "asdfasdf", "qwerqwer", "abcd1234", "a1b2c3d4",
)  # fmt: skip
_COMMON: Final = frozenset(
    [*_RUNS, *(word + ending for word, ending in product(_WORDS, _ENDINGS)), *(word * 2 for word in _WORDS)]
)


def password_problems(password: str, user_name: str) -> list[str]:
    """Return why this cannot be this user's password; empty if it can."""
    text = _normal(password)
    if not SHORTEST <= len(text) <= LONGEST:
        return [f"password: must be {SHORTEST} to {LONGEST} characters; 15 or more are recommended"]
    plain = text.lower()
    if plain in _COMMON or len(set(plain)) <= 2:  # such as aaaaaaaa and abababab
        return ["password: is too common; choose another"]
    if user_name and user_name.strip().lower() in (plain, plain.rstrip("0123456789!")):
        return ["password: must not be the user name"]
    return []


class PasswordHasher(Protocol):
    """Hashes passwords, intentionally slowly: call it in a thread.

    Each hash contains its parameters, so they can be raised.
    """

    def hash(self, password: bytes) -> str: ...

    def verify(self, password: bytes, known: str) -> bool:
        """Return whether this hash is of the password."""
        ...

    def is_current(self, known: str) -> bool:
        """Return whether the hash was made with the current parameters."""
        ...


class PasswordHashes:
    """Makes and compares password hashes in a thread."""

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._nobodys = ""

    async def hash_of(self, password: str) -> str:
        async with self._at_once:
            return await asyncio.to_thread(self._hasher.hash, _bytes(password))

    async def verify(self, password: str, known: str) -> bool:
        """Return whether this hash is of the password. Without a hash, return False after the same time."""
        given = _bytes(password if len(password) <= LONGEST else "")
        async with self._at_once:
            self._nobodys = self._nobodys or await asyncio.to_thread(self._hasher.hash, secrets.token_bytes(16))
            fits = await asyncio.to_thread(self._hasher.verify, given, known or self._nobodys)
        return fits and bool(known)

    def is_current(self, known: str) -> bool:
        """Return whether the hash was made with the current parameters."""
        return self._hasher.is_current(known)


def _normal(password: str) -> str:
    # Keyboards differ: one writes ü as one character, another as two.
    return unicodedata.normalize("NFC", password)


def _bytes(password: str) -> bytes:
    return _normal(password).encode("utf-8", "surrogateescape")


# OWASP's first choice for Argon2id: 19 MiB, two passes, one lane.
_MEMORY_KIB: Final = 19 * 1024
_PASSES: Final = 2
_LANES: Final = 1
_BYTES: Final = 32
_SALT_BYTES: Final = 16
_PREFIX: Final = f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}$"


class Argon2Hasher:
    """The `PasswordHasher` that uses Argon2id."""

    def hash(self, password: bytes) -> str:
        kdf = Argon2id(
            salt=os.urandom(_SALT_BYTES), length=_BYTES, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY_KIB
        )
        return kdf.derive_phc_encoded(password)

    def verify(self, password: bytes, known: str) -> bool:
        try:
            Argon2id.verify_phc_encoded(password, known)
        except InvalidKey:
            return False
        return True

    def is_current(self, known: str) -> bool:
        return known.startswith(_PREFIX)
