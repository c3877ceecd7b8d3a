"""What a sender needs to be told: ready to be copied into a terminal, an SDK, or mParticle's Webhook output."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tiktok_forwarder.console.made_up import as_curl, made_up_purchase

_NO_SECRET: Final = "THE-SECRET-OF-THIS-INPUT"  # noqa: S105  # what stands in a secret's place
_NO_AUTHORIZATION: Final = "THE-AUTHORIZATION-VALUE-OF-THIS-INPUT"
_USUAL_IDENTITIES: Final = {"email_identity_type": "email", "external_identity_type": "customer_id"}


class SenderSettings(Struct, frozen=True):
    """`are_shown`: the secrets are in it, since they were made just now. Else words stand in their place."""

    input_name: str
    key: str
    secret: str
    authorization: str
    sdk_base_url: str
    webhook_url: str
    curl: str
    are_shown: bool
    is_local: bool


def sender_settings(
    base: str, found: Mapping[str, Any], settings: Mapping[str, Any] = _USUAL_IDENTITIES
) -> SenderSettings:
    """For an input as the API gives it: with its secrets once, without them later. `base` is the service's address."""
    secret, authorization = found.get("secret"), found.get("authorization")
    batch = made_up_purchase(settings, f"made-up-{secrets.token_hex(4)}")
    return SenderSettings(
        found["name"],
        found["key"],
        secret or _NO_SECRET,
        authorization or _NO_AUTHORIZATION,
        f"{base}/v2",
        f"{base}/webhook/{found['name']}",
        as_curl(base, found["key"], secret or _NO_SECRET, batch),
        secret is not None,
        base.startswith("http://"),
    )
