"""A connection's pause: stored as a document, so that it survives a restart. Paused time uses up no retry time."""

from collections.abc import Awaitable, Callable
from typing import Final, Literal

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import RevisionConflict, StoreUnavailable
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

    @property
    def is_refusal(self) -> bool:
        """Return whether the service paused because of an answer of TikTok."""
        return self.cause != "by_hand" and self.code is not None


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


async def stored_pauses(documents: DocumentStore) -> dict[str, Pause]:
    """Return the stored pauses by connection ID, whichever node delivers it. Raises `StoreUnavailable`."""
    states = await documents.list_documents("delivery_state")
    return {document.id: pause for document in states if (pause := read_state(document).pause) is not None}


class PauseControl:
    """Pauses and resumes one connection. The service's pause never replaces a manual one, nor does it end one.

    Other processes pause and resume the connection too: `follow` takes over what they have stored.
    """

    def __init__(
        self, documents: DocumentStore, clock: Clock, connection_id: str, stored: Document | None = None
    ) -> None:
        """Start with the stored state. Raises `StoreUnavailable` if it cannot be read."""
        self._documents = documents
        self._clock = clock
        self._connection_id = connection_id
        self._take_over(stored)

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

    def follow(self, stored: Document | None) -> bool:
        """Take over a state that another process has stored; return whether there is a newer one.

        The state of a removed connection is removed.
        """
        if stored is None or stored.revision <= self._revision:
            return False
        self._take_over(stored)
        return True

    def _take_over(self, stored: Document | None) -> None:
        self._state = read_state(stored)
        self._revision = stored.revision if stored is not None else 0

    async def pause_by_hand(self, reason: str, by: str, revision: int) -> None:
        """Pause manually. Raises `StoreUnavailable` if the pause cannot be stored: then it does not apply either."""

        async def pause() -> None:
            pause = Pause("by_hand", reason, self._since_ms(), by, revision)
            await self._put(DeliveryState(pause, self._state.past), by)

        await self._on_latest(pause)

    async def pause_by_service(
        self, cause: Literal["misconfigured", "refusals"], reason: str, code: int | None, revision: int
    ) -> None:
        """Pause by the service.

        Applies even if storing it fails (`StoreUnavailable`): a restart finds the cause again.
        """

        async def pause() -> None:
            pause = Pause(cause, reason, self._since_ms(), BY_SERVICE, revision, code)
            if self.is_manual or pause == self.current:
                return
            self._state = DeliveryState(pause, self._state.past)
            await self._put(self._state, BY_SERVICE)

        await self._on_latest(pause)

    async def resume(self, by: str) -> None:
        """Resume. Raises `StoreUnavailable` if that cannot be stored; it applies until a restart nevertheless."""

        async def resume() -> None:
            if self.current is None or (self.is_manual and by == BY_SERVICE):
                return
            self._state = self._state.resumed(self._clock.now_ms())
            await self._put(self._state, by)

        await self._on_latest(resume)

    async def _on_latest(self, change: Callable[[], Awaitable[None]]) -> None:
        """Make a change; if another process was faster, make it again on what that process has stored."""
        while True:
            try:
                await change()
                return
            except RevisionConflict:
                self._take_over(await self._documents.get_document("delivery_state", self._connection_id))

    def _since_ms(self) -> int:
        """Return the start of a new pause: that of the pause it replaces, so that no time is lost or counted twice."""
        return self.current.since_ms if self.current else self._clock.now_ms()

    async def _put(self, state: DeliveryState, by: str) -> None:
        document = await self._documents.put_document(
            "delivery_state",
            self._connection_id,
            msgspec.json.encode(state),
            expected_revision=self._revision,
            changed_by=by,
            now_ms=self._clock.now_ms(),
        )
        # A newer state may have been followed in the meantime.
        if document.revision > self._revision:
            self._state, self._revision = state, document.revision
