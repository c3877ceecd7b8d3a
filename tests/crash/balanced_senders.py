"""Senders in front of several nodes, as a load balancer and senders that repeat what failed are together."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from typing import Final, Protocol

from tests.crash.ledger import Ledger, new_batches, post_batch

_SENDERS: Final = 6
_PAUSE_SECONDS: Final = 0.03
_TIMEOUT_SECONDS: Final = 10.0


class HasPort(Protocol):
    """A service, whose port may be another one after a start."""

    @property
    def port(self) -> int: ...


class BalancedSenders:
    """Threads that send, each to one node until that fails, and the same batch again until it is answered 202.

    `nodes` may change in the meantime.
    """

    def __init__(self, ledger: Ledger, nodes: Sequence[HasPort], seed: int, poison: Callable[[str], None]) -> None:
        self._answered_at: list[float] = []
        self._ledger = ledger
        self._nodes = nodes
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(number, random.Random(f"{seed}-{number}"), poison))
            for number in range(_SENDERS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(2 * _TIMEOUT_SECONDS)
            assert not thread.is_alive()

    def longest_gap(self, start: float, end: float) -> float:
        """The longest time without an answer of 202 between two moments of the monotonic clock."""
        inside = [start, *(moment for moment in self._answered_at if start < moment < end), end]
        return max(later - earlier for earlier, later in itertools.pairwise(inside))

    def _send(self, number: int, chance: random.Random, poison: Callable[[str], None]) -> None:
        turns = itertools.count(number)
        connection = self._connection(next(turns))
        for kinds in new_batches(chance, poison):
            while not self._stopping.wait(_PAUSE_SECONDS):
                self._ledger.sending(kinds)
                status = post_batch(connection, kinds)
                self._ledger.answered(kinds, status)
                if status == 202:
                    self._answered_at.append(time.monotonic())
                    break
                connection.close()
                connection = self._connection(next(turns))
            if self._stopping.is_set():
                break
        connection.close()

    def _connection(self, turn: int) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self._nodes[turn % len(self._nodes)].port, timeout=_TIMEOUT_SECONDS)
