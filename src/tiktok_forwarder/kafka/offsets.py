"""Which messages of a partition are done, and so which offset may be committed. Pure."""

from collections import deque


class PartitionOffsets:
    """The messages of one partition that were received and not yet committed, in the order of their offsets.

    Offsets may have gaps: compaction and transactions leave some out.
    """

    def __init__(self, first: int | None = None) -> None:
        self._received: deque[int] = deque()
        self._done: set[int] = set()
        self._next = first
        self._committed = first

    @property
    def next_offset(self) -> int | None:
        """Return the offset below which every message is done; None if it is not known yet."""
        return self._received[0] if self._received else self._next

    @property
    def unfinished(self) -> int:
        """Return how many messages are not done."""
        return len(self._received) - len(self._done)

    @property
    def uncommitted(self) -> int | None:
        """Return the offset to commit, or None if there is no newer one than the last."""
        offset = self.next_offset
        return None if offset == self._committed else offset

    @property
    def received_until(self) -> int | None:
        """Return the offset after the last message received; None if none was and the first is not known."""
        return self._next

    def begin_at(self, offset: int) -> None:
        """Note where the partition begins, before the first message: nothing needs to be committed for it."""
        if self._next is None:
            self._next = self._committed = offset

    def receive(self, offset: int) -> None:
        """Add a message; its offset is higher than that of the message before."""
        self._received.append(offset)
        self._next = offset + 1

    def finish(self, offset: int) -> None:
        """Note that a received message needs nothing more: its events are durable, or it was refused and counted."""
        self._done.add(offset)
        while self._received and self._received[0] in self._done:
            self._done.discard(self._received.popleft())

    def on_committed(self, offset: int) -> None:
        """Note that this offset was committed."""
        self._committed = offset
