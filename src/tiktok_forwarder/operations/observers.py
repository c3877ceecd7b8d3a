"""The observers of accepting and delivery, called one after the other: metrics and log, then the activity."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.delivery.interfaces import Attempt, DeliveryObserver, DeliveryStatus, Settled
from tiktok_forwarder.intake.accept import Acceptance, RequestObserver
from tiktok_forwarder.mparticle.batch import Batch

_Told = TypeVar("_Told")
Onlooker = Callable[[str, Sequence[Batch], int], None]
"""Receives what an input received, and when (in ms)."""


class Telemetry(RequestObserver, DeliveryObserver, Protocol):
    """Metrics and log. `faulted` receives internal errors."""

    def on_internal_error(self, error: Exception) -> None: ...


class Observers:
    """The `AcceptObserver` and `DeliveryObserver`.

    An error of the activity ends here: no event may fail because of it.
    """

    def __init__(self, telemetry: Telemetry, activity: Activity, onlookers: Sequence[Onlooker] = ()) -> None:
        self._telemetry = telemetry
        self._activity = activity
        self._onlookers = onlookers
        self.on_received = telemetry.on_received
        self.on_historical = telemetry.on_historical
        self.on_stored = telemetry.on_stored
        self.on_warnings = telemetry.on_warnings
        self.on_connection_full = telemetry.on_connection_full
        self.on_noted = telemetry.on_noted
        self.on_failed = telemetry.on_failed

    def on_request(self, input_name: str, batches: Sequence[Batch], at_ms: int) -> None:
        for onlooker in self._onlookers:
            self._tell(partial(onlooker, input_name, batches), at_ms)

    def on_accepted(self, acceptance: Acceptance) -> None:
        self._tell(self._activity.on_accepted, acceptance)

    def on_attempted(self, attempt: Attempt) -> None:
        self._telemetry.on_attempted(attempt)
        self._tell(self._activity.on_attempted, attempt)

    def on_settled(self, settled: Settled) -> None:
        self._telemetry.on_settled(settled)
        self._tell(self._activity.on_settled, settled)

    def on_replayed(self, connection_id: str, count: int) -> None:
        self._telemetry.on_replayed(connection_id, count)
        self._tell(lambda number: self._activity.on_replayed(connection_id, number), count)

    def on_state_changed(self, status: DeliveryStatus) -> None:
        self._telemetry.on_state_changed(status)
        self._tell(self._activity.on_state_changed, status)

    def _tell(self, tell: Callable[[_Told], None], what: _Told) -> None:
        try:
            tell(what)
        except Exception as error:
            self._telemetry.on_internal_error(error)
