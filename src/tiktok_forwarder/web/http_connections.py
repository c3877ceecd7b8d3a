"""The open HTTP connections: which new one is admitted, and which waiting ones are closed for it or in time.

A connection *waits* while no request of it is complete: it is new, idle, or sends headers. Those that wait are kept in
the order in which they last did something for a sender, and bytes of an unfinished request do not count: a peer that
sends one byte at a time gains nothing. At a limit the first in this order is closed for the new one. Connections with a
running request are never closed for others.
"""

import asyncio
import contextlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, Protocol

from tiktok_forwarder.web.descriptors import are_descriptors_used_up
from tiktok_forwarder.web.http_limits import ORDINARY_END, CloseReason, HttpLimits
from tiktok_forwarder.web.origin import source_of_address

_SWEEP_SECONDS: Final = 1.0
_REPORT_SECONDS: Final = 60.0
_MAX_REMEMBERED_SOURCES: Final = 4096
# Closed at once when the process has no descriptor left, so that its other work goes on.
_CLOSED_FOR_DESCRIPTORS: Final = 64


class HttpConnection(Protocol):
    """One open connection. `deadline` is the time, on the event loop's clock, at which `on_deadline` is due."""

    address: str
    deadline: float

    def on_deadline(self) -> None: ...

    def abort(self) -> None:
        """Close now; nothing more is sent or received."""
        ...

    def give_up_unfinished(self) -> None:
        """Close now if a request has begun whose end has not arrived."""
        ...


class HttpObserver(Protocol):
    """Receives the number of open connections, and why connections were closed."""

    def on_http_connections(self, count: int) -> None: ...

    def on_http_closed(self, reason: CloseReason) -> None: ...

    def on_http_limits_reached(self, counts: Mapping[CloseReason, int]) -> None:
        """Connections were closed at these limits since the last call, which was at least a minute ago."""
        ...


class _Source:
    """The connections of one address, or of one IPv6 network."""

    def __init__(self) -> None:
        self.count = 0
        self.waiting: OrderedDict[HttpConnection, None] = OrderedDict()


class HttpConnections:
    """Admits, orders and closes connections. `is_exempt` tells which addresses share only the limit in all."""

    def __init__(self, limits: HttpLimits, is_exempt: Callable[[str], bool], observer: HttpObserver) -> None:
        self.limits = limits
        self._is_exempt = is_exempt
        self._observer = observer
        self._open: dict[HttpConnection, _Source | None] = {}
        self._waiting: OrderedDict[HttpConnection, None] = OrderedDict()
        self._sources: dict[str, _Source] = {}
        self._name_of = lru_cache(_MAX_REMEMBERED_SOURCES)(self._find_name)
        self._unreported: Counter[CloseReason] = Counter()
        self._reported_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    # --- one connection ---

    def admit(self, connection: HttpConnection) -> bool:
        """Count a new connection, which waits; return False if it must be closed because no other can be."""
        name = self._name_of(connection.address)
        source = self._sources.get(name)
        has_room = True
        if source is not None and source.count >= self.limits.max_http_connections_per_address:
            has_room = self._close_first(source.waiting, "max_http_connections_per_address")
        elif len(self._open) >= self.limits.max_http_connections:
            has_room = self._close_first(self._waiting, "max_http_connections")
        if not has_room:
            return False
        source = self._sources.setdefault(name, _Source()) if name else None
        if source is not None:
            source.count += 1
        self._open[connection] = source
        self.on_waiting(connection)
        return True

    def _find_name(self, address: str) -> str:
        """Return the name of the address's source; empty if only the limit in all is for it."""
        return "" if not address or self._is_exempt(address) else source_of_address(address)

    def _close_first(self, waiting: OrderedDict[HttpConnection, None], reason: CloseReason) -> bool:
        """Close the connection that has waited longest. Also counts a new one that is closed because none waits."""
        self.on_closed(reason)
        longest = next(iter(waiting), None)
        if longest is None:
            return False
        self.remove(longest)
        longest.abort()
        return True

    def on_waiting(self, connection: HttpConnection) -> None:
        """Put the connection last: it has just done something for its sender, and waits for a request."""
        if connection not in self._open:
            return
        self._waiting[connection] = None
        self._waiting.move_to_end(connection)
        source = self._open[connection]
        if source is not None:
            source.waiting[connection] = None
            source.waiting.move_to_end(connection)

    def on_busy(self, connection: HttpConnection) -> None:
        """A request of the connection runs."""
        self._waiting.pop(connection, None)
        source = self._open.get(connection)
        if source is not None:
            source.waiting.pop(connection, None)

    def on_closed(self, reason: CloseReason) -> None:
        """Count a connection that is closed for this reason."""
        self._observer.on_http_closed(reason)
        if reason != ORDINARY_END:
            self._unreported[reason] += 1

    def remove(self, connection: HttpConnection) -> None:
        """Forget a connection. Does nothing if it is forgotten already."""
        self.on_busy(connection)
        source = self._open.pop(connection, None)
        if source is not None:
            source.count -= 1
            if not source.count:
                del self._sources[self._name_of(connection.address)]

    # --- all of them ---

    def start(self) -> None:
        self._task = asyncio.create_task(self._sweep_always())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _sweep_always(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.sweep(loop.time())

    def sweep(self, now: float) -> None:
        """Close the connections whose time is over, and report what was closed, at most once a minute."""
        for connection in [each for each in self._open if each.deadline <= now]:
            connection.on_deadline()
        if are_descriptors_used_up():
            for connection in list(self._waiting)[:_CLOSED_FOR_DESCRIPTORS]:
                self.on_closed("descriptors")
                self.remove(connection)
                connection.abort()
        self._observer.on_http_connections(len(self._open))
        if self._unreported and now - self._reported_at >= _REPORT_SECONDS:
            self._observer.on_http_limits_reached(dict(self._unreported))
            self._unreported.clear()
            self._reported_at = now

    def give_up_unfinished(self) -> None:
        """Close the connections whose request has not arrived whole."""
        for connection in list(self._open):
            connection.give_up_unfinished()
