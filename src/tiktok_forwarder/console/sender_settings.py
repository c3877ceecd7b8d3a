"""What a sender needs, ready to copy into a terminal, an SDK, or mParticle's Webhook output."""

import secrets
from typing import Final, Literal

from msgspec import Struct

from tiktok_forwarder.api.types import InputCredentials, InputView
from tiktok_forwarder.console.sample_data import curl_command, sample_purchase
from tiktok_forwarder.mapping.connection import Connection

_NO_SECRET: Final = "THE-SECRET-OF-THIS-INPUT"  # noqa: S105  # a placeholder
_NO_AUTHORIZATION: Final = "THE-AUTHORIZATION-VALUE-OF-THIS-INPUT"


class SenderSettings(Struct, frozen=True):
    """`includes_secrets` is True for secrets that were created just now; otherwise placeholders replace them."""

    input_name: str
    key: str
    secret: str
    authorization: str
    sdk_base_url: str
    webhook_url: str
    curl: str
    includes_secrets: bool
    is_local: bool
    kind: Literal["server"] = "server"


class TopicSettings(Struct, frozen=True):
    """What a Kafka input reads: it has no sender to set up here."""

    input_name: str
    topics: list[str]
    group: str
    kind: Literal["kafka"] = "kafka"


def sender_settings(
    base: str, found: InputView, made: InputCredentials | None = None, connection: Connection | None = None
) -> SenderSettings:
    """Return the settings of a server's input: with secrets if `made` just now. `base` is the service's URL."""
    secret = (made.secret if made is not None else None) or _NO_SECRET
    authorization = (made.authorization if made is not None else None) or _NO_AUTHORIZATION
    batch = sample_purchase(connection, f"test-{secrets.token_hex(4)}")
    return SenderSettings(
        found.name,
        found.key,
        secret,
        authorization,
        f"{base}/v2",
        f"{base}/webhook/{found.name}",
        curl_command(base, found.key, secret, batch),
        made is not None,
        base.startswith("http://"),
    )
