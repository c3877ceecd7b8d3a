"""What every store promises about its room: one connection may hold half of it, all together no more than all of it."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

from tests.conformance.rig import T0, Rig, event
from tiktok_forwarder.domain.errors import ConnectionsFull, StoreFull
from tiktok_forwarder.domain.outcome import DeadLettered, Delivered, Retry
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.queue import GroupLimits, NewEvent

SHARE = 500
# With the 400 bytes that are reckoned for the rest of its row, an event takes up 2,000.
BODY = b"x" * 1600
ALL = DeadLetterFilter()
REFUSED = DeadLettered("refused")


def _events(prefix: str, number: int, connection: str = "a") -> list[NewEvent]:
    return [event(f"{prefix}-{n}", connection, payload=BODY, subjects=(n + 1,)) for n in range(number)]


def _stored(answers: Sequence[object]) -> int:
    return sum(answer.count("stored") for answer in answers if isinstance(answer, list))


async def test_connection_is_given_its_share_to_the_last_event(small_rig: Rig) -> None:
    """Of a request that another connection accepts, events are stored as far as the share goes, in order."""
    admissions = await small_rig.append(*_events("e", SHARE + 10), *_events("e", 1, "b"))
    assert admissions == [*["stored"] * SHARE, *["connection_full"] * 10, "stored"]
    assert len((await small_rig.held())[0]) == SHARE
    assert (await small_rig.books())["dropped"] == 10


@pytest.mark.parametrize(("room", "number", "is_accepted"), [(3, 3, True), (3, 4, False), (0, 1, False)])
async def test_request_is_refused_whole_when_no_connection_has_room_for_it(
    small_rig: Rig, room: int, number: int, is_accepted: bool
) -> None:
    """Of a refused request nothing is stored or counted, drops and repeats included, since it is sent again."""
    await small_rig.append(*_events("e", SHARE - room))
    before = await small_rig.store.snapshot()
    request = small_rig.append(*_events("e", 2), *_events("new", number), drops={("a", "missing_ip"): 1})
    if is_accepted:
        assert await request == ["duplicate"] * 2 + ["stored"] * number
        return
    with pytest.raises(ConnectionsFull, match="storage quota"):
        await request
    assert await small_rig.store.snapshot() == before
    assert await small_rig.append(event("other", "b", payload=BODY)) == ["stored"]


async def test_refused_request_is_accepted_when_events_have_left(small_rig: Rig) -> None:
    """Nothing of the refused request is remembered, so that its repetition is no duplicate."""
    await small_rig.append(*_events("e", SHARE))
    with pytest.raises(ConnectionsFull):
        await small_rig.append(*_events("new", 3))
    await _deliver(small_rig)
    assert await small_rig.append(*_events("new", 3)) == ["stored"] * 3


async def test_request_is_accepted_when_one_of_its_connections_has_room(small_rig: Rig) -> None:
    """The other's new events are dropped and counted; a drop or a repeat needs no room and decides nothing."""
    await small_rig.append(*_events("e", SHARE), *_events("e", 1, "b"))
    assert await small_rig.append(*_events("new", 1), *_events("new", 1, "b")) == ["connection_full", "stored"]
    assert (await small_rig.books())["dropped"] == 1
    assert await small_rig.append(*_events("e", 1)) == ["duplicate"]
    for drops in ({("b", "missing_ip"): 1}, {("a", "missing_ip"): 1}):
        with pytest.raises(ConnectionsFull):
            await small_rig.append(*_events("newer", 1), *_events("e", 1, "b"), drops=drops)
    assert (await small_rig.books("b"))["accepted"] == 2


async def test_used_part_of_the_quota_is_reported(small_rig: Rig) -> None:
    """Waiting events and dead letters use it; what has left does not."""
    assert await small_rig.store.counts() == {}
    await small_rig.append(*_events("e", SHARE - 100))
    assert (await small_rig.store.counts())["a"].quota_used == 0.8
    await _die(small_rig)
    assert (await small_rig.store.counts())["a"].quota_used == 0.8
    await small_rig.store.discard(ALL, T0)
    assert (await small_rig.store.counts())["a"].quota_used == pytest.approx(0.794)


async def test_requests_of_one_moment_share_what_is_left_to_a_connection(small_rig: Rig) -> None:
    """Concurrent requests together get no more than the connection's share, though each alone would fit."""
    await small_rig.append(*_events("before", SHARE - 10))
    requests = [small_rig.append(*_events(f"r{n}", 4), *_events(f"r{n}", 4, "b")) for n in range(5)]
    answers = await small_rig.together(*requests)
    assert _stored(answers) == 10 + 20
    assert isinstance((await small_rig.together(small_rig.append(*_events("late", 1))))[0], ConnectionsFull)
    waiting, _ = await small_rig.held()
    assert len(waiting) == SHARE
    assert (await small_rig.books())["dropped"] == 10


async def _deliver(rig: Rig) -> None:
    lease = await rig.must_lease(limits=GroupLimits({"2.0": 3}))
    await rig.store.settle(lease, {each.event_no: Delivered() for each in lease.events}, T0)


async def _die(rig: Rig) -> None:
    lease = await rig.must_lease(limits=GroupLimits({"2.0": 3}))
    await rig.store.settle(lease, {each.event_no: REFUSED for each in lease.events}, T0)


async def _discard(rig: Rig) -> None:
    await _die(rig)
    await rig.store.discard(ALL, T0)


async def _erase(rig: Rig) -> None:
    await rig.store.erase([1, 2, 3], T0)


async def _erase_dead(rig: Rig) -> None:
    await _die(rig)
    await _erase(rig)


async def _retry(rig: Rig) -> None:
    lease = await rig.must_lease(limits=GroupLimits({"2.0": 3}))
    await rig.store.settle(lease, {each.event_no: Retry(0) for each in lease.events}, T0)


async def _replay(rig: Rig) -> None:
    await _die(rig)
    await rig.store.replay(ALL, T0)


@pytest.mark.parametrize(
    ("leave", "room"),
    [(_deliver, 3), (_discard, 3), (_erase, 3), (_erase_dead, 3), (_retry, 0), (_die, 0), (_replay, 0)],
)
async def test_share_is_given_back_by_events_that_leave(
    small_rig: Rig, leave: Callable[[Rig], Awaitable[None]], room: int
) -> None:
    """Delivered, discarded and erased events make room for as many; retried, dead and replayed ones keep theirs."""
    await small_rig.append(*_events("e", SHARE))
    await leave(small_rig)
    await small_rig.reopen()
    admissions = await small_rig.append(*_events("more", 4), *_events("more", 1, "b"))
    assert admissions == [*["stored"] * room, *["connection_full"] * (4 - room), "stored"]
    await small_rig.held()


async def _fill(rig: Rig) -> None:
    """Append 30 events at a time for three connections, until the store has no room for so many."""
    with pytest.raises(StoreFull):
        for n in range(100):
            await rig.append(*_events(f"fill{n}", 30, "abc"[n % 3]))


async def test_requests_of_one_moment_share_what_is_left_of_the_store(small_rig: Rig) -> None:
    """Concurrent requests together get no more than there was, though each alone would fit; the rest is refused."""
    await _fill(small_rig)
    answers = await small_rig.together(*[small_rig.append(*_events(f"r{n}", 1, "d")) for n in range(60)])
    assert 0 < _stored(answers) < 30
    assert {type(answer) for answer in answers} == {list, StoreFull}
    waiting, _ = await small_rig.held("d")
    assert len(waiting) == _stored(answers)


async def test_full_store_counts_drops_and_refuses_events(small_rig: Rig) -> None:
    """A request without events needs no room; of one that is refused nothing is counted, since it is sent again."""
    await _fill(small_rig)
    assert await small_rig.append(drops={("d", "missing_ip"): 3}) == []
    with pytest.raises(StoreFull):
        await small_rig.append(*_events("late", 30, "d"), drops={("d", "missing_ip"): 3})
    assert await small_rig.books("d") == {"accepted": 3, "dropped": 3, "waiting": 0}
