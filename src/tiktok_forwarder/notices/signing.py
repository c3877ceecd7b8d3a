"""Signatures of webhooks, as the Standard Webhooks specification defines them (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

_PREFIX: Final = "whsec_"
# The specification asks for 24 to 64 bytes.
_SECRET_BYTES: Final = 32


def new_signing_secret() -> str:
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_headers(signing_secrets: Sequence[str], notice_id: str, at_seconds: int, body: bytes) -> dict[str, str]:
    """Return the headers of a webhook: with a signature by each secret, of which the receiver may know any."""
    signed = f"{notice_id}.{at_seconds}.".encode() + body
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": str(at_seconds),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in signing_secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
