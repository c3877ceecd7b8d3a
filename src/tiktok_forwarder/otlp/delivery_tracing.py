"""Traces deliveries, around the queue and the client for TikTok: from the lease of a group to its last outcome.

Stages: `lease`, then for each request `send`, and `settle`. A group of which nothing is sent has no trace.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextvars import ContextVar
from typing import Any, Final

from tiktok_forwarder.delivery.interfaces import EventSender, HttpAnswer, NoAnswer, OutboundRequest
from tiktok_forwarder.domain.outcome import Settlements
from tiktok_forwarder.otlp.recording import PREFIX, Recorder, Trace
from tiktok_forwarder.store.queue import Admission, Arrivals, EventQueue, GroupLimits, Lease

# Set by the lease. The task that delivers the group is created after it and so inherits it.
_DELIVERY: Final[ContextVar[Trace | None]] = ContextVar("delivery", default=None)


def current_delivery() -> Trace | None:
    """Return the trace of the group that the running task delivers; None if it is not traced."""
    return _DELIVERY.get()


class TracedQueue:
    """An `EventQueue` that records its part of requests and deliveries."""

    def __init__(self, queue: EventQueue, recorder: Recorder) -> None:
        self._queue = queue
        self._recorder = recorder
        self.renew = queue.renew
        self.release = queue.release
        self.ready = queue.ready

    def append(self, arrivals: Arrivals) -> asyncio.Future[Sequence[Admission]]:
        trace = self._recorder.current
        if trace is None:
            return self._queue.append(arrivals)
        stage = trace.begin("append")
        stage.attributes[PREFIX + "mapped"] = len(arrivals.events)
        stage.attributes[PREFIX + "dropped"] = sum(arrivals.drops.values())
        appending = self._queue.append(arrivals)
        appending.add_done_callback(lambda _: trace.end())
        return appending

    def lease(
        self, connection_id: str, limits: GroupLimits, now_ms: int, lease_seconds: float
    ) -> Coroutine[Any, Any, Lease | None]:
        leasing = self._queue.lease(connection_id, limits, now_ms, lease_seconds)
        if not self._recorder.is_sampled():
            _DELIVERY.set(None)
            return leasing
        trace = self._recorder.begin("deliver", "internal")
        trace.whole.attributes[PREFIX + "connection"] = connection_id
        trace.whole.attributes[PREFIX + "connection_name"] = self._recorder.connection_name(connection_id)
        _DELIVERY.set(trace)
        return _traced_lease(trace, leasing)

    async def settle(self, lease: Lease, settlements: Settlements, now_ms: int) -> None:
        trace = current_delivery()
        if trace is not None:
            trace.begin("settle").attributes[PREFIX + "events"] = len(settlements)
        await self._queue.settle(lease, settlements, now_ms)
        if trace is not None:
            trace.end()


async def _traced_lease(trace: Trace, leasing: Coroutine[Any, Any, Lease | None]) -> Lease | None:
    trace.begin("lease")
    lease = await leasing
    trace.end()
    if lease is not None:
        trace.whole.attributes[PREFIX + "events"] = len(lease.events)
    return lease


class TracedSender:
    """An `EventSender` that records the requests of traced deliveries."""

    def __init__(self, sender: EventSender, recorder: Recorder) -> None:
        self._sender = sender
        self._recorder = recorder
        self.close = sender.close

    async def send(self, request: OutboundRequest) -> HttpAnswer | NoAnswer:
        trace = current_delivery()
        if trace is None:
            return await self._sender.send(request)
        if not trace.has_sent:
            trace.has_sent = True
            self._finish_with_task(trace)
        stage = trace.begin("send", "client")
        received = await self._sender.send(request)
        trace.end()
        if isinstance(received, HttpAnswer):
            stage.attributes["http.response.status_code"] = received.status
        else:
            stage.error = received.kind
        return received

    def _finish_with_task(self, trace: Trace) -> None:
        """Finish the trace when the task that delivers the group has ended."""
        task = asyncio.current_task()
        if task is not None:
            task.add_done_callback(lambda _: self._recorder.finish(trace))
