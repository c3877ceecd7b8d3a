"""What is asked at the same time, and so may share a transaction, still adds up."""

import asyncio

import pytest

from tests.conformance.rig import HOUR, T0, Rig, event
from tiktok_forwarder.domain.errors import ConnectionsFull, LeaseLost, StoreFull
from tiktok_forwarder.domain.outcome import DeadLettered, Delivered, Retry
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.queue import Arrivals, GroupLimits

ALL = DeadLetterFilter()
HALF = GroupLimits({"2.0": 500})


async def test_append_begins_when_it_is_called(rig: Rig) -> None:
    """A caller needs no task to wait: its callback gets the admissions."""
    answers: list[object] = []
    called = asyncio.Event()

    def answer(appended: "asyncio.Future[object]") -> None:
        answers.append(appended.result())
        called.set()

    rig.store.append(Arrivals([event("1"), event("1")], {}, T0)).add_done_callback(answer)
    await asyncio.wait_for(called.wait(), 10)
    assert answers == [["stored", "duplicate"]]


async def test_append_whose_caller_has_left_is_done(rig: Rig) -> None:
    """A sender that closes its connection cancels what waits for the store; its event is stored, once."""
    appended = rig.store.append(Arrivals([event("1")], {}, T0))
    appended.cancel()
    assert await rig.append(event("1"), event("2")) == ["duplicate", "stored"]
    assert await rig.ids() == ["1", "2"]


async def test_refusal_is_raised_where_the_append_is_awaited(small_rig: Rig) -> None:
    """Neither the call nor the requests of the same moment meet it."""
    too_many = [event(f"e{n}", payload=b"x" * 1600) for n in range(501)]
    refused = small_rig.store.append(Arrivals(too_many, {}, T0))
    larger = small_rig.store.append(
        Arrivals([*too_many, *[event(f"f{n}", "b", payload=b"x" * 1600) for n in range(700)]], {}, T0)
    )
    stored = small_rig.store.append(Arrivals([event("1", "b")], {}, T0))
    assert await stored == ["stored"]
    with pytest.raises(ConnectionsFull):
        await refused
    with pytest.raises(StoreFull):
        await larger


async def _half_leased(rig: Rig) -> tuple[object, dict[int, Delivered]]:
    await rig.append(*[event(str(n), subjects=(7,)) for n in range(1000)])
    lease = await rig.must_lease(limits=HALF)
    return lease, {each.event_no: Delivered() for each in lease.events}


async def test_books_balance_while_everything_changes(rig: Rig) -> None:
    """Totals and counts that are asked for together are of one moment, whatever is under way."""

    async def change(name: str) -> None:
        for n in range(60):
            await rig.append(*[event(f"{name}-{n}-{m}") for m in range(5)])
            await asyncio.sleep(0)
            if (lease := await rig.lease()) is not None:
                await rig.store.settle(lease, {each.event_no: Delivered() for each in lease.events[:3]}, T0)
                await rig.store.release(lease)

    changes = asyncio.gather(change("one"), change("two"))
    looks = 0
    while not changes.done():
        books = await rig.store.snapshot()
        totals = {row.counter: row.count for row in books.totals}
        waiting = books.counts["a"].waiting if books.counts else 0
        assert totals.get("accepted", 0) == waiting + totals.get("delivered", 0)
        looks += 1
        await asyncio.sleep(0)
    await changes
    assert looks > 10


async def test_deletion_of_a_connection_meets_a_settlement(rig: Rig) -> None:
    """Each event is counted once, as delivered or as a dead letter, whichever change comes first."""
    lease, delivered = await _half_leased(rig)
    _, buried = await asyncio.gather(
        rig.store.settle(lease, delivered, T0), rig.store.dead_letter_all("a", "connection_deleted", T0)
    )
    books = await rig.books()
    assert (books.get("delivered", 0), books["dead_lettered"], books["waiting"]) == (1000 - buried, buried, 0)
    assert len(await rig.store.dead_letters(ALL, limit=2000)) == buried >= 500
    assert (await rig.store.counts())["a"].dead_letters == buried


async def test_settlement_meets_an_erasure(rig: Rig) -> None:
    """Each event is counted once, as delivered or as erased."""
    lease, delivered = await _half_leased(rig)
    erased, _ = await asyncio.gather(rig.store.erase([7], T0), rig.store.settle(lease, delivered, T0))
    books = await rig.books()
    assert (books.get("delivered", 0), books["erased"], books["waiting"]) == (1000 - erased, erased, 0)
    assert await rig.store.counts() == {}


async def test_the_same_settlement_twice_at_once_counts_once(rig: Rig) -> None:
    """Whichever comes second finds the lease ended."""
    lease, delivered = await _half_leased(rig)
    twice = [rig.store.settle(lease, delivered, T0) for _ in range(2)]
    outcomes: list[BaseException | None] = await asyncio.gather(*twice, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {type(None), LeaseLost}
    books = await rig.books()
    assert (books["delivered"], books["waiting"]) == (500, 500)


async def test_replays_and_discards_at_once_share_the_letters(rig: Rig) -> None:
    """No letter is both, and none is forgotten."""
    await rig.append(*[event(str(n)) for n in range(1500)])
    assert await rig.store.dead_letter_all("a", "connection_deleted", T0) == 1500
    replayed, discarded = await asyncio.gather(rig.store.replay(ALL, T0), rig.store.discard(ALL, T0))
    books = await rig.books()
    assert replayed + discarded == 1500
    assert (books["waiting"], books.get("dead_lettered", 0)) == (replayed, discarded)
    assert await rig.store.dead_letters(ALL, limit=1) == []


async def test_erased_event_is_gone_for_the_rest_of_its_lease(rig: Rig) -> None:
    """Its later settlement means nothing, whatever it says, while those of its neighbours count."""
    await rig.append(event("1", subjects=(7,)), event("2"), event("3", subjects=(7,)))
    lease = await rig.must_lease()
    one, two, three = (each.event_no for each in lease.events)
    assert await rig.store.erase([7], T0) == 2
    await rig.store.settle(lease, {one: Retry(0), two: Delivered()}, T0)
    await rig.store.settle(lease, {three: DeadLettered("refused")}, T0)
    with pytest.raises(LeaseLost):
        await rig.store.settle(lease, {three: Delivered()}, T0)
    books = await rig.books()
    assert (books["delivered"], books["erased"], books.get("dead_lettered", 0)) == (1, 2, 0)
    assert not await rig.is_ready()


async def test_replayed_event_is_not_leased_twice(rig: Rig) -> None:
    """Once a leased event was buried and replayed, the old lease has no say in it."""
    await rig.append(event("1"))
    old = await rig.must_lease()
    await rig.store.dead_letter_all("a", "connection_deleted", T0)
    await rig.store.replay(ALL, T0)
    new = await rig.must_lease()
    await rig.store.settle(old, {old.events[0].event_no: Delivered()}, T0)
    assert (await rig.books())["waiting"] == 1
    await rig.store.settle(new, {new.events[0].event_no: Delivered()}, T0)
    assert (await rig.books())["delivered"] == 1


async def test_wire_forms_do_not_break_up_each_others_groups(rig: Rig) -> None:
    """However events of both forms alternate, each lease is as full as its form allows, and they take turns."""
    await rig.append(*[event(str(n), form="2.0" if n % 2 else "1.0") for n in range(400)])
    leases = [await rig.must_lease() for _ in range(3)]
    sizes = sorted((lease.wire_form, len(lease.events)) for lease in leases)
    assert sizes == [("1.0", 50), ("1.0", 50), ("2.0", 200)]
    assert {leases[0].wire_form, leases[1].wire_form} == {"1.0", "2.0"}


async def test_new_events_do_not_wait_for_an_old_backlog(rig: Rig) -> None:
    """Of a long queue a group takes the newest as well as the oldest, and retries; nothing is passed over for good."""
    limits = GroupLimits({"2.0": 8})
    await rig.append(*[event(f"r{n}") for n in range(20)])
    lease = await rig.must_lease()
    await rig.store.settle(lease, {each.event_no: Retry(T0 + 1) for each in lease.events}, T0)
    await rig.append(*[event(f"f{n:03}") for n in range(100)])
    first = await rig.must_lease(now_ms=T0 + 1, limits=limits)
    ids = [each.event_id for each in first.events]
    assert ids == ["r0", "r1", "r2", "r3", "f000", "f001", "f098", "f099"]
    taken = set(ids)
    while (more := await rig.lease(now_ms=T0 + 1, limits=limits)) is not None:
        assert taken.isdisjoint(each.event_id for each in more.events)
        taken |= {each.event_id for each in more.events}
    assert len(taken) == 120


async def test_groups_of_one_serve_retries_new_and_old_in_turn(rig: Rig) -> None:
    """As when each event has to be sent alone: none of the three starves."""
    limits = GroupLimits({"2.0": 1})
    await rig.append(*[event(f"r{n}") for n in range(3)])
    lease = await rig.must_lease()
    await rig.store.settle(lease, {each.event_no: Retry(0) for each in lease.events}, T0)
    await rig.append(*[event(f"f{n}") for n in range(9)])
    taken = [(await rig.must_lease(limits=limits)).events[0].event_id for _ in range(4)]
    assert {"r0", "f0", "f8"} <= set(taken)


async def test_an_event_larger_than_a_group_leaves_alone(rig: Rig) -> None:
    """Rather than never; and the bytes of a group are counted."""
    limits = GroupLimits(payload_bytes=100)
    await rig.append(event("1", payload=b"x" * 500), event("2", payload=b"x" * 60), event("3", payload=b"x" * 60))
    leases = [await rig.must_lease(limits=limits) for _ in range(3)]
    assert [[each.event_id for each in lease.events] for lease in leases] == [["1"], ["2"], ["3"]]


@pytest.mark.parametrize("back_ms", [HOUR, 30 * 24 * HOUR])
async def test_retries_scheduled_before_the_clock_was_set_back_are_due(rig: Rig, back_ms: int) -> None:
    """Also after a restart, and `ready` says so before anything is leased; a small step changes nothing."""
    await rig.append(event("1"))
    lease = await rig.must_lease()
    await rig.store.settle(lease, {lease.events[0].event_no: Retry(T0 + 10_000)}, T0)
    await rig.reopen()
    assert await rig.lease(now_ms=T0 - 1000) is None
    assert not await rig.is_ready(now_ms=T0 - 1000)
    assert await rig.is_ready(now_ms=T0 - back_ms, fill_seconds=60)
    assert await rig.ids(now_ms=T0 - back_ms) == ["1"]


async def test_a_large_change_is_whole_though_made_in_steps(rig: Rig) -> None:
    """Thousands of dead letters come back, and go again, each once."""
    for first in range(0, 2500, 500):
        await rig.append(*[event(str(n)) for n in range(first, first + 500)])
    assert await rig.store.dead_letter_all("a", "connection_deleted", T0) == 2500
    assert await rig.store.replay(ALL, T0) == 2500
    assert await rig.store.replay(ALL, T0) == 0
    assert await rig.store.dead_letter_all("a", "connection_deleted", T0) == 2500
    assert await rig.store.discard(ALL, T0) == 2500
    books = await rig.books()
    assert (books["dead_lettered"], books["discarded"], books["replayed"], books["waiting"]) == (2500, 2500, 2500, 0)
