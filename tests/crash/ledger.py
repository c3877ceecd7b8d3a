"""What senders know: which events they sent, which of them were answered 202, and what should become of each."""

import http.client
import itertools
import json
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal

from tests.integration.service_rig import BASIC, fresh_batch

Kind = Literal["good", "poisoned", "unsupported"]
# Each poisoned event costs its whole group one more request.
SHARES: Final[Mapping[Kind, float]] = {"good": 0.945, "poisoned": 0.005, "unsupported": 0.05}
MOST_IN_A_BATCH: Final = 5
RESENT_SHARE: Final = 0.5


class Ledger:
    """An event is acknowledged once its 202 was read: that moment the service owes an account of it.

    Counts of unsupported events are kept by request, since each request that brings one counts it anew.
    """

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {}
        self.acknowledged: set[str] = set()
        self.drops_acknowledged = 0
        self.drops_attempted = 0
        self.unanswered: list[list[str]] = []
        self._lock = threading.Lock()

    def of_kind(self, *kinds: Kind) -> set[str]:
        return {event_id for event_id, kind in self.kinds.items() if kind in kinds}

    def sending(self, kinds: Mapping[str, Kind]) -> None:
        with self._lock:
            self.kinds.update(kinds)
            self.drops_attempted += _unsupported(kinds)

    def answered(self, kinds: Mapping[str, Kind], status: int | None) -> None:
        """`None`: no answer was read, so that nobody knows."""
        with self._lock:
            if status == 202:
                self.acknowledged.update(kinds)
                self.drops_acknowledged += _unsupported(kinds)
            elif status is None:
                self.unanswered.append(list(kinds))


def _unsupported(kinds: Mapping[str, Kind]) -> int:
    return sum(kind == "unsupported" for kind in kinds.values())


class Senders:
    """Threads that post batches to one life of the service, until no one listens any more or they are stopped.

    About half of the requests that an earlier life left unanswered are sent again, as a sender would.
    """

    def __init__(self, ledger: Ledger, port: int, seed: int, poison: Callable[[str], None], threads: int = 3) -> None:
        self.first_202 = threading.Event()
        self._ledger = ledger
        self._port = port
        self._poison = poison
        self._stopping = threading.Event()
        generators = [random.Random(f"{seed}-{number}") for number in range(threads)]
        again = [request for request in ledger.unanswered if generators[0].random() < RESENT_SHARE]
        ledger.unanswered = []
        self._threads = [
            threading.Thread(target=self._send, args=(generator, again[number::threads]))
            for number, generator in enumerate(generators)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(15)

    def _send(self, chance: random.Random, again: Iterable[list[str]]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        batches = ({event_id: self._ledger.kinds[event_id] for event_id in request} for request in again)
        for kinds in itertools.chain(batches, new_batches(chance, self._poison)):
            if self._stopping.is_set():
                break
            self._ledger.sending(kinds)
            status = post_batch(connection, kinds)
            self._ledger.answered(kinds, status)
            if status == 202:
                self.first_202.set()
            elif status is None and not _connects_again(connection):
                break
        connection.close()


def _connects_again(connection: http.client.HTTPConnection) -> bool:
    """A service that only took too long is still there: without anything to do it may never reach its end."""
    connection.close()
    try:
        connection.connect()
    except OSError:
        return False
    return True


_serials = itertools.count()


def new_batches(chance: random.Random, poison: Callable[[str], None]) -> Iterator[dict[str, Kind]]:
    """Batches without an end, whose events no other batch has."""
    while True:
        size = chance.randint(1, MOST_IN_A_BATCH)
        kinds: list[Kind] = chance.choices(list(SHARES), list(SHARES.values()), k=size)
        batch = {f"event-{next(_serials)}": kind for kind in kinds}
        for event_id, kind in batch.items():
            if kind == "poisoned":
                poison(event_id)
        yield batch


def post_batch(connection: http.client.HTTPConnection, kinds: Mapping[str, Kind]) -> int | None:
    """The status that it was answered with; None if no answer was read."""
    try:
        connection.request("POST", "/v2/events", json.dumps(batch_of_kinds(kinds)), BASIC)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return None
    return answer.status


def batch_of_kinds(kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """All of one batch are the same person's."""
    batch = fresh_batch(*kinds)
    for event, kind in zip(batch["events"], kinds.values(), strict=True):
        if kind == "unsupported":
            event["data"]["product_action"]["action"] = "refund"
    return batch
