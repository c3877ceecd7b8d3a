"""The open HTTP connections: which new one is admitted, and which silent ones are closed for it or in time.

They are kept in the order in which they last completed an answer, or were opened. Bytes of an unfinished request do not
count: a peer that sends one byte at a time gains nothing. At a limit the first in this order is closed for the new one.
Connections with a running request are never closed for others.
"""

import asyncio
import contextlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

from tiktok_forwarder.web.descriptors import are_descriptors_used_up
from tiktok_forwarder.web.http_limits import ORDINARY_END, CloseReason, HttpLimits
from tiktok_forwarder.web.origin import source_of_address

_SWEEP_SECONDS: Final = 1.0
_REPORT_SECONDS: Final = 60.0
_MAX_REMEMBERED_SOURCES: Final = 4096
# Closed immediately when the process has no descriptor left, so that its other work goes on.
_CLOSED_FOR_DESCRIPTORS: Final = 64


class HttpConnection(Protocol):
    """One open connection, of the peer at `address`, which is empty if it has none."""

    address: str

    @property
    def is_busy(self) -> bool:
        """Return whether a request of it runs."""
        ...

    def on_sweep(self, now: float) -> None:
        """Close the connection if its time is over, on the event loop's clock."""
        ...

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
        self.connections: OrderedDict[HttpConnection, None] = OrderedDict()


class HttpConnections:
    """Admits, orders and closes connections. `is_exempt` tells which addresses share only the limit in all."""

    def __init__(self, limits: HttpLimits, is_exempt: Callable[[str], bool], observer: HttpObserver) -> None:
        self.limits = limits
        self._is_exempt = is_exempt
        self._observer = observer
        self._open: OrderedDict[HttpConnection, _Source | None] = OrderedDict()
        self._sources: dict[str, _Source] = {}
        self._name_of = lru_cache(_MAX_REMEMBERED_SOURCES)(self._find_name)
        self._unreported: Counter[CloseReason] = Counter()
        self._reported_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    # --- one connection ---

    def admit(self, connection: HttpConnection) -> bool:
        """Count a new connection; return False if it must be closed because no other can be."""
        name = self._name_of(connection.address)
        source = self._sources.get(name)
        has_room = True
        if source is not None and len(source.connections) >= self.limits.max_http_connections_per_address:
            has_room = self._close_first(source.connections, "max_http_connections_per_address")
        elif len(self._open) >= self.limits.max_http_connections:
            has_room = self._close_first(self._open, "max_http_connections")
        if not has_room:
            return False
        source = self._sources.setdefault(name, _Source()) if name else None
        if source is not None:
            source.connections[connection] = None
        self._open[connection] = source
        return True

    def _find_name(self, address: str) -> str:
        """Return the name of the address's source; empty if only the limit in all is for it."""
        return "" if not address or self._is_exempt(address) else source_of_address(address)

    def _close_first(self, ordered: OrderedDict[HttpConnection, Any], reason: CloseReason) -> bool:
        """Close the longest silent connection. Also counts a new one that is closed because all are busy."""
        self.on_closed(reason)
        for _ in range(len(ordered)):
            first = next(iter(ordered))
            if not first.is_busy:
                self.remove(first)
                first.abort()
                return True
            ordered.move_to_end(first)
        return False

    def on_answered(self, connection: HttpConnection) -> None:
        """Put the connection last: it is of use to its peer."""
        source = self._open[connection]
        self._open.move_to_end(connection)
        if source is not None:
            source.connections.move_to_end(connection)

    def on_closed(self, reason: CloseReason) -> None:
        """Count a connection that is closed for this reason."""
        self._observer.on_http_closed(reason)
        if reason != ORDINARY_END:
            self._unreported[reason] += 1

    def remove(self, connection: HttpConnection) -> None:
        """Forget a connection. Does nothing if it is forgotten already."""
        source = self._open.pop(connection, None)
        if source is not None:
            del source.connections[connection]
            if not source.connections:
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
        for connection in list(self._open):
            connection.on_sweep(now)
        if are_descriptors_used_up():
            for _ in range(_CLOSED_FOR_DESCRIPTORS):
                if not self._close_first(self._open, "descriptors"):
                    break
        self._observer.on_http_connections(len(self._open))
        if self._unreported and now - self._reported_at >= _REPORT_SECONDS:
            self._observer.on_http_limits_reached(dict(self._unreported))
            self._unreported.clear()
            self._reported_at = now

    def give_up_unfinished(self) -> None:
        """Close the connections whose request has not arrived whole."""
        for connection in list(self._open):
            connection.give_up_unfinished()
