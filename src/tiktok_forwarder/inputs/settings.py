"""The settings of an input as files and programs give them: everything but its secrets."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

InputKind = Literal["server", "browser", "kafka"]
"""What sends: a server with a secret, web pages with a public key and listed origins, or topics of Kafka."""
KafkaSecurity = Literal["tls", "plaintext"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class KafkaSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a Kafka input consumes. The group is by default named after the input.

    Without `ca_certificate`, a PEM text, the system's certificate authorities are trusted. `password` is given, never
    shown; null keeps the stored one.
    """

    servers: tuple[str, ...]
    topics: tuple[str, ...]
    group: str = ""
    security: KafkaSecurity = "tls"
    sasl_mechanism: SaslMechanism | None = None
    user_name: str = ""
    password: str | None = None
    ca_certificate: str = ""


class InputSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """An input's settings. A key that is not given is generated, or stays.

    Only a browser input has `origins`; only a Kafka input has `kafka`, and no key.
    """

    name: str
    kind: InputKind = "server"
    key: str | None = None
    origins: Sequence[str] = ()
    allows_purchases: bool = True
    kafka: KafkaSettings | None = None


class InputDifference(Struct, frozen=True, omit_defaults=True):
    """The effect of an import on one input. An added one has a `key`; a server's has secrets, shown only once.

    `changes_password`: a Kafka input gets another password, which is not shown.
    """

    name: str
    change: Literal["add", "change", "none"]
    before: InputSettings | None
    after: InputSettings
    key: str | None = None
    secret: str | None = None
    authorization: str | None = None
    changes_password: bool = False
