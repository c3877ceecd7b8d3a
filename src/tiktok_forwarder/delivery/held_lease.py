"""A lease that the deliverer works on: settled piece by piece, renewed during the work, released at the end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from tiktok_forwarder.delivery.interfaces import Settled, SettledAs
from tiktok_forwarder.delivery.parts import DeliveryParts
from tiktok_forwarder.delivery.pauses import PauseControl
from tiktok_forwarder.delivery.request_sender import RequestSender
from tiktok_forwarder.domain.errors import LeaseLost, StoreUnavailable
from tiktok_forwarder.domain.outcome import (
    Answer,
    DeadLettered,
    Delivered,
    Retry,
    Settlement,
    Settlements,
    TryLater,
    Verdict,
)
from tiktok_forwarder.domain.retry import AttemptHistory, after_failure, would_count_twice
from tiktok_forwarder.store.queue import Lease, LeasedEvent

_OUTCOMES: Final[Mapping[type[Settlement], SettledAs]] = {
    Delivered: "delivered",
    Retry: "retry",
    DeadLettered: "dead_letter",
}
_SETTLE_TRIES: Final = 5
_STOPPED: Final = TryLater(Answer(message="the service stopped before TikTok answered"), may_have_arrived=True)


class HeldLease:
    """Tracks which events of the lease are unsettled, and which are being sent to TikTok at this moment."""

    def __init__(self, parts: DeliveryParts, lease: Lease, pauses: PauseControl) -> None:
        self._parts = parts
        self._lease = lease
        self._pauses = pauses
        self._unsettled = {event.event_no for event in lease.events}
        self._on_the_way: Sequence[LeasedEvent] = ()
        self._events = {event.event_no: event for event in lease.events}
        self._verdict: Verdict | None = None

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Renew the lease during the `with` block.

        At the end, or when cancelled, every event is settled or released.
        """
        renewing = asyncio.create_task(self._renew())
        try:
            yield
        except LeaseLost as error:
            self._unsettled.clear()
            self._parts.observer.on_failed(self._lease.connection_id, error)
        except asyncio.CancelledError:
            await self._abandon()
            raise
        finally:
            renewing.cancel()
            if self._unsettled:
                await self._parts.queue.release(self._lease)

    async def send(self, sender: RequestSender, events: Sequence[LeasedEvent]) -> Verdict:
        self._on_the_way = events
        self._verdict = verdict = await sender.send(self._lease.wire_form, events)
        self._on_the_way = ()
        return verdict

    async def sendable(self) -> list[LeasedEvent]:
        """Return the lease's events. Those that TikTok may hold and would count again become dead letters instead."""
        now_ms, policy = self._parts.clock.now_ms(), self._parts.policy.retry
        late = {
            event.event_no: DeadLettered("unconfirmed")
            for event in self._lease.events
            if would_count_twice(policy, event.unanswered_at_ms, now_ms)
        }
        if late:
            await self.settle(late)
        return [event for event in self._lease.events if event.event_no not in late]

    async def settle_failed(self, events: Sequence[LeasedEvent], verdict: TryLater) -> None:
        """Settle a failed attempt: each event waits for its next attempt, or becomes a dead letter after too many."""
        now_ms, chance = self._parts.clock.now_ms(), self._parts.chance()
        policy = self._parts.policy.retry
        await self.settle(
            {
                event.event_no: after_failure(policy, verdict, self._history(event, now_ms), now_ms, chance)
                for event in events
            },
            now_ms,
        )

    async def settle(self, settlements: Settlements, decided_at_ms: int | None = None) -> None:
        """Store outcomes. While the store has a problem, retry for a while: a lost outcome means sending twice.

        Retries need the time from which their due times were computed: the clock may have been set since, and the store
        could not detect that they are too far ahead.
        """
        if decided_at_ms is None:
            decided_at_ms = self._parts.clock.now_ms()
        for wait_seconds in (self._parts.policy.trouble_wait_seconds * 2**n for n in range(_SETTLE_TRIES)):
            try:
                await self._parts.queue.settle(self._lease, settlements, decided_at_ms)
            except StoreUnavailable as error:
                self._parts.observer.on_failed(self._lease.connection_id, error)
                await asyncio.sleep(wait_seconds)
            else:
                self._settled(settlements)
                return
        raise LeaseLost("the store did not save the outcome of a request; its events are sent again")

    def _settled(self, settlements: Settlements) -> None:
        self._unsettled.difference_update(settlements)
        kinds = Counter(map(type, settlements.values()))
        counts = {_OUTCOMES[kind]: count for kind, count in kinds.items()}
        outcomes = [(self._events[event_no], settlement) for event_no, settlement in settlements.items()]
        self._parts.observer.on_settled(Settled(self._lease.connection_id, outcomes, counts, self._verdict))

    def _history(self, event: LeasedEvent, now_ms: int) -> AttemptHistory:
        first_ms = now_ms if event.first_attempt_at_ms is None else event.first_attempt_at_ms
        return AttemptHistory(event.attempts + 1, first_ms, self._pauses.paused_ms(first_ms))

    async def _renew(self) -> None:
        """Renew the lease until cancelled or until the lease is lost, which the next settlement detects."""
        while True:
            await asyncio.sleep(self._parts.policy.lease_seconds / 3)
            try:
                await self._parts.queue.renew(self._lease, self._parts.policy.lease_seconds)
            except LeaseLost:
                return
            except StoreUnavailable as error:
                self._parts.observer.on_failed(self._lease.connection_id, error)

    async def _abandon(self) -> None:
        """Settle the events being sent as attempts without an answer: they may have arrived."""
        if not self._on_the_way:
            return
        try:
            await self.settle_failed(self._on_the_way, _STOPPED)
        except LeaseLost as error:
            self._unsettled.clear()
            self._parts.observer.on_failed(self._lease.connection_id, error)
