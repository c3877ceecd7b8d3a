"""The IDs of visitors that mParticle would assign: here a keyed hash of who they say they are, so nothing is stored."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tiktok_forwarder.mparticle.identities import IDENTITY_TYPES, identities_by_type
from tiktok_forwarder.mparticle.values import text_of

_PURPOSE: Final = b"tiktok-forwarder: mpid of a browser's visitor"
_KEY_BYTES: Final = 32
_MPID_BYTES: Final = 8
_DEVICE: Final = "device_application_stamp"
_MAX_DEVICE_LENGTH: Final = 256


class Mpids:
    """Makes an mpid, the text of a signed 64-bit number: the same for the same person and input, on any start."""

    def __init__(self, installation_key: bytes) -> None:
        """The key of this use is derived from the installation's, so that its hashes are of no use elsewhere."""
        self._key = HKDF(SHA256(), _KEY_BYTES, salt=None, info=_PURPOSE).derive(installation_key)

    def find_mpid(self, input_id: str, known_identities: Mapping[str, object]) -> str | None:
        """Return the mpid of the first of customer ID, email, other identities and device; None if there is none."""
        found = _most_telling(known_identities)
        if found is None:
            return None
        hashed = blake2b(key=self._key, digest_size=_MPID_BYTES)
        for part in (input_id, *found):
            encoded = part.encode("utf-8", "surrogatepass")
            # With its length, no two lists of parts are the same bytes.
            hashed.update(len(encoded).to_bytes(4, "big") + encoded)
        return str(int.from_bytes(hashed.digest(), "big", signed=True))


def _most_telling(known_identities: Mapping[str, object]) -> tuple[str, str] | None:
    by_type = identities_by_type(dict(known_identities), [])
    for identity_type in IDENTITY_TYPES:
        if identity := by_type.get(identity_type):
            value = identity[0]
            return identity_type, value.lower() if identity_type == "email" else value
    device = text_of(known_identities.get(_DEVICE))
    return (_DEVICE, device[:_MAX_DEVICE_LENGTH]) if device else None
