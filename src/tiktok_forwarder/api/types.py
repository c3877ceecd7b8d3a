"""The API's request and response types: decoding, encoding and the OpenAPI document are built from them."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from tiktok_forwarder.access.api_keys import Scope
from tiktok_forwarder.access.users import User
from tiktok_forwarder.api.settings_schema import needed
from tiktok_forwarder.delivery.interfaces import DeliveryStatus
from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.inputs.settings import InputKind, InputSettings, KafkaSecurity, KafkaSettings, SaslMechanism
from tiktok_forwarder.kafka.consumers import KafkaInputStatus
from tiktok_forwarder.mapping.connection import Connection, read_connection
from tiktok_forwarder.mapping.explanation.explain import Explanation
from tiktok_forwarder.operations.dead_letter_ends import EndRule
from tiktok_forwarder.store.dead_letters import DeadLetter, DeadLetterCount
from tiktok_forwarder.store.totals import QueueCounts

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
SETTINGS_COMPONENT: Final = "ConnectionSettings"
_REFERENCE: Final[dict[str, Any]] = {"$ref": f"#/components/schemas/{SETTINGS_COMPONENT}"}
Settings = Annotated[dict[str, Any], Meta(extra_json_schema=_REFERENCE)]
"""A connection's keys and values, as in its TOML file; see the reference of connection settings."""
NewSettings = Annotated[dict[str, Any], Meta(extra_json_schema={**_REFERENCE, "required": needed()})]


class NewInputBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A new input. Key and secrets that are not given are generated.

    A browser input has no secrets, and at least one of `origins`, such as https://shop.example.com. A Kafka input has
    `kafka`, and neither key nor secrets.
    """

    name: str
    key: str | None = None
    secret: str | None = None
    authorization: str | None = None
    kind: InputKind = "server"
    origins: list[str] = []
    allows_purchases: bool = True
    kafka: KafkaSettings | None = None


class RotateBody(Struct, frozen=True, forbid_unknown_fields=True):
    """New secrets, or a browser input's new key; what is not given is generated."""

    secret: str | None = None
    authorization: str | None = None
    key: str | None = None


class InputChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of an input; null keeps what is stored. If a revision is given, it must be the stored one.

    `kafka` replaces all settings of a Kafka input, except for a password that is null.
    """

    origins: list[str] | None = None
    allows_purchases: bool | None = None
    expected_revision: Number | None = None
    kafka: KafkaSettings | None = None


class InputCredentials(Struct, frozen=True, omit_defaults=True):
    """What an input's sender needs. Secrets are not shown again; a browser input has none, and its key is public.

    A Kafka input has no sender: its key is empty.
    """

    id: str
    name: str
    key: str
    secret: str | None = None
    authorization: str | None = None


class KafkaView(Struct, frozen=True):
    """Where a Kafka input consumes, without its password."""

    servers: list[str]
    topics: list[str]
    group: str
    security: KafkaSecurity
    sasl_mechanism: SaslMechanism | None
    user_name: str
    has_password: bool
    ca_certificate: str


class InputView(Struct, frozen=True):
    """An input without its secrets. `rotating`: an old secret, or `old_key`, is still valid beside the new one.

    `unreadable`: a stored secret was changed on the disk and is rejected; rotating the secrets fixes it. A browser
    input has `origins` and no `webhook_path`. A Kafka input has `kafka`, no `webhook_path`, and an empty key. Purchases
    are dropped unless the input `allows_purchases`.
    """

    id: str
    revision: int
    name: str
    key: str
    webhook_path: str | None
    rotating: bool
    unreadable: bool
    kind: InputKind
    origins: list[str]
    allows_purchases: bool
    old_key: str | None
    kafka: KafkaView | None = None


class InputImportBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Inputs to add or change, by name. A dry run changes nothing."""

    inputs: list[InputSettings]
    dry_run: bool = False


class ImportQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """All connections that the input feeds, or only the named one."""

    connection: str | None = None


class ImportReceipt(Struct, frozen=True):
    """Outcomes of the imported events, over all connections that the input feeds."""

    stored: int
    duplicates: int
    connection_full: int
    recorded: int
    dropped: int


class SaveQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """With `check`, TikTok is asked about pixel and access token once they are saved. The answer is not waited for: the
    status shows it.
    """

    check: bool = False


class ConnectionChange(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings to change; null restores the default. If a revision is given, it must be the stored one."""

    settings: Settings
    expected_revision: Number | None = None


class ConnectionView(Struct, frozen=True):
    """A connection without its access token; `advice` is notes on its settings."""

    id: str
    revision: int
    settings: Settings
    advice: list[str]

    def connection(self) -> Connection:
        """Return the connection with settings that are read by name."""
        draft = read_connection(
            self.settings, connection_id=self.id, revision=self.revision, needs_token=False, may_be_placeholder=True
        )
        return draft.connection


class ImportBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Connections to add or change, by name. A dry run changes nothing.

    If revisions are given, by ID, they must be those of all stored connections: nothing has changed since.
    """

    connections: list[Settings]
    dry_run: bool = False
    expected_revisions: dict[str, Number] | None = None


class FirstStepsView(Struct, frozen=True, forbid_unknown_fields=True):
    """`put_away`: the console does not show the steps to the connection's first event."""

    put_away: bool


class PauseBody(Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=500)] = ""


class SiteScriptView(Struct, frozen=True):
    """The script for sites. `pinned_path` names this version and always has this `integrity` hash."""

    path: str
    pinned_path: str
    integrity: str


class RemovedView(Struct, frozen=True):
    """What was removed; for a connection also how many waiting events became dead letters."""

    id: str
    name: str
    dead_lettered: int = 0


class DeadLetterQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Every condition given must be met. `after` is the last `event_no` of the previous page."""

    connection: str | None = None
    reason: str | None = None
    from_ms: Number | None = None
    until_ms: Number | None = None
    after: Number = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class DeadLetterSelection(Struct, frozen=True, forbid_unknown_fields=True):
    """Every condition given must be met; no condition selects all. A dry run only reports what it would affect."""

    connection: str | None = None
    reason: str | None = None
    from_ms: Number | None = None
    until_ms: Number | None = None
    event_nos: list[Number] | None = None
    dry_run: bool = False


class DeadLetterView(Struct, frozen=True):
    """A dead letter without its payload. It is deleted after `kept_until_ms`; null if it has no end."""

    event_no: int
    connection: str
    event: str
    event_id: str
    reason: str
    answer: Answer | None
    attempts: int
    accepted_at_ms: int
    first_attempt_at_ms: int | None
    dead_lettered_at_ms: int
    kept_until_ms: int | None

    @classmethod
    def from_letter(cls, letter: DeadLetter, connection: str, rule: EndRule) -> "DeadLetterView":
        return cls(
            letter.event_no,
            connection,
            letter.event_name,
            letter.event_id,
            letter.reason,
            letter.answer,
            letter.attempts,
            letter.accepted_at_ms,
            letter.first_attempt_at_ms,
            letter.dead_lettered_at_ms,
            rule.end_of(letter.dead_lettered_at_ms),
        )


class DeadLetterCountView(Struct, frozen=True):
    """Dead letters of one connection and reason; `oldest_ms` and `newest_ms` are when they became dead letters.

    The oldest is deleted after `oldest_kept_until_ms`; null if it has no end.
    """

    connection_id: str
    connection: str
    reason: str
    count: int
    oldest_ms: int
    newest_ms: int
    oldest_kept_until_ms: int | None

    @classmethod
    def from_count(cls, counted: DeadLetterCount, connection: str, rule: EndRule) -> "DeadLetterCountView":
        return cls(
            counted.connection_id,
            connection,
            counted.reason,
            counted.count,
            counted.oldest_ms,
            counted.newest_ms,
            rule.end_of(counted.oldest_ms),
        )


class DeadLetterDetail(Struct, frozen=True):
    """A dead letter with the event object meant for TikTok, and where each of its fields comes from."""

    letter: DeadLetterView
    wire_form: str
    connection_revision: int
    payload: Any
    explanation: list[Explanation]


class TouchedView(Struct, frozen=True):
    """What a replay or discard affected, or would affect.

    `warning` is for a replay: what TikTok may count twice, what cannot be replayed. `replay_no` identifies the replay
    in a request for its progress.
    """

    count: int
    by_reason: dict[str, int]
    dry_run: bool
    warning: str = ""
    replay_no: int | None = None


class AuditQuery(Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class NewKeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    scope: Scope = "read"


class ConsoleLink(Struct, frozen=True):
    """A page that sets a password, once. `base` is the console's address; `user` is None for the first administrator.

    An invitation's link is valid for one day, the first administrator's for half an hour.
    """

    path: str
    base: str
    user: User | None


class ConnectionStatus(Struct, frozen=True):
    """A connection's totals and delivery.

    `totals` are by counter, dropped events by reason in a separate member; `delivery` is present while a service runs.
    `first_steps_put_away`: the console does not show the steps to its first event.
    """

    id: str
    name: str
    totals: dict[str, int]
    dropped: dict[str, int]
    queue: QueueCounts | None
    delivery: DeliveryStatus | None
    warnings: list[str]
    first_steps_put_away: bool = False


class AttentionView(Struct, frozen=True):
    """How many connections are paused, by an operator or the service, and how many dead letters there are.

    `stopped_connections` are those whose condition is `paused` or `refused`: disabled ones are not counted.
    """

    paused_connections: int
    dead_letters: int
    stopped_connections: int


class StatusView(Struct, frozen=True):
    """The service's state. `running`: this node or another one delivers. `store_problems`: why no new event can be
    accepted now.

    `clock_difference_seconds` is this machine's clock minus TikTok's, null before its first answer. `warnings` are
    about the service as a whole.
    """

    running: bool
    store_problems: list[str]
    connections: list[ConnectionStatus]
    clock_difference_seconds: float | None = None
    warnings: list[str] = []
    kafka_inputs: list[KafkaInputStatus] = []
