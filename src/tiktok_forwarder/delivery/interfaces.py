"""The interfaces around the deliverer: connections, settings, the HTTP client and the observers."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

from tiktok_forwarder.domain.outcome import (
    Accepted,
    Answer,
    BadEvent,
    Misconfigured,
    Settlement,
    Throttled,
    TooLarge,
    TryLater,
    Verdict,
    WireFormName,
)
from tiktok_forwarder.domain.retry import RetryPolicy
from tiktok_forwarder.store.queue import GroupLimits, LeasedEvent
from tiktok_forwarder.tiktok.wire_forms import DEFAULT_WIRE_FORM

VerdictKind = Literal["accepted", "bad_event", "too_large", "throttled", "try_later", "misconfigured"]
SettledAs = Literal["delivered", "retry", "dead_letter"]
VERDICT_KINDS: Final[Mapping[type[Verdict], VerdictKind]] = {
    Accepted: "accepted",
    BadEvent: "bad_event",
    TooLarge: "too_large",
    Throttled: "throttled",
    TryLater: "try_later",
    Misconfigured: "misconfigured",
}
DeliveryCondition = Literal["not_checked", "test", "live", "refused", "paused", "recording", "throttled", "disabled"]
"""What people see first of a connection. `condition.py` decides which one applies."""

CheckOutcome = Literal["good", "refused", "unknown"]
"""TikTok accepted pixel and access token, or refused something; `unknown`: it could not be asked."""


class OutboundRequest(Struct, frozen=True):
    """One POST to TikTok. `path` is below the root, such as `/open_api/v1.3/event/track/`."""

    path: str
    access_token: str
    body: bytes

    def __repr__(self) -> str:
        return f"OutboundRequest({self.path}, {len(self.body)} bytes)"


class HttpAnswer(Struct, frozen=True):
    """TikTok's answer: at most 1 MiB of the body, and the headers `Retry-After` and `Date` as received."""

    status: int
    body: bytes
    retry_after: str | None = None
    date: str | None = None


class NoAnswer(Struct, frozen=True):
    """The reason why no complete answer was read.

    `tls` failures are a matter of configuration; `may_have_arrived` is set once the request has left.
    """

    kind: Literal["connect", "tls", "timeout", "reset", "oversized"]
    detail: str
    may_have_arrived: bool


class EventSender(Protocol):
    """Sends a request once: it retries nothing and follows no redirect, since the queue is the only retry layer."""

    async def send(self, request: OutboundRequest) -> HttpAnswer | NoAnswer:
        """Never raises for what the network or TikTok does; ends within the client's deadline."""
        ...

    async def close(self) -> None: ...


class DeliveryTarget(Struct, frozen=True):
    """The destination of a connection's requests. The access token is fetched for each request, never kept.

    `is_recording`: new events are only recorded, so just those are delivered that were stored before.
    """

    connection_id: str
    revision: int
    enabled: bool
    pixel_id: str
    test_event_code: str | None = None
    events_api: WireFormName = DEFAULT_WIRE_FORM.name
    is_recording: bool = False


class ConnectionSource(Protocol):
    """The current connections, from memory: the deliverer asks often."""

    def connection_ids(self) -> Collection[str]: ...

    def target(self, connection_id: str) -> DeliveryTarget | None:
        """Return the target, or None if there is no such connection (any more)."""
        ...

    def access_token(self, connection_id: str) -> str:
        """Return the decrypted token. Raises `SecretUnreadable`, which pauses the connection."""
        ...


class DeliveryPolicy(Struct, frozen=True):
    """The deliverer's settings.

    A lease outlasts the wait for TikTok's answer by `lease_margin_seconds`; a shorter one would cause duplicates.
    """

    retry: RetryPolicy = RetryPolicy()
    limits: GroupLimits = GroupLimits()
    max_wait_seconds: float = 1.0
    max_requests_in_flight: int = 4
    send_timeout_seconds: float = 30.0
    lease_margin_seconds: float = 30.0
    requests_per_second: float = 500.0
    probe_seconds: float = 300.0
    refusals_before_pause: int = 20
    recheck_seconds: float = 30.0
    trouble_wait_seconds: float = 1.0

    @property
    def lease_seconds(self) -> float:
        return self.send_timeout_seconds + self.lease_margin_seconds


class DeliveryStatus(Struct, frozen=True):
    """The state of a connection's delivery, with the reason of its condition, since when, and by whom.

    `code` and `tiktok_message` are of TikTok's refusal. `is_paused`: nothing is sent, whatever the condition is; a
    pause because of a refusal is `refused`. `check` is TikTok's latest answer about pixel and access token as they are
    now, or the attempt to get one, and `checked_at_ms` its time; both are absent if there was none.

    `is_elsewhere`: another node delivers the connection. What only that node knows is missing unless it was asked:
    whether TikTok limits the rate, the last answer and note, the requests.
    """

    connection_id: str
    condition: DeliveryCondition
    reason: str = ""
    code: int | None = None
    since_ms: int | None = None
    by: str = ""
    last_answer: Answer | None = None
    last_note: str = ""
    requests_per_second: float = 0.0
    requests_in_flight: int = 0
    is_elsewhere: bool = False
    is_paused: bool = False
    tiktok_message: str = ""
    check: CheckOutcome | None = None
    checked_at_ms: int | None = None


class Attempt(Struct, frozen=True):
    """One request to TikTok, its events, and its verdict."""

    connection_id: str
    verdict: VerdictKind
    answer: Answer
    events: Sequence[LeasedEvent]
    seconds: float
    note: str = ""


class Settled(Struct, frozen=True):
    """Outcomes stored together, with the verdict on the lease's last request, if one was made."""

    connection_id: str
    outcomes: Sequence[tuple[LeasedEvent, Settlement]]
    counts: Mapping[SettledAs, int]
    verdict: Verdict | None = None


class DeliveryObserver(Protocol):
    """Receives delivery events for metrics, logs and the activity.

    Methods run synchronously: they must be quick and must not raise.

    TikTok's texts can quote an event's values: notes and answers must not be logged.
    """

    def on_attempted(self, attempt: Attempt) -> None:
        """One request was made."""
        ...

    def on_settled(self, settled: Settled) -> None:
        """The store has stored the outcome of these events."""
        ...

    def on_replayed(self, connection_id: str, count: int) -> None:
        """Dead letters were requeued: the events were not to blame."""
        ...

    def on_noted(self, connection_id: str, note: str) -> None:
        """Events were delivered, but TikTok's answer came with a note."""
        ...

    def on_state_changed(self, status: DeliveryStatus) -> None:
        """The connection has another condition, or was paused or resumed."""
        ...

    def on_failed(self, connection_id: str, error: Exception) -> None:
        """An error occurred on our side: in the store, or an internal error. Delivery continues after a while."""
        ...
