"""Delivers the events of one lease: as one group if TikTok accepts it, otherwise in ever smaller parts."""

from collections.abc import Sequence

from tiktok_forwarder.delivery.held_lease import HeldLease
from tiktok_forwarder.delivery.parts import DeliveryParts
from tiktok_forwarder.delivery.pauses import PauseControl
from tiktok_forwarder.delivery.request_sender import RequestSender
from tiktok_forwarder.domain.outcome import (
    Accepted,
    Answer,
    BadEvent,
    DeadLettered,
    Delivered,
    Misconfigured,
    Retry,
    Settlement,
    Throttled,
    TooLarge,
    TryLater,
    Verdict,
)
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.queue import LeasedEvent


class RefusalRun:
    """Single events of a connection refused in a row, without a success in between and without a named event.

    Too many of them mean that the cause is something that all requests share. Until then each becomes a dead letter
    like any other; `dead_letters` lists them, so that they can be requeued.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self.dead_letters: list[int] = []

    @property
    def is_suspicious(self) -> bool:
        return self._count >= self._limit

    def add(self) -> None:
        self._count += 1

    def end(self) -> None:
        self._count = 0
        self.dead_letters.clear()


class GroupDelivery:
    """Delivers one lease. Parts are sent in the order of the events; the caller has taken the first request's turn."""

    def __init__(
        self, parts: DeliveryParts, lease: HeldLease, sender: RequestSender, pauses: PauseControl, refusals: RefusalRun
    ) -> None:
        self._parts = parts
        self._lease = lease
        self._sender = sender
        self._pauses = pauses
        self._refusals = refusals
        self._waiting: list[Sequence[LeasedEvent]] = []
        self._refused: dict[int, DeadLettered] = {}
        self._is_bisecting = False
        self._had_success = False

    async def deliver(self) -> None:
        async with self._lease.held():
            events = await self._lease.sendable()
            if not events:
                self._sender.gate.give_back()
                return
            self._waiting.append(events)
            while self._pauses.current is None and await self._send_next() and self._waiting:
                self._is_bisecting = True
                await self._sender.gate.take()
            await self._settle_refused()

    async def _send_next(self) -> bool:
        """Send the next part and return whether to continue with the rest of the lease."""
        part = self._waiting.pop()
        return await self._apply_verdict(part, await self._lease.send(self._sender, part))

    async def _apply_verdict(self, part: Sequence[LeasedEvent], verdict: Verdict) -> bool:
        match verdict:
            case Accepted():
                await self._settle_delivered(part)
            case BadEvent(index=int(index)) if index < len(part):
                await self._dead_letter_named(part, index, verdict.answer)
            case BadEvent() | TooLarge() if len(part) > 1:
                middle = (len(part) + 1) // 2
                self._waiting += [part[middle:], part[:middle]]
            case TooLarge():
                await self._lease.settle({part[0].event_no: DeadLettered("refused", verdict.answer)})
            case BadEvent():
                return await self._handle_unnamed_refusal(part[0], verdict.answer)
            case Throttled():
                # The results of bisecting are worth waiting for here; without them, the events wait in the queue.
                self._waiting.append(part)
                return self._is_bisecting
            case TryLater():
                await self._lease.settle_failed(part, verdict)
                return False
            case Misconfigured():
                await self._pauses.pause_by_service(
                    "misconfigured", verdict.explanation, verdict.answer.code, self._sender.target.revision
                )
                return False
        return True

    async def _settle_delivered(self, part: Sequence[LeasedEvent]) -> None:
        """Settle a delivered part.

        A success also shows that earlier refusals were caused by the refused events themselves.
        """
        outcomes: dict[int, Settlement] = {event.event_no: Delivered() for event in part}
        await self._lease.settle(outcomes | self._refused)
        self._refused.clear()
        self._had_success = True
        self._refusals.end()

    async def _dead_letter_named(self, part: Sequence[LeasedEvent], index: int, answer: Answer) -> None:
        await self._lease.settle({part[index].event_no: DeadLettered("refused", answer)})
        rest = [*part[:index], *part[index + 1 :]]
        if rest:
            self._waiting.append(rest)

    async def _handle_unnamed_refusal(self, event: LeasedEvent, answer: Answer) -> bool:
        """Handle a refusal that names no event. Return whether to continue.

        Blames the single event sent, unless too many were refused in a row.
        """
        self._refused[event.event_no] = DeadLettered("refused", answer)
        if self._had_success:
            return True
        self._refusals.add()
        if not self._refusals.is_suspicious:
            return True
        if self._waiting:
            return await self._try_another(answer)
        await self._pause_for_refusals(answer)
        return False

    async def _try_another(self, answer: Answer) -> bool:
        """Send events that are not part of the run before blaming the connection: a success disproves the suspicion."""
        part = self._waiting.pop(0)
        await self._sender.gate.take()
        verdict = await self._lease.send(self._sender, part)
        if not isinstance(verdict, TooLarge) and verdict != BadEvent(verdict.answer, None):
            return await self._apply_verdict(part, verdict)
        await self._pause_for_refusals(answer)
        return False

    async def _pause_for_refusals(self, answer: Answer) -> None:
        """Pause the connection and requeue the run's dead letters, from earlier leases too: no event is at fault."""
        await self._pauses.pause_by_service(
            "refusals",
            f"TikTok refused {self._parts.policy.refusals_before_pause} events in a row, each sent alone, without "
            "naming a problem. A setting of the connection, such as its Pixel ID, is probably wrong.",
            answer.code,
            self._sender.target.revision,
        )
        if self._refusals.dead_letters:
            which = DeadLetterFilter(
                connection_id=self._sender.target.connection_id, event_nos=tuple(self._refusals.dead_letters)
            )
            replayed = await self._parts.dead_letters.replay(which, self._parts.clock.now_ms())
            self._parts.observer.on_replayed(self._sender.target.connection_id, replayed)
        self._refusals.end()

    async def _settle_refused(self) -> None:
        """Settle the refused events.

        If the connection is now paused they go last, so that a probe takes another event.
        """
        if not self._refused:
            return
        if self._pauses.current is None:
            await self._lease.settle(self._refused)
            if not self._had_success:
                self._refusals.dead_letters += self._refused
            return
        now_ms = self._parts.clock.now_ms()
        due_ms = now_ms + round(self._parts.policy.probe_seconds * 2000)
        await self._lease.settle(
            {event_no: Retry(due_ms, refusal.answer, counts=False) for event_no, refusal in self._refused.items()},
            now_ms,
        )


async def probe(parts: DeliveryParts, lease: HeldLease, sender: RequestSender, pauses: PauseControl) -> bool:
    """Send one event of a paused connection and return whether TikTok accepted it.

    A failed probe does not count as an attempt. If a person pauses the connection in the meantime, nothing more is
    sent, and no answer ends the pause.
    """
    async with lease.held():
        events = await lease.sendable()
        if not events or pauses.is_manual:
            sender.gate.give_back()
            return False
        verdict = await lease.send(sender, events)
        if isinstance(verdict, Accepted):
            await lease.settle({event.event_no: Delivered() for event in events})
            return not pauses.is_manual
        if isinstance(verdict, Misconfigured):
            await pauses.pause_by_service(
                "misconfigured", verdict.explanation, verdict.answer.code, sender.target.revision
            )
            return False
        may_have_arrived = isinstance(verdict, TryLater) and verdict.may_have_arrived
        now_ms = parts.clock.now_ms()
        due_ms = now_ms + round(parts.policy.probe_seconds * 2000)
        retry = Retry(due_ms, verdict.answer, counts=False, may_have_arrived=may_have_arrived)
        await lease.settle({event.event_no: retry for event in events}, now_ms)
    return False
