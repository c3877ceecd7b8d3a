"""What the API takes and gives, as types: decoding, encoding and the OpenAPI document are made from them."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from tiktok_forwarder.access.api_keys import Scope
from tiktok_forwarder.access.users import User
from tiktok_forwarder.api.settings_schema import needed
from tiktok_forwarder.delivery.interfaces import DeliveryStatus
from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.mapping.connection import Connection, read_connection
from tiktok_forwarder.mapping.explain import Explanation
from tiktok_forwarder.store.events import DeadLetter, DeadLetterCount, QueueCounts

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
SETTINGS_COMPONENT: Final = "ConnectionSettings"
_REFERENCE: Final[dict[str, Any]] = {"$ref": f"#/components/schemas/{SETTINGS_COMPONENT}"}
Settings = Annotated[dict[str, Any], Meta(extra_json_schema=_REFERENCE)]
"""A connection's keys and values, as in its TOML file; see the reference of connection settings."""
NewSettings = Annotated[dict[str, Any], Meta(extra_json_schema={**_REFERENCE, "required": needed()})]


class NewInputBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not given is made up."""

    name: str
    key: str | None = None
    secret: str | None = None
    authorization: str | None = None


class RotateBody(Struct, frozen=True, forbid_unknown_fields=True):
    """New secrets; what is not given is made up."""

    secret: str | None = None
    authorization: str | None = None


class InputView(Struct, frozen=True):
    """An input without its secrets. `rotating`: an old secret is still valid beside the new one.

    `unreadable`: a stored secret was changed on the disk and lets nobody in; new secrets mend that.
    """

    id: str
    revision: int
    name: str
    key: str
    webhook_path: str
    rotating: bool
    unreadable: bool


class ImportQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """All connections that the input feeds, or only the one named."""

    connection: str | None = None


class ImportReceipt(Struct, frozen=True):
    """What became of the events, over all connections that the input feeds."""

    stored: int
    duplicates: int
    connection_full: int
    dropped: int


class ConnectionChange(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings to change; null sets one back to its default. With a revision it must be the stored one."""

    settings: Settings
    expected_revision: Number | None = None


class ConnectionView(Struct, frozen=True):
    """A connection without its access token; `advice` is what its author should know of the settings."""

    id: str
    revision: int
    settings: Settings
    advice: list[str]

    def connection(self) -> Connection:
        """The same with settings that are read by their names."""
        draft = read_connection(self.settings, connection_id=self.id, revision=self.revision, needs_token=False)
        return draft.connection


class ImportBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Connections to add or change, by name. A dry run changes nothing."""

    connections: list[Settings]
    dry_run: bool = False


class PauseBody(Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=500)] = ""


class RemovedView(Struct, frozen=True):
    """What was removed; of a connection also how many waiting events became dead letters."""

    id: str
    name: str
    dead_lettered: int = 0


class DeadLetterQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Every condition given must hold. `after` is the last `event_no` of the page before."""

    connection: str | None = None
    reason: str | None = None
    from_ms: Number | None = None
    until_ms: Number | None = None
    after: Number = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class DeadLetterSelection(Struct, frozen=True, forbid_unknown_fields=True):
    """Every condition given must hold; none given selects all. A dry run only says what it would touch."""

    connection: str | None = None
    reason: str | None = None
    from_ms: Number | None = None
    until_ms: Number | None = None
    event_nos: list[Number] | None = None
    dry_run: bool = False


class DeadLetterView(Struct, frozen=True):
    """A dead letter without its payload."""

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

    @classmethod
    def from_letter(cls, letter: DeadLetter, connection: str) -> "DeadLetterView":
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
        )


class DeadLetterCountView(Struct, frozen=True):
    """Dead letters of one connection and reason; the times are those of dead-lettering."""

    connection_id: str
    connection: str
    reason: str
    count: int
    oldest_ms: int
    newest_ms: int

    @classmethod
    def from_count(cls, counted: DeadLetterCount, connection: str) -> "DeadLetterCountView":
        return cls(
            counted.connection_id, connection, counted.reason, counted.count, counted.oldest_ms, counted.newest_ms
        )


class DeadLetterDetail(Struct, frozen=True):
    """A dead letter with the event object as TikTok was to get it, and where each of its fields comes from."""

    letter: DeadLetterView
    wire_form: str
    connection_revision: int
    payload: Any
    explanation: list[Explanation]


class TouchedView(Struct, frozen=True):
    """What a replay or discard touched, or would. `warning` is of a replay: what may count twice, what cannot go.

    `replay_no` asks for the progress of a replay.
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

    The link of an invitation holds for a day, the first for half an hour, neither over a restart.
    """

    path: str
    base: str
    user: User | None


class ConnectionStatus(Struct, frozen=True):
    """`totals` are the books by counter, dropped events by reason apart; `delivery` is there while a service runs."""

    id: str
    name: str
    totals: dict[str, int]
    dropped: dict[str, int]
    queue: QueueCounts | None
    delivery: DeliveryStatus | None
    warnings: list[str]


class StatusView(Struct, frozen=True):
    """`store_problems`: why no new event can be accepted now."""

    running: bool
    store_problems: list[str]
    connections: list[ConnectionStatus]
