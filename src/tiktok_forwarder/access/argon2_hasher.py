"""Hashes of passwords: Argon2id."""

import os
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

# OWASP's first choice for Argon2id: 19 MiB, two passes, one lane.
_MEMORY_KIB: Final = 19 * 1024
_PASSES: Final = 2
_LANES: Final = 1
_BYTES: Final = 32
_SALT_BYTES: Final = 16
_PREFIX: Final = f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}$"


class Argon2Hasher:
    """`PasswordHasher`."""

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
