"""Delivers one connection's events: waits, leases, sends several groups at the same time, and obeys its pause."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from tiktok_forwarder.delivery.condition import status_of
from tiktok_forwarder.delivery.group_delivery import GroupDelivery, RefusalRun, probe
from tiktok_forwarder.delivery.held_lease import HeldLease
from tiktok_forwarder.delivery.interfaces import DeliveryStatus, DeliveryTarget
from tiktok_forwarder.delivery.parts import DeliveryParts
from tiktok_forwarder.delivery.pauses import BY_SERVICE, Pause, PauseControl
from tiktok_forwarder.delivery.rate_limit import SendRate, TokenRates
from tiktok_forwarder.delivery.request_sender import RequestSender
from tiktok_forwarder.delivery.send_gate import SendGate
from tiktok_forwarder.delivery.work_watch import WorkWatch
from tiktok_forwarder.domain.errors import ForwarderError, SecretUnreadable, StoreUnavailable
from tiktok_forwarder.store.queue import GroupLimits, Lease
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS

# If the store reports a due event and then leases none, wait before asking again.
_EMPTY_LEASE_WAIT_SECONDS: Final = 0.05
_ABANDON_SECONDS: Final = 2.0


class ConnectionDelivery:
    """The tasks of one connection. Connections share nothing but the rate of a common access token."""

    def __init__(
        self,
        parts: DeliveryParts,
        token_rates: TokenRates,
        target: DeliveryTarget,
        pauses: PauseControl,
        holds_claim: Callable[[], bool],
    ) -> None:
        self.target = target
        self._pauses = pauses
        self._parts = parts
        self._policy = parts.policy
        self._limits = _limits(parts.policy.limits, target)
        self._sender = RequestSender(parts, target, _gate(parts, token_rates, target, holds_claim))
        self._watch = WorkWatch(parts.queue, parts.clock, parts.policy, target.connection_id, self._limits)
        self._refusals = RefusalRun(parts.policy.refusals_before_pause)
        self._slots = asyncio.Semaphore(parts.policy.max_requests_in_flight)
        self._groups: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._probe_at = self._next_probe_at()
        self._reported: DeliveryStatus | None = None
        self._slowed_since_ms: int | None = None

    async def start(self) -> None:
        """Start the tasks.

        If settings have changed since the service paused the connection, delivery is tried again.
        """
        self._reported = self.status()
        pause = self._pauses.current
        if pause is not None and pause.cause != "by_hand" and pause.revision != self.target.revision:
            await self.resume(BY_SERVICE)
        if self.target.enabled:
            self._loop = asyncio.create_task(self._run(), name=f"deliver {self.target.connection_id}")

    async def stop(self, grace_seconds: float) -> None:
        """Lease nothing more, let running requests end within the grace period, then cancel the rest."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait([self._loop])
        if self._groups:
            await asyncio.wait(self._groups, timeout=grace_seconds)
        for group in self._groups:
            group.cancel()
        if self._groups:
            await asyncio.wait(self._groups, timeout=_ABANDON_SECONDS)

    async def pause(self, reason: str, by: str) -> None:
        await self._pauses.pause_by_hand(reason, by, self.target.revision)
        self._watch.wake()
        self._report_change()

    async def resume(self, by: str) -> None:
        try:
            await self._pauses.resume(by)
        finally:
            self._refusals.end()
            self._watch.wake()
            self._report_change()

    def on_pause_followed(self) -> None:
        """Apply a pause, or its end, that another process has stored."""
        if self._pauses.current is None:
            self._refusals.end()
        self._watch.wake()
        self._report_change()

    def on_check(self) -> None:
        """Apply a newer answer of TikTok about pixel and access token."""
        self._watch.wake()
        self._report_change()

    def status(self) -> DeliveryStatus:
        gate = self._sender.gate
        status = status_of(
            self.target,
            self._pauses.current,
            self._parts.checks.find(self.target),
            is_slowed=gate.is_slowed,
            slowed_since_ms=self._slowed_since_ms,
        )
        return replace(
            status,
            last_answer=self._sender.last_answer,
            last_note=self._sender.last_note,
            requests_per_second=gate.per_second,
            requests_in_flight=self._sender.in_flight,
        )

    # --- the loop ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
            except Exception as error:  # whatever happens, this connection must not stop permanently without a log line
                self._parts.observer.on_failed(self.target.connection_id, error)
                await asyncio.sleep(self._policy.trouble_wait_seconds)

    async def _turn(self) -> None:
        if self._pauses.current is not None:
            await self._paused_turn()
        elif await self._watch.group_is_ready():
            await self._begin(self._limits, self._deliver_group)

    async def _begin(self, limits: GroupLimits, deliver: Callable[[HeldLease], Awaitable[None]]) -> None:
        """Lease only what can be sent now, and send it while earlier groups are still under way."""
        await self._slots.acquire()
        lease: Lease | None = None
        try:
            await self._sender.gate.take()
            lease = await self._lease(limits)
        finally:
            if lease is None:
                self._slots.release()
        if lease is None:
            self._sender.gate.give_back()
            await asyncio.sleep(_EMPTY_LEASE_WAIT_SECONDS)
            return
        group = asyncio.create_task(self._deliver(lease, deliver))
        self._groups.add(group)
        group.add_done_callback(self._end_group)

    async def _lease(self, limits: GroupLimits) -> Lease | None:
        """Return a lease, or None. A lease that comes too late, after a stop or a rate limit refusal, is released."""
        asking = asyncio.ensure_future(
            self._parts.queue.lease(
                self.target.connection_id, limits, self._parts.clock.now_ms(), self._policy.lease_seconds
            )
        )
        try:
            lease = await asyncio.shield(asking)
        except asyncio.CancelledError:
            with suppress(ForwarderError):
                await self._give_back(await asking)
            raise
        self._watch.leased(lease)
        if self._sender.gate.is_blocked:
            await self._give_back(lease)
            return None
        return lease

    async def _give_back(self, lease: Lease | None) -> None:
        if lease is not None:
            await self._parts.queue.release(lease)

    async def _deliver(self, lease: Lease, deliver: Callable[[HeldLease], Awaitable[None]]) -> None:
        try:
            await deliver(HeldLease(self._parts, lease, self._pauses))
        except Exception as error:  # the events are released; other groups and connections continue
            self._parts.observer.on_failed(self.target.connection_id, error)
        self._report_change()
        await self._keep_latest_answer()

    async def _keep_latest_answer(self) -> None:
        with suppress(StoreUnavailable):  # the next request brings such an answer again
            await self._sender.keep_latest_answer()

    async def _deliver_group(self, held: HeldLease) -> None:
        await GroupDelivery(self._parts, held, self._sender, self._pauses, self._refusals).deliver()

    def _end_group(self, group: asyncio.Task[None]) -> None:
        """Wake the loop: a retry may be due before anything else that the loop waits for."""
        self._groups.discard(group)
        self._slots.release()
        self._watch.wake()

    # --- paused ------------------------------------------------------------------------------------------------------

    async def _paused_turn(self) -> None:
        pause = self._pauses.current
        if pause is None or pause.cause == "by_hand":
            await self._watch.woken_within(self._policy.recheck_seconds)
            return
        if self._is_disproved(pause):
            await self.resume(BY_SERVICE)
            return
        now = self._parts.clock.monotonic_seconds()
        if now < self._probe_at:
            await self._watch.woken_within(self._probe_at - now)
        elif await self._watch.event_is_due():
            self._probe_at = self._next_probe_at()
            one = replace(self._limits, max_events=dict.fromkeys(self._limits.max_events, 1))
            await self._begin(one, self._probe)

    def _is_disproved(self, pause: Pause) -> bool:
        """Return whether TikTok has accepted, in a later check, the very settings for which the service has paused."""
        check = self._parts.checks.find(self.target)
        if check is None or check.answer.outcome != "good" or check.source != "check":
            return False
        return pause.cause == "misconfigured" and pause.is_refusal and check.at_ms > pause.since_ms

    async def _probe(self, held: HeldLease) -> None:
        if await probe(self._parts, held, self._sender, self._pauses):
            # First: without the pause, the refusal that it was made for would be the latest answer.
            await self._keep_latest_answer()
            await self.resume(BY_SERVICE)

    def _next_probe_at(self) -> float:
        return self._parts.clock.monotonic_seconds() + self._policy.probe_seconds

    def _report_change(self) -> None:
        if not self._sender.gate.is_slowed:
            self._slowed_since_ms = None
        elif self._slowed_since_ms is None:
            self._slowed_since_ms = self._parts.clock.now_ms()
        status, reported = self.status(), self._reported
        if reported is not None and (status.condition, status.is_paused) == (reported.condition, reported.is_paused):
            return
        self._reported = status
        self._probe_at = self._next_probe_at()
        self._parts.observer.on_state_changed(status)


def _limits(limits: GroupLimits, target: DeliveryTarget) -> GroupLimits:
    """Return the limits of a group. A wire form may take test events only one at a time."""
    if target.test_event_code is None:
        return limits
    sizes = {name: min(most, WIRE_FORMS[name].max_test_events) for name, most in limits.max_events.items()}
    return replace(limits, max_events=sizes)


def _gate(
    parts: DeliveryParts, token_rates: TokenRates, target: DeliveryTarget, holds_claim: Callable[[], bool]
) -> SendGate:
    own = SendRate(parts.clock, parts.policy.requests_per_second)
    try:
        of_token = token_rates.get(parts.connections.access_token(target.connection_id))
        return SendGate(own, of_token, holds_claim)
    except SecretUnreadable:
        # The first request detects this too, and pauses the connection with the reason.
        return SendGate(own, own, holds_claim)
