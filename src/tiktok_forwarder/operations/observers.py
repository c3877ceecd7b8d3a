"""Whoever observes accepting and delivery, told one after the other: metrics and log, then the activity."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.delivery.interfaces import Attempt, DeliveryObserver, DeliveryStatus, Settled
from tiktok_forwarder.intake.accept import Acceptance, RequestObserver
from tiktok_forwarder.mparticle.batch import Batch

_Told = TypeVar("_Told")
Onlooker = Callable[[str, Sequence[Batch], int], None]
"""Is shown what an input brought, and when (in ms)."""


class Telemetry(RequestObserver, DeliveryObserver, Protocol):
    """Metrics and log. `faulted` is told of faults of the program."""

    def faulted(self, error: Exception) -> None: ...


class Observers:
    """`AcceptObserver` and `DeliveryObserver`. A fault of the activity ends here: no event may fail by it."""

    def __init__(self, telemetry: Telemetry, activity: Activity, onlookers: Sequence[Onlooker] = ()) -> None:
        self._telemetry = telemetry
        self._activity = activity
        self._onlookers = onlookers
        self.received = telemetry.received
        self.historical = telemetry.historical
        self.stored = telemetry.stored
        self.warned = telemetry.warned
        self.noted = telemetry.noted
        self.failed = telemetry.failed

    def brought(self, input_name: str, batches: Sequence[Batch], at_ms: int) -> None:
        for onlooker in self._onlookers:
            self._tell(partial(onlooker, input_name, batches), at_ms)

    def accepted(self, acceptance: Acceptance) -> None:
        self._tell(self._activity.accepted, acceptance)

    def attempted(self, attempt: Attempt) -> None:
        self._telemetry.attempted(attempt)
        self._tell(self._activity.attempted, attempt)

    def settled(self, settled: Settled) -> None:
        self._telemetry.settled(settled)
        self._tell(self._activity.settled, settled)

    def replayed(self, connection_id: str, count: int) -> None:
        self._telemetry.replayed(connection_id, count)
        self._tell(lambda number: self._activity.replayed(connection_id, number), count)

    def changed(self, status: DeliveryStatus) -> None:
        self._telemetry.changed(status)
        self._tell(self._activity.changed, status)

    def _tell(self, tell: Callable[[_Told], None], what: _Told) -> None:
        try:
            tell(what)
        except Exception as error:
            self._telemetry.faulted(error)
