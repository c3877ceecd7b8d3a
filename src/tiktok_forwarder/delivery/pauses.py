"""A connection's pause: stored as a document, so that it survives a restart. Paused time uses up no retry time."""

from typing import Final, Literal

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.documents import Document, DocumentStore

PauseCause = Literal["by_hand", "misconfigured", "refusals"]

BY_SERVICE: Final = "service"
_KEPT_PAUSES: Final = 50


class Pause(Struct, frozen=True):
    """A pause. `reason` is for people; `revision` is the connection's at the time of the pause."""

    cause: PauseCause
    reason: str
    since_ms: int
    by: str
    revision: int
    code: int | None = None


class DeliveryState(Struct, frozen=True):
    """The body of a `delivery_state` document. `past` are the latest ended pauses, as (from, until) in ms."""

    pause: Pause | None = None
    past: tuple[tuple[int, int], ...] = ()

    def paused_ms(self, from_ms: int, now_ms: int) -> int:
        """Return how many milliseconds from `from_ms` until now were paused."""
        spans = [*self.past, *([(self.pause.since_ms, now_ms)] if self.pause else [])]
        return sum(max(0, min(until, now_ms) - max(since, from_ms)) for since, until in spans)

    def resumed(self, now_ms: int) -> "DeliveryState":
        if self.pause is None:
            return self
        return DeliveryState(None, (*self.past, (self.pause.since_ms, now_ms))[-_KEPT_PAUSES:])


def read_state(document: Document | None) -> DeliveryState:
    """Return the state in a document. Raises `StoreUnavailable` for a document that cannot be read."""
    if document is None:
        return DeliveryState()
    try:
        return msgspec.json.decode(document.body, type=DeliveryState)
    except msgspec.DecodeError as error:
        raise StoreUnavailable(f"cannot read the delivery state of connection {document.id}: {error}") from error


class PauseControl:
    """Pauses and resumes one connection. The service's pause never replaces a manual one."""

    def __init__(self, documents: DocumentStore, clock: Clock, connection_id: str, state: DeliveryState) -> None:
        self._documents = documents
        self._clock = clock
        self._connection_id = connection_id
        self._state = state

    @property
    def state(self) -> DeliveryState:
        return self._state

    @property
    def current(self) -> Pause | None:
        return self._state.pause

    @property
    def is_manual(self) -> bool:
        """Return whether a person has paused the connection, so that only a person may resume it."""
        return self.current is not None and self.current.cause == "by_hand"

    def paused_ms(self, from_ms: int) -> int:
        """Return how many milliseconds since `from_ms` were paused."""
        return self._state.paused_ms(from_ms, self._clock.now_ms())

    async def pause_by_hand(self, reason: str, by: str, revision: int) -> None:
        """Pause manually. Raises `StoreUnavailable` if the pause cannot be stored: then it does not apply either."""
        pause = Pause("by_hand", reason, self._since_ms(), by, revision)
        state = DeliveryState(pause, self._state.past)
        await self._put(state, by)
        self._state = state

    async def pause_by_service(
        self, cause: Literal["misconfigured", "refusals"], reason: str, code: int | None, revision: int
    ) -> None:
        """Pause by the service.

        Applies even if storing it fails (`StoreUnavailable`): a restart finds the cause again.
        """
        if self.is_manual:
            return
        pause = Pause(cause, reason, self._since_ms(), BY_SERVICE, revision, code)
        if pause == self.current:
            return
        self._state = DeliveryState(pause, self._state.past)
        await self._put(self._state, BY_SERVICE)

    async def resume(self, by: str) -> None:
        """Resume. Raises `StoreUnavailable` if that cannot be stored; it applies until a restart nevertheless."""
        if self.current is None:
            return
        self._state = self._state.resumed(self._clock.now_ms())
        await self._put(self._state, by)

    def _since_ms(self) -> int:
        """Return the start of a new pause: that of the pause it replaces, so that no time is lost or counted twice."""
        return self.current.since_ms if self.current else self._clock.now_ms()

    async def _put(self, state: DeliveryState, by: str) -> None:
        await self._documents.put_document(
            "delivery_state",
            self._connection_id,
            msgspec.json.encode(state),
            expected_revision=None,
            changed_by=by,
            now_ms=self._clock.now_ms(),
        )
