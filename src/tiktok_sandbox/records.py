"""The sandbox's records of requests and events, and their sums."""

from msgspec import Struct, field

from tiktok_sandbox.finding import EventWarning


class ReceivedEvent(Struct, frozen=True, gc=False):
    """An event as received. `code` is None if its request got no code: no answer, or one that is not TikTok's.

    `duplicate`: TikTok would discard it, having accepted the same event within 48 hours.
    """

    number: int
    request_number: int
    at_ms: int
    path: str
    event_source: str
    event_source_id: str | None
    event: str | None
    event_id: str | None
    code: int | None
    message: str
    duplicate: bool
    warnings: tuple[EventWarning, ...]
    payload: bytes


class EventFilter(Struct, frozen=True):
    """Which events: every condition given must be met."""

    event_source_id: str | None = None
    event: str | None = None
    event_id: str | None = None
    duplicate: bool | None = None

    def matches(self, event: ReceivedEvent) -> bool:
        return (
            (self.event_source_id is None or event.event_source_id == self.event_source_id)
            and (self.event is None or event.event == self.event)
            and (self.event_id is None or event.event_id == self.event_id)
            and (self.duplicate is None or event.duplicate == self.duplicate)
        )


class ReceivedRequest(Struct, frozen=True):
    """A request as received. `rule` is the one that refused it; `scripted` names the step that decided instead.

    `status` is None if there was no HTTP answer; `token` is a fingerprint of the access token.
    """

    number: int
    at_ms: int
    path: str
    token: str | None
    event_source_id: str | None
    events: int
    body_bytes: int
    status: int | None
    code: int | None
    message: str
    rule: int | None
    scripted: str | None
    test_event_code: str | None
    partner_name: str | None
    warnings: tuple[EventWarning, ...]


class EventCounts(Struct):
    """Counts of events.

    `delivered` is distinct events accepted and confirmed with a code; `unanswered` events got no code.
    """

    events: int = 0
    delivered: int = 0
    duplicates: int = 0
    refused: int = 0
    unanswered: int = 0
    with_warnings: int = 0

    def add(self, other: "EventCounts") -> None:
        self.events += other.events
        self.delivered += other.delivered
        self.duplicates += other.duplicates
        self.refused += other.refused
        self.unanswered += other.unanswered
        self.with_warnings += other.with_warnings


class Counts(EventCounts):
    """Counts since the start, or since they were cleared. Requests without a code count under `none`."""

    requests: int = 0
    faults: int = 0
    requests_by_code: dict[str, int] = field(default_factory=dict)
    by_pixel: dict[str, EventCounts] = field(default_factory=dict)
