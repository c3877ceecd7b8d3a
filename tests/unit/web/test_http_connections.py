"""Which connections are admitted, in which order waiting ones are closed, and what is reported."""

from collections.abc import Mapping

import pytest

from tiktok_forwarder.web import http_connections
from tiktok_forwarder.web.http_connections import HttpConnections
from tiktok_forwarder.web.http_limits import CloseReason, HttpLimits


class FakeConnection:
    """A connection without a socket, which records what is done to it."""

    def __init__(self, address: str = "203.0.113.1") -> None:
        self.address = address
        self.is_busy = False
        self.is_aborted = False
        self.sweeps: list[float] = []

    def on_sweep(self, now: float) -> None:
        self.sweeps.append(now)

    def abort(self) -> None:
        self.is_aborted = True

    def give_up_unfinished(self) -> None:
        raise AssertionError


class RecordingObserver:
    def __init__(self) -> None:
        self.count = 0
        self.closed: list[CloseReason] = []
        self.reports: list[Mapping[CloseReason, int]] = []

    def on_http_connections(self, count: int) -> None:
        self.count = count

    def on_http_closed(self, reason: CloseReason) -> None:
        self.closed.append(reason)

    def on_http_limits_reached(self, counts: Mapping[CloseReason, int]) -> None:
        self.reports.append(counts)


def registry_of(total: int, per_address: int = 100) -> tuple[HttpConnections, RecordingObserver]:
    """Addresses that begin with 10 are exempt from the limit per address."""
    observer = RecordingObserver()
    limits = HttpLimits(max_http_connections=total, max_http_connections_per_address=per_address)
    return HttpConnections(limits, lambda address: address.startswith("10."), observer), observer


def admitted(registry: HttpConnections, *addresses: str) -> list[FakeConnection]:
    connections = [FakeConnection(address) for address in addresses]
    assert all([registry.admit(connection) for connection in connections])
    return connections


def test_longest_silent_connection_makes_room_at_the_limit() -> None:
    """The third is closed for the fourth, since the first two have answered a request after it was opened."""
    registry, observer = registry_of(3)
    first, second, third = admitted(registry, "203.0.113.1", "203.0.113.2", "203.0.113.3")
    assert len(registry) == 3 and not observer.closed
    registry.on_answered(first)
    registry.on_answered(second)
    (fourth,) = admitted(registry, "203.0.113.4")
    assert [each.is_aborted for each in (first, second, third, fourth)] == [False, False, True, False]
    admitted(registry, "203.0.113.5")
    assert first.is_aborted
    assert (len(registry), observer.closed) == (3, ["max_http_connections", "max_http_connections"])


def test_connection_with_a_running_request_is_never_closed_for_another() -> None:
    """When all are busy the new connection is not admitted; it is counted like one that made room."""
    registry, observer = registry_of(2)
    busy = admitted(registry, "203.0.113.1", "203.0.113.2")
    for connection in busy:
        connection.is_busy = True
    assert not registry.admit(FakeConnection())
    assert (len(registry), observer.closed) == (2, ["max_http_connections"])
    assert not any(connection.is_aborted for connection in busy)
    busy[1].is_busy = False
    assert registry.admit(FakeConnection())
    assert busy[1].is_aborted and not busy[0].is_aborted


def test_address_at_its_limit_replaces_its_own_connections_only() -> None:
    """An older connection of another address stays, and an IPv6 network counts as one address."""
    registry, observer = registry_of(100, per_address=2)
    other, first, second = admitted(registry, "203.0.113.1", "2001:db8::1", "2001:db8::2")
    admitted(registry, "2001:db8::3")
    assert [each.is_aborted for each in (other, first, second)] == [False, True, False]
    assert (len(registry), observer.closed) == (3, ["max_http_connections_per_address"])
    registry.remove(second)
    admitted(registry, "2001:db8::4")
    assert len(observer.closed) == 1


def test_trusted_proxies_share_only_the_limit_of_all() -> None:
    """All senders behind a proxy have its address."""
    registry, observer = registry_of(5, per_address=1)
    admitted(registry, *["10.0.0.1"] * 4, "")
    assert len(registry) == 5 and not observer.closed
    admitted(registry, "10.0.0.1")
    assert observer.closed == ["max_http_connections"]


def test_connection_that_is_gone_is_forgotten_once() -> None:
    """A connection that was closed for another reports its end afterwards."""
    registry, observer = registry_of(1)
    (first,) = admitted(registry, "203.0.113.1")
    (second,) = admitted(registry, "203.0.113.1")
    registry.remove(first)
    assert len(registry) == 1
    admitted(registry, "203.0.113.1")
    assert second.is_aborted and len(observer.closed) == 2


def test_sweep_reaches_every_connection() -> None:
    """Each decides itself whether its time is over; the observer learns how many there are."""
    registry, observer = registry_of(5)
    connections = admitted(registry, "203.0.113.1", "203.0.113.2", "10.0.0.1")
    registry.sweep(10.0)
    assert [connection.sweeps for connection in connections] == [[10.0]] * 3
    assert observer.count == 3


def test_limits_are_reported_once_a_minute_with_counts() -> None:
    """The first sweep after an event reports it; later ones are summed until a minute has passed."""
    registry, observer = registry_of(5)
    registry.sweep(0.0)
    assert observer.reports == []
    registry.on_closed("max_headers")
    registry.sweep(1.0)
    assert observer.reports == [{"max_headers": 1}]
    for _ in range(3):
        registry.on_closed("max_headers")
    registry.on_closed("malformed")
    registry.sweep(60.9)
    assert len(observer.reports) == 1
    registry.sweep(61.0)
    assert observer.reports[1:] == [{"max_headers": 3, "malformed": 1}]
    registry.sweep(122.0)
    assert len(observer.reports) == 2


def test_end_of_an_idle_connection_is_counted_and_not_reported() -> None:
    """Idle connections end all day; none of that needs attention."""
    registry, observer = registry_of(5)
    registry.on_closed("keep_alive_seconds")
    registry.sweep(1.0)
    assert (observer.closed, observer.reports) == (["keep_alive_seconds"], [])


def test_connections_make_room_when_descriptors_are_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 waiting ones are closed at once, the longest silent first, so that delivery and store can open files."""
    registry, observer = registry_of(100)
    connections = admitted(registry, *["10.0.0.1"] * 70)
    monkeypatch.setattr(http_connections, "are_descriptors_used_up", lambda: True)
    registry.sweep(1.0)
    assert [each.is_aborted for each in connections] == [True] * 64 + [False] * 6
    assert observer.closed == ["descriptors"] * 64
    assert len(registry) == 6
