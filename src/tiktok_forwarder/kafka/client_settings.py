"""The settings of librdkafka for an input's consumer."""

import logging
from typing import Any, Final

from tiktok_forwarder.inputs.settings import KafkaSettings

# A node that was killed keeps its partitions for this long.
SESSION_TIMEOUT_MS: Final = 15_000
STATISTICS_INTERVAL_MS: Final = 2_000
# Bounds of what a consumer holds in memory that was not asked for yet. A larger message is received all the same.
_FETCH_MAX_BYTES: Final = 8 * 1024 * 1024
_PARTITION_FETCH_BYTES: Final = 1024 * 1024
_QUEUED_KBYTES: Final = 8 * 1024
_SILENT: Final = logging.Logger("librdkafka")
_SILENT.disabled = True


def client_settings(settings: KafkaSettings, password: str | None) -> dict[str, Any]:
    """Return the settings of a consumer. Offsets are committed by the consumer's own rule only."""
    is_tls = settings.security == "tls"
    configuration: dict[str, Any] = {
        "bootstrap.servers": ",".join(settings.servers),
        "client.id": "tiktok-forwarder",
        "group.id": settings.group,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": SESSION_TIMEOUT_MS,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Whatever is there and was never committed is read: a message must not be skipped.
        "auto.offset.reset": "earliest",
        "allow.auto.create.topics": False,
        "fetch.max.bytes": _FETCH_MAX_BYTES,
        "max.partition.fetch.bytes": _PARTITION_FETCH_BYTES,
        "queued.max.messages.kbytes": _QUEUED_KBYTES,
        "statistics.interval.ms": STATISTICS_INTERVAL_MS,
        "socket.keepalive.enable": True,
        # Every attempt to connect would be a line: the state is reported once instead.
        "logger": _SILENT,
        "security.protocol": ("SASL_" if settings.sasl_mechanism else "") + ("SSL" if is_tls else "PLAINTEXT"),
    }
    if settings.ca_certificate:
        configuration["ssl.ca.pem"] = settings.ca_certificate
    elif is_tls:
        # The library is linked statically: the default place of certificates in it is not this system's.
        configuration["ssl.ca.location"] = "probe"
    if settings.sasl_mechanism is not None:
        configuration |= {
            "sasl.mechanism": settings.sasl_mechanism,
            "sasl.username": settings.user_name,
            "sasl.password": password or "",
        }
    return configuration
