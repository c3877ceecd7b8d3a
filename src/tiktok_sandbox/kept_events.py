"""The newest events, bounded in number and in bytes."""

from collections import deque
from collections.abc import Iterator

from tiktok_sandbox.records import ReceivedEvent


class KeptEvents:
    def __init__(self, max_events: int, max_payload_bytes: int) -> None:
        self._max_events = max_events
        self._max_payload_bytes = max_payload_bytes
        self._events: deque[ReceivedEvent] = deque()
        self._payload_bytes = 0

    def add(self, event: ReceivedEvent) -> None:
        self._events.append(event)
        self._payload_bytes += len(event.payload)
        while self._events and (len(self._events) > self._max_events or self._payload_bytes > self._max_payload_bytes):
            self._payload_bytes -= len(self._events.popleft().payload)

    def newest_first(self) -> Iterator[ReceivedEvent]:
        return reversed(self._events)

    def clear(self) -> None:
        self._events.clear()
        self._payload_bytes = 0
