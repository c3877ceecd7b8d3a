"""What every store promises about leases and selections of which only a part is settled: the neighbors stay."""

from collections.abc import Awaitable, Callable, Iterable
from itertools import chain, combinations

import pytest

from tests.conformance.rig import HOUR, T0, Rig, event
from tiktok_forwarder.domain.errors import LeaseLost
from tiktok_forwarder.domain.outcome import Answer, DeadLettered, Delivered, Retry, Settlement
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.queue import GroupLimits, Lease

REFUSED = DeadLettered("refused", Answer(200, 40002, "Invalid value"))
IDS = ("0", "1", "2", "3")
EVERY = (0, 1, 2, 3)
# Every choice of some of the four: from the start, to the end, from the middle, with gaps; all of them too.
PARTS = tuple(chain.from_iterable(combinations(EVERY, size) for size in (1, 2, 3, 4)))


def _ids(places: Iterable[int]) -> list[str]:
    return [IDS[place] for place in places]


def _without(part: Iterable[int]) -> list[int]:
    return sorted(set(EVERY) - set(part))


async def _leased(rig: Rig, connection: str = "a", returned: tuple[int, ...] = ()) -> Lease:
    """Four events of a connection, of which some have come back from an earlier attempt."""
    await rig.append(*[event(each, connection, subjects=(int(each) + 1,)) for each in IDS])
    if returned:
        lease = await rig.must_lease(connection)
        await rig.store.settle(lease, {lease.events[place].event_no: Retry(0) for place in returned}, T0)
        await rig.store.release(lease)
    lease = await rig.must_lease(connection)
    assert [each.event_id for each in lease.events] == list(IDS)
    return lease


async def _settle(rig: Rig, lease: Lease, places: Iterable[int], settlement: Settlement, now_ms: int = T0) -> None:
    await rig.store.settle(lease, {lease.events[place].event_no: settlement for place in places}, now_ms)


async def _leased_count(rig: Rig, connection: str = "a") -> int:
    leased: int = (await rig.store.counts())[connection].leased
    return leased


@pytest.mark.parametrize("returned", [(), (1, 2)], ids=["fresh", "mixed"])
@pytest.mark.parametrize("settlement", [Delivered(), REFUSED, Retry(T0 + 100)], ids=["delivered", "dead", "retried"])
async def test_settling_a_part_touches_no_other_event(
    rig: Rig, settlement: Settlement, returned: tuple[int, ...]
) -> None:
    """Whichever events of a lease are settled, the others are still waiting once it is released."""
    for number, part in enumerate(PARTS):
        connection = f"c{number}"
        lease = await _leased(rig, connection, returned)
        await _settle(rig, lease, part, settlement)
        await rig.store.release(lease)
        assert await rig.ids(connection) == _ids(_without(part))
        waiting = EVERY if isinstance(settlement, Retry) else _without(part)
        dead = part if isinstance(settlement, DeadLettered) else ()
        assert await rig.held(connection) == (_ids(waiting), _ids(dead))


async def test_lease_settled_in_steps_ends_with_its_last_event(rig: Rig) -> None:
    """A lease keeps its events until the last of them is settled, and is lost then."""
    lease = await _leased(rig)
    steps: list[tuple[tuple[int, ...], Settlement]] = [((2,), Delivered()), ((0,), REFUSED), ((1,), Retry(T0 + 5))]
    for (places, settlement), leased in zip(steps, (3, 2, 1), strict=True):
        await _settle(rig, lease, places, settlement)
        assert await _leased_count(rig) == leased
        assert await rig.lease() is None
        await rig.books()
    await _settle(rig, lease, (3,), Delivered())
    with pytest.raises(LeaseLost):
        await _settle(rig, lease, (3,), Delivered())
    await rig.reopen()
    assert await rig.held() == (["1"], ["0"])
    assert await rig.books() == {"accepted": 4, "delivered": 2, "dead_lettered": 1, "waiting": 1}


async def test_settlement_of_an_event_counts_once(rig: Rig) -> None:
    """An event that is settled again while the rest of its lease is held stays as it was settled first."""
    lease = await _leased(rig)
    await _settle(rig, lease, (1, 2), Delivered())
    for again in (Delivered(), REFUSED, Retry(0)):
        await _settle(rig, lease, (1, 2), again)
    assert await rig.held() == (["0", "3"], [])
    assert await rig.books() == {"accepted": 4, "delivered": 2, "waiting": 2}


async def test_settlement_says_nothing_about_events_of_another_lease(rig: Rig) -> None:
    """A settlement that names events which another lease holds changes nothing about them."""
    mine = await _leased(rig)
    await rig.append(event("4"))
    theirs = [await rig.must_lease(), await _leased(rig, "b")]
    numbers = [each.event_no for lease in (mine, *theirs) for each in lease.events]
    await rig.store.settle(mine, dict.fromkeys(numbers, Delivered()), T0)
    assert (await _leased_count(rig), await _leased_count(rig, "b")) == (1, 4)
    assert await rig.held() == (["4"], [])
    assert await rig.held("b") == (list(IDS), [])


async def test_settling_one_wire_form_leaves_the_other(rig: Rig) -> None:
    """Events of two forms do not mix, though their numbers alternate."""
    for each in IDS:
        await rig.append(event(each, form="1.0" if each in "13" else "2.0"))
    leases = [await rig.must_lease() for _ in range(2)]
    (lease,) = [each for each in leases if each.wire_form == "2.0"]
    await _settle(rig, lease, (0, 1), Delivered())
    assert await rig.held() == (["1", "3"], [])


async def test_expired_lease_gives_back_what_was_not_settled(rig: Rig) -> None:
    """Only the events that were not settled in time are due again, and the figures say so at once."""
    lease = await _leased(rig)
    await _settle(rig, lease, (1, 3), Delivered())
    rig.clock.seconds += 60
    assert await _leased_count(rig) == 0
    assert await rig.ids() == ["0", "2"]


async def test_events_of_an_expired_lease_are_leased_at_once(rig: Rig) -> None:
    """A lease needs no call before it that notices the end of an earlier one."""
    await _leased(rig)
    rig.clock.seconds += 60
    assert await rig.ids() == list(IDS)


@pytest.mark.parametrize("retry_ms", [0, T0 + 50])
async def test_retry_due_before_an_earlier_one_is_leased_in_time(rig: Rig, retry_ms: int) -> None:
    """A retry is leased when it is due, though one that is due later was leased before."""
    await rig.append(event("1"), event("2"))
    lease = await rig.must_lease()
    await _settle(rig, lease, (0, 1), Retry(T0 + 100))
    lease = await rig.must_lease(now_ms=T0 + 100)
    await _settle(rig, lease, (0, 1), Retry(retry_ms), T0 + 10)
    assert await rig.is_ready(now_ms=T0 + 10) == (retry_ms == 0)
    assert await rig.ids(now_ms=T0 + 50) == ["1", "2"]


async def test_leased_retry_is_not_due_when_the_clock_was_set_back(rig: Rig) -> None:
    """Whatever the clock does, the next due event is one that is not leased."""
    await rig.append(*[event(each) for each in IDS])
    lease = await rig.must_lease(now_ms=T0 + HOUR)
    await _settle(rig, lease, EVERY, Retry(T0 + HOUR + 9), T0 + HOUR)
    lease = await rig.must_lease()
    await _settle(rig, lease, (0,), Retry(T0 + 50))
    assert [await rig.is_ready(now_ms=T0 + 49), await rig.is_ready(now_ms=T0 + 50)] == [False, True]


@pytest.mark.parametrize(("back_ms", "ids"), [(5000, []), (5001, ["1"])])
async def test_small_step_back_of_the_clock_makes_no_retry_due(rig: Rig, back_ms: int, ids: list[str]) -> None:
    """Two callers may read the clock five seconds apart, so only a larger step means that it was set back."""
    await rig.append(event("1"))
    lease = await rig.must_lease()
    await _settle(rig, lease, (0,), Retry(T0 + 60_000))
    assert await rig.lease(now_ms=T0 + 1) is None
    assert await rig.ids(now_ms=T0 - back_ms) == ids


async def test_group_is_filled_to_the_last_byte(rig: Rig) -> None:
    """Payloads that sum up to the limit leave together; what is a byte too long for that stays behind."""
    await rig.append(*[event(each, payload=b"x" * 50) for each in IDS])
    limits = [GroupLimits(payload_bytes=size) for size in (100, 99)]
    leases = [await rig.must_lease(limits=each) for each in limits]
    assert [len(lease.events) for lease in leases] == [2, 1]


async def test_erasing_a_part_of_a_lease_leaves_the_rest_to_it(rig: Rig) -> None:
    """Events that are left in a lease are settled or released as if the erased ones had never been in it."""
    for number, part in enumerate(PARTS):
        connection = f"c{number}"
        lease = await _leased(rig, connection, returned=(1, 2))
        assert await rig.store.erase([place + 1 for place in part], T0) == len(part)
        delivered, released = _without(part)[::2], _without(part)[1::2]
        await _settle(rig, lease, (*part, *delivered), Delivered())
        await rig.store.release(lease)
        assert await rig.held(connection) == (_ids(released), [])
        books = await rig.books(connection)
        assert (books["erased"], books.get("delivered", 0)) == (len(part), len(delivered))
        await rig.store.dead_letter_all(connection, "connection_deleted", T0)
        await rig.store.erase(range(1, 5), T0)


async def test_erasing_a_part_of_the_dead_letters_leaves_the_rest(rig: Rig) -> None:
    """Erased dead letters leave the figures, and the others can still be replayed."""
    await _settle(rig, await _leased(rig), EVERY, REFUSED)
    assert await rig.store.erase([2, 4], T0) == 2
    assert await rig.held() == ([], ["0", "2"])
    assert await rig.store.replay(DeadLetterFilter(), T0) == 2
    await rig.reopen()
    assert await rig.held() == (["0", "2"], [])


async def test_replaying_a_part_leaves_the_rest_dead(rig: Rig) -> None:
    """Letters that were not chosen stay dead, and those that came back can be delivered or die again."""
    lease = await _leased(rig)
    await _settle(rig, lease, EVERY, REFUSED)
    numbers = [each.event_no for each in lease.events]
    assert await rig.store.replay(DeadLetterFilter(event_nos=[numbers[1], numbers[3]]), T0) == 2
    assert await rig.held() == (["1", "3"], ["0", "2"])
    await _settle(rig, await rig.must_lease(), (0,), Delivered())
    assert await rig.store.replay(DeadLetterFilter(event_nos=numbers[1:3]), T0) == 1
    assert await rig.held() == (["2", "3"], ["0"])
    await _settle(rig, await rig.must_lease(), (1,), REFUSED)
    await rig.reopen()
    assert await rig.held() == (["2"], ["0", "3"])
    assert await rig.books() == {"accepted": 4, "delivered": 1, "dead_lettered": 2, "replayed": 3, "waiting": 1}


async def test_event_can_die_and_be_replayed_again(rig: Rig) -> None:
    """Nothing of its earlier turns in the queue is left to be in the way of the next."""
    await rig.append(*[event(each) for each in IDS])
    for now_ms in (T0, T0 + 1, T0 + 2):
        assert await rig.store.dead_letter_all("a", "connection_deleted", now_ms) == 4
        assert await rig.store.replay(DeadLetterFilter(), now_ms) == 4
    assert await rig.held() == (list(IDS), [])


async def test_discarding_a_part_leaves_the_rest_dead(rig: Rig) -> None:
    """Discarded letters are not counted as dead any more, also after a restart."""
    lease = await _leased(rig)
    await _settle(rig, lease, (0, 1, 2), REFUSED)
    await rig.store.release(lease)
    chosen = DeadLetterFilter(event_nos=[lease.events[place].event_no for place in (0, 2)])
    assert await rig.store.discard(chosen, T0) == 2
    assert await rig.store.discard(chosen, T0) == 0
    assert (await rig.store.counts())["a"].dead_letters == 1
    await rig.reopen()
    assert await rig.held() == (["3"], ["1"])
    assert await rig.store.discard(DeadLetterFilter(), T0) == 1
    assert await rig.held() == (["3"], [])


async def test_whole_queue_dies_with_a_lease_that_is_settled_in_part(rig: Rig) -> None:
    """What a lease has settled stays delivered; what it has not is dead, and its later settlement means nothing."""
    lease = await _leased(rig)
    await _settle(rig, lease, (1,), Delivered())
    await _settle(rig, lease, (3,), Retry(T0 + 5))
    assert await rig.store.dead_letter_all("a", "connection_deleted", T0) == 3
    await _settle(rig, lease, (0, 2), Delivered())
    await rig.store.release(lease)
    assert await rig.held() == ([], ["0", "2", "3"])


@pytest.mark.parametrize(("first", "second"), [("1.0", "2.0"), ("2.0", "1.0")])
async def test_event_of_either_form_is_due_in_time(rig: Rig, first: str, second: str) -> None:
    """A connection that changed its form of the Events API has two queues for a while; neither holds the other up."""
    await rig.append(event("soon", form=first), event("later", form=second))
    for _ in range(2):
        lease = await rig.must_lease()
        (leased,) = lease.events
        due_ms = T0 + (1000 if leased.event_id == "soon" else 2000)
        await rig.store.settle(lease, {leased.event_no: Retry(due_ms)}, T0)
    assert [await rig.is_ready(now_ms=T0 + 999), await rig.is_ready(now_ms=T0 + 1000)] == [False, True]


async def _return_at_once(rig: Rig) -> None:
    lease = await rig.must_lease()
    await rig.store.settle(lease, {each.event_no: Retry(0) for each in lease.events}, T0)


async def _die_and_replay(rig: Rig) -> None:
    lease = await rig.must_lease()
    await rig.store.settle(lease, {each.event_no: REFUSED for each in lease.events}, T0)
    await rig.store.replay(DeadLetterFilter(), T0)


@pytest.mark.parametrize("come_back", [_return_at_once, _die_and_replay])
async def test_events_that_return_at_once_are_leased_one_after_the_other(
    rig: Rig, come_back: Callable[[Rig], Awaitable[None]]
) -> None:
    """However small the groups are and whatever the events' numbers, none of them is passed over."""
    await rig.append(*[event(f"other{n}", "b") for n in range(5)])
    await rig.append(*[event(each) for each in IDS])
    await come_back(rig)
    leases = [await rig.must_lease(limits=GroupLimits({"2.0": 1})) for _ in IDS]
    assert [each.event_id for lease in leases for each in lease.events] == list(IDS)
    assert await rig.lease() is None
