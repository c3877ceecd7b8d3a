"""Who holds which events, in memory: one process owns the queue, so a crash only means that events are leased again."""

import itertools
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from msgspec import Struct

from tiktok_forwarder.domain.errors import LeaseLost

Place = TypeVar("Place")
"""Whatever a store needs to find an event again."""


class HeldLease(Struct, Generic[Place]):
    """What one lease still holds, by event number. `expires_at` is on the monotonic clock."""

    queue: str
    expires_at: float
    places: dict[int, Place]


class LeaseBook(Generic[Place]):
    """Calls `returned` with the queue and places of events that come back unsettled."""

    def __init__(self, monotonic: Callable[[], float], returned: Callable[[str, Iterable[Place]], None]) -> None:
        self._monotonic = monotonic
        self._returned = returned
        self._tokens = itertools.count(1)
        self._leases: dict[int, HeldLease[Place]] = {}
        self._leased: dict[str, set[int]] = {}

    def leased(self, queue: str) -> set[int]:
        """Event numbers that somebody holds."""
        return self._leased.setdefault(queue, set())

    def hold(self, queue: str, places: dict[int, Place], lease_seconds: float) -> int:
        """Returns the new lease's token."""
        token = next(self._tokens)
        self._leases[token] = HeldLease(queue, self._monotonic() + lease_seconds, dict(places))
        self.leased(queue).update(places)
        return token

    def held(self, token: int) -> HeldLease[Place]:
        """Raises `LeaseLost` if the lease has expired or was released."""
        self.expire()
        try:
            return self._leases[token]
        except KeyError:
            raise LeaseLost(f"lease {token} is no longer held: its events may be on their way elsewhere") from None

    def renew(self, token: int, lease_seconds: float) -> None:
        """Raises `LeaseLost`."""
        self.held(token).expires_at = self._monotonic() + lease_seconds

    def settle(self, token: int, event_nos: Iterable[int]) -> None:
        """The events are in nobody's hands any more, and do not come back."""
        lease = self.held(token)
        for event_no in event_nos:
            lease.places.pop(event_no, None)
            self.leased(lease.queue).discard(event_no)
        if not lease.places:
            del self._leases[token]

    def forget(self, queue: str, event_nos: Iterable[int]) -> None:
        """The events are gone: whoever holds them settles nothing for them."""
        gone = set(event_nos)
        self.leased(queue).difference_update(gone)
        for lease in self._leases.values():
            if lease.queue == queue:
                for event_no in gone & lease.places.keys():
                    del lease.places[event_no]

    def release(self, token: int) -> None:
        """The lease's events come back. A lease already lost is no error."""
        lease = self._leases.pop(token, None)
        if lease is not None:
            self.leased(lease.queue).difference_update(lease.places)
            self._returned(lease.queue, lease.places.values())

    def expire(self) -> None:
        """The events of leases whose time is up come back."""
        now = self._monotonic()
        for token in [token for token, lease in self._leases.items() if lease.expires_at <= now]:
            self.release(token)
