"""Leases in memory: one process owns the queue, so a crash only means that events are leased again."""

import itertools
import secrets
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Generic, Protocol, TypeVar

from tiktok_forwarder.domain.errors import LeaseLost
from tiktok_forwarder.store.queue import Lease

Item = TypeVar("Item")
"""What a store needs to find a leased event again."""
Given_contra = TypeVar("Given_contra", contravariant=True)


class LeasedFrom(Protocol[Given_contra]):
    """The queue that events are leased from, and return to if they are not settled."""

    def give_back(self, items: Iterable[Given_contra]) -> None: ...


class LeaseEntry(Generic[Item]):
    """The unsettled events of a lease, by number; None for one that is gone, whose settlement has no effect.

    `expires_at` is on the monotonic clock.
    """

    def __init__(self, source: LeasedFrom[Item], items: Mapping[int, Item], expires_at: float) -> None:
        self.source = source
        self.items: dict[int, Item | None] = dict(items)
        self.expires_at = expires_at


class LeaseTable(Generic[Item]):
    """The current leases.

    Tokens begin at a random number, so that a lease of an earlier process is not valid in this one.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._tokens = itertools.count(secrets.randbits(48))
        self._held: dict[int, LeaseEntry[Item]] = {}

    def hold(self, source: LeasedFrom[Item], items: Mapping[int, Item], lease_seconds: float) -> int:
        """Hold items under a new lease; return its token."""
        token = next(self._tokens)
        self._held[token] = LeaseEntry(source, items, self._monotonic() + lease_seconds)
        return token

    def held(self, lease: Lease) -> LeaseEntry[Item]:
        """Return the lease's entry.

        Raises `LeaseLost` once it has expired, even if its events are not leased again yet.
        """
        held = self._held.get(lease.token)
        if held is None or held.expires_at <= self._monotonic():
            raise LeaseLost(f"a lease of {len(lease.events)} events of {lease.connection_id} has expired or has ended")
        return held

    def renew(self, lease: Lease, lease_seconds: float) -> None:
        """Extend the lease. Raises `LeaseLost`."""
        self.held(lease).expires_at = self._monotonic() + lease_seconds

    def end_if_settled(self, lease: Lease) -> Callable[[], None]:
        """End the lease if all its events are settled; return a function that undoes that."""
        held = self._held.get(lease.token)
        if held is None or held.items:
            return lambda: None
        del self._held[lease.token]
        return partial(self._held.__setitem__, lease.token, held)

    def release(self, lease: Lease) -> None:
        """Release the lease. Does nothing if it is already lost."""
        self._give_back(lease.token)

    def expire(self) -> None:
        """End leases that have expired, so that their events can be leased again."""
        now = self._monotonic()
        for token in [token for token, held in self._held.items() if held.expires_at <= now]:
            self._give_back(token)

    def leased_from(self, source: LeasedFrom[Item]) -> int:
        """Return how many unsettled events of the source are leased."""
        held = (lease for lease in self._held.values() if lease.source is source)
        return sum(item is not None for lease in held for item in lease.items.values())

    def forget(self, source: LeasedFrom[Item], event_no: int) -> Callable[[], None]:
        """Drop an event that is gone from any lease; return a function that undoes that."""
        for held in self._held.values():
            item = held.items.get(event_no)
            if held.source is source and item is not None:
                held.items[event_no] = None
                return partial(held.items.__setitem__, event_no, item)
        return lambda: None

    def _give_back(self, token: int) -> None:
        held = self._held.pop(token, None)
        if held is not None:
            held.source.give_back([item for item in held.items.values() if item is not None])
