"""What every store promises about events."""

import asyncio

import pytest

from tests.conformance.rig import HOUR, T0, Rig, event
from tiktok_forwarder.domain.errors import ConnectionsFull, LeaseLost, StoreFull
from tiktok_forwarder.domain.outcome import Answer, DeadLettered, Delivered, Retry
from tiktok_forwarder.store.dead_letters import DeadLetterCount, DeadLetterFilter, EventStateCounts
from tiktok_forwarder.store.queue import GroupLimits

ALL = DeadLetterFilter()
REFUSED = DeadLettered("refused", Answer(200, 40002, "Invalid value"))


async def test_event_comes_back_as_it_was_stored(rig: Rig) -> None:
    """Bytes, names and times; nothing was attempted yet."""
    await rig.append(event("1", payload=b'{"a":"\xc3\xa9"}'))
    lease = await rig.must_lease()
    (leased,) = lease.events
    assert (leased.event_id, leased.event_name, leased.payload) == ("1", "Purchase", b'{"a":"\xc3\xa9"}')
    assert (leased.accepted_at_ms, leased.attempts, leased.first_attempt_at_ms) == (T0, 0, None)
    assert (lease.connection_id, lease.wire_form, leased.connection_revision) == ("a", "2.0", 1)


async def test_stored_events_and_books_survive_a_restart(rig: Rig) -> None:
    """A lease does not: its events are due again."""
    await rig.append(event("1"), event("2"), drops={("a", "missing_ip"): 3})
    lease = await rig.must_lease()
    await rig.store.settle(lease, {lease.events[0].event_no: Delivered()}, T0)
    await rig.reopen()
    if not rig.is_durable:
        await rig.store.release(lease)
    assert await rig.ids() == ["2"]
    assert await rig.books() == {"accepted": 5, "dropped": 3, "delivered": 1, "waiting": 1}


@pytest.mark.parametrize(("later_ms", "admission"), [(172_799_999, "duplicate"), (172_800_000, "stored")])
async def test_repeats_are_ignored_for_48_hours(rig: Rig, later_ms: int, admission: str) -> None:
    """A repeat is known to the millisecond, also when the first was delivered in the meantime, and after a restart."""
    await rig.append(event("1"))
    lease = await rig.must_lease()
    await rig.store.settle(lease, {lease.events[0].event_no: Delivered()}, T0)
    await rig.reopen()
    assert await rig.append(event("1"), now_ms=T0 + later_ms) == [admission]
    books = await rig.books()
    assert books.get("duplicate", 0) == (admission == "duplicate")


async def test_repeat_is_of_connection_name_and_id(rig: Rig) -> None:
    """The same id under another name or for another pixel is another event; a repeat may stand in the same request."""
    arriving = [event("1"), event("1", name="AddToCart"), event("1", "b"), event("1"), event("2")]
    assert await rig.append(*arriving) == ["stored", "stored", "stored", "duplicate", "stored"]


async def test_oldest_leave_first_and_none_twice(rig: Rig) -> None:
    """Two leases share no event; a third finds nothing."""
    await rig.append(*[event(str(n)) for n in range(5)])
    first = await rig.must_lease(limits=GroupLimits({"2.0": 3}))
    second = await rig.must_lease()
    assert [each.event_id for each in first.events] == ["0", "1", "2"]
    assert [each.event_id for each in second.events] == ["3", "4"]
    assert await rig.lease() is None
    assert not await rig.is_ready()


async def test_lease_is_of_one_wire_form_and_within_limits(rig: Rig) -> None:
    """A request speaks one version; it is bounded in events and bytes, but one event always fits."""
    await rig.append(event("1"), event("2", form="1.0"), event("3", form="1.0"), event("4", payload=b"x" * 900))
    leases = [await rig.must_lease(limits=GroupLimits({"1.0": 1, "2.0": 1000}, payload_bytes=500)) for _ in range(4)]
    held = [(lease.wire_form, [each.event_id for each in lease.events]) for lease in leases]
    assert sorted(held) == [("1.0", ["2"]), ("1.0", ["3"]), ("2.0", ["1"]), ("2.0", ["4"])]


async def test_expired_lease_is_lost_and_its_events_are_due(rig: Rig) -> None:
    """Whoever wakes up late settles nothing."""
    await rig.append(event("1"))
    late = await rig.must_lease()
    rig.clock.seconds += 60
    assert await rig.is_ready()
    again = await rig.must_lease()
    with pytest.raises(LeaseLost):
        await rig.store.settle(late, {late.events[0].event_no: Delivered()}, T0)
    with pytest.raises(LeaseLost):
        await rig.store.renew(late, 60)
    await rig.store.settle(again, {again.events[0].event_no: Delivered()}, T0)
    assert await rig.books() == {"accepted": 1, "delivered": 1, "waiting": 0}


async def test_renewed_lease_holds_on(rig: Rig) -> None:
    """From the time of renewal on."""
    await rig.append(event("1"))
    lease = await rig.must_lease()
    rig.clock.seconds += 59
    await rig.store.renew(lease, 60)
    rig.clock.seconds += 59
    assert await rig.lease() is None
    await rig.store.settle(lease, {lease.events[0].event_no: Delivered()}, T0)


async def test_released_events_are_due_as_before(rig: Rig) -> None:
    """Untouched, in their old order, and releasing twice is no error."""
    await rig.append(event("1"), event("2"))
    lease = await rig.must_lease()
    await rig.store.settle(lease, {lease.events[1].event_no: Retry(T0 + 5)}, T0)
    await rig.store.release(lease)
    await rig.store.release(lease)
    await rig.append(event("3"))
    assert await rig.ids() == ["1", "3"]
    assert sorted(await rig.ids(now_ms=T0 + 5)) == ["1", "2", "3"]


async def test_retry_waits_and_counts(rig: Rig) -> None:
    """Until its time; the attempt, its time and an answer that did not come are remembered, also over a restart."""
    await rig.append(event("1"))
    lease = await rig.must_lease()
    await rig.store.settle(lease, {lease.events[0].event_no: Retry(T0 + 100, may_have_arrived=True)}, T0 + 1)
    await rig.reopen()
    assert await rig.lease(now_ms=T0 + 99) is None
    assert [await rig.is_ready(now_ms=T0 + 99), await rig.is_ready(now_ms=T0 + 100)] == [False, True]
    lease = await rig.must_lease(now_ms=T0 + 100)
    (leased,) = lease.events
    assert (leased.attempts, leased.first_attempt_at_ms, leased.unanswered_at_ms) == (1, T0 + 1, T0 + 1)
    await rig.store.settle(lease, {leased.event_no: Retry(T0 + 200, may_have_arrived=True)}, T0 + 100)
    (leased,) = (await rig.must_lease(now_ms=T0 + 200)).events
    assert (leased.attempts, leased.first_attempt_at_ms, leased.unanswered_at_ms) == (2, T0 + 1, T0 + 1)


async def test_throttled_retry_does_not_count(rig: Rig) -> None:
    """It was no attempt."""
    await rig.append(event("1"))
    lease = await rig.must_lease()
    await rig.store.settle(lease, {lease.events[0].event_no: Retry(T0 + 1, counts=False)}, T0)
    (leased,) = (await rig.must_lease(now_ms=T0 + 1)).events
    assert (leased.attempts, leased.first_attempt_at_ms) == (0, None)


async def test_clock_set_back_makes_nothing_wait_for_it_to_catch_up(rig: Rig) -> None:
    """A retry scheduled by the clock as it was is due at once by the clock as it is."""
    await rig.append(event("1"))
    lease = await rig.must_lease(now_ms=T0 + HOUR)
    await rig.store.settle(lease, {lease.events[0].event_no: Retry(T0 + HOUR + 10_000)}, T0 + HOUR)
    await rig.reopen()
    assert await rig.ids(now_ms=T0) == ["1"]


async def test_retries_and_new_events_share_leases(rig: Rig) -> None:
    """Neither kind keeps the other waiting for ever."""
    await rig.append(*[event(f"r{n}") for n in range(40)])
    lease = await rig.must_lease()
    await rig.store.settle(lease, {each.event_no: Retry(T0 + 1) for each in lease.events}, T0)
    await rig.append(*[event(f"n{n}") for n in range(40)])
    seen: set[str] = set()
    for _ in range(4):
        lease = await rig.must_lease(now_ms=T0 + 1, limits=GroupLimits({"2.0": 10}))
        seen |= {each.event_id[0] for each in lease.events}
    assert seen == {"r", "n"}


async def test_dead_letter_keeps_what_explains_it(rig: Rig) -> None:
    """Reason, last answer, attempts and times, over a restart."""
    await rig.append(event("1", payload=b'{"p":1}'))
    lease = await rig.must_lease()
    await rig.store.settle(lease, {lease.events[0].event_no: REFUSED}, T0 + 7)
    await rig.reopen()
    (letter,) = await rig.store.dead_letters(ALL, limit=10)
    assert (letter.connection_id, letter.event_id, letter.payload) == ("a", "1", b'{"p":1}')
    assert (letter.reason, letter.answer, letter.attempts) == ("refused", REFUSED.answer, 1)
    assert (letter.accepted_at_ms, letter.first_attempt_at_ms, letter.dead_lettered_at_ms) == (T0, T0 + 7, T0 + 7)
    assert await rig.books() == {"accepted": 1, "dead_lettered": 1, "waiting": 0}
    assert (await rig.store.counts())["a"].dead_letters == 1


async def _dead(rig: Rig) -> list[int]:
    """Six dead letters: a1 to a3 at T0 + 1 to 3, b1 to b3 unconfirmed at the same times."""
    for connection, settled in (("a", REFUSED), ("b", DeadLettered("unconfirmed"))):
        for n in (1, 2, 3):
            await rig.append(event(f"{connection}{n}", connection))
            lease = await rig.must_lease(connection)
            await rig.store.settle(lease, {lease.events[0].event_no: settled}, T0 + n)
    return [letter.event_no for letter in await rig.store.dead_letters(ALL, limit=10)]


@pytest.mark.parametrize(
    ("which", "ids"),
    [
        (ALL, ["a1", "a2", "a3", "b1", "b2", "b3"]),
        (DeadLetterFilter(connection_id="b"), ["b1", "b2", "b3"]),
        (DeadLetterFilter(connection_id="none"), []),
        (DeadLetterFilter(reason="refused"), ["a1", "a2", "a3"]),
        (DeadLetterFilter(from_ms=T0 + 2, until_ms=T0 + 3), ["a2", "b2"]),
        (DeadLetterFilter(reason="refused", from_ms=T0 + 3), ["a3"]),
    ],
)
async def test_dead_letters_by_every_condition(rig: Rig, which: DeadLetterFilter, ids: list[str]) -> None:
    """All conditions must hold; listing goes on page by page; replay and discard choose alike."""
    await _dead(rig)
    found = await rig.store.dead_letters(which, limit=2)
    while found and (more := await rig.store.dead_letters(which, limit=2, after_event_no=found[-1].event_no)):
        found = [*found, *more]
    assert [letter.event_id for letter in found] == ids
    assert await rig.store.replay(which, T0 + 9) == len(ids)
    assert len(await rig.store.dead_letters(ALL, limit=10)) == 6 - len(ids)


async def test_dead_letters_by_number(rig: Rig) -> None:
    """As chosen one by one."""
    numbers = await _dead(rig)
    which = DeadLetterFilter(event_nos=[numbers[0], numbers[4]])
    assert [letter.event_id for letter in await rig.store.dead_letters(which, limit=10)] == ["a1", "b2"]


async def test_dead_letters_are_counted_by_connection_and_reason(rig: Rig) -> None:
    """With the times of the first and the last; what is replayed or discarded is counted no more."""
    assert await rig.store.dead_letter_counts() == []
    numbers = await _dead(rig)
    assert await rig.store.dead_letter_counts() == [
        DeadLetterCount("a", "refused", 3, T0 + 1, T0 + 3),
        DeadLetterCount("b", "unconfirmed", 3, T0 + 1, T0 + 3),
    ]
    await rig.store.replay(DeadLetterFilter(connection_id="b"), T0 + 9)
    await rig.store.discard(DeadLetterFilter(event_nos=numbers[:1]), T0 + 9)
    assert await rig.store.dead_letter_counts() == [DeadLetterCount("a", "refused", 2, T0 + 2, T0 + 3)]


async def test_the_whereabouts_of_replayed_events(rig: Rig) -> None:
    """They wait, due or leased or to be tried again, then have left or are dead letters again; others do not count."""
    numbers = await _dead(rig)
    await rig.store.replay(ALL, T0 + 9)
    await rig.append(event("fresh"))
    assert await rig.store.count_by_state("a", numbers[:3]) == EventStateCounts(3, 0)
    assert await rig.store.count_by_state("a", numbers[3:]) == EventStateCounts(0, 0)
    lease = await rig.must_lease()
    outcomes = {numbers[0]: REFUSED, numbers[1]: Retry(T0 + 99), numbers[2]: Delivered()}
    await rig.store.settle(lease, outcomes, T0 + 10)
    assert await rig.store.count_by_state("a", numbers[:3]) == EventStateCounts(1, 1)
    await rig.reopen()
    assert await rig.store.count_by_state("a", numbers[:2]) == EventStateCounts(1, 1)


async def test_replay_is_idempotent_and_keeps_the_count_of_attempts(rig: Rig) -> None:
    """The second replay of a selection moves nothing; payload and id are the same bytes; the books follow."""
    await _dead(rig)
    which = DeadLetterFilter(connection_id="a")
    assert await rig.store.replay(which, T0 + 9) == 3
    assert await rig.store.replay(which, T0 + 9) == 0
    await rig.reopen()
    lease = await rig.must_lease()
    assert [(each.event_id, each.attempts) for each in lease.events] == [("a1", 1), ("a2", 1), ("a3", 1)]
    await rig.store.settle(lease, {each.event_no: Delivered() for each in lease.events}, T0 + 10)
    assert await rig.books() == {"accepted": 3, "replayed": 3, "delivered": 3, "waiting": 0}


async def test_discarded_letters_are_gone_but_stay_in_the_books(rig: Rig) -> None:
    """They were dead letters."""
    await _dead(rig)
    assert await rig.store.discard(DeadLetterFilter(connection_id="a"), T0 + 9) == 3
    assert await rig.store.dead_letters(DeadLetterFilter(connection_id="a"), limit=10) == []
    assert await rig.books() == {"accepted": 3, "dead_lettered": 3, "discarded": 3, "waiting": 0}


async def test_dead_letters_of_before_a_time_expire(rig: Rig) -> None:
    """Of every connection, form and number of steps; they stay counted, and those that are younger stay."""
    old = [event(f"o{number}") for number in range(1203)]
    await rig.append(*old, event("b", connection="b"), event("f", form="1.0"))
    for connection in ("a", "b"):
        await rig.store.dead_letter_all(connection, "connection_deleted", T0)
    await rig.append(event("young"), event("waits", connection="b"))
    await rig.store.dead_letter_all("a", "connection_deleted", T0 + 1)
    assert await rig.store.expire(T0) == {}
    assert await rig.store.expire(T0 + 1) == {"a": 1204, "b": 1}
    assert await rig.store.expire(T0 + 1) == {}
    await rig.reopen()
    assert [letter.event_id for letter in await rig.store.dead_letters(DeadLetterFilter(), limit=10)] == ["young"]
    books = await rig.books()
    assert (books["accepted"], books["dead_lettered"], books["expired"]) == (1205, 1205, 1204)
    assert (await rig.books("b"))["waiting"] == 1


async def test_replayed_letter_does_not_expire(rig: Rig) -> None:
    """It is an event again, whatever its age was; a letter that it becomes later is young."""
    await rig.append(event("1"), event("2"))
    await rig.store.dead_letter_all("a", "connection_deleted", T0)
    (first, _) = await rig.store.dead_letters(DeadLetterFilter(), limit=2)
    await rig.store.replay(DeadLetterFilter(event_nos=[first.event_no]), T0 + 5)
    assert await rig.store.expire(T0 + 1) == {"a": 1}
    await rig.store.dead_letter_all("a", "connection_deleted", T0 + 9)
    assert await rig.store.expire(T0 + 9) == {}
    assert await rig.held() == ([], ["1"])


async def test_nodes_that_expire_at_once_share_the_letters(rig: Rig) -> None:
    """Each is counted once, and none is both replayed and expired."""
    await rig.append(*[event(str(number)) for number in range(1500)])
    await rig.store.dead_letter_all("a", "connection_deleted", T0)
    one, other, replayed = await asyncio.gather(
        rig.store.expire(T0 + 1), rig.store.expire(T0 + 1), rig.store.replay(DeadLetterFilter(), T0)
    )
    books = await rig.books()
    assert one.get("a", 0) + other.get("a", 0) + replayed == 1500
    assert (books.get("expired", 0), books["waiting"]) == (1500 - replayed, replayed)


async def test_whole_queue_can_become_dead_letters(rig: Rig) -> None:
    """Leased ones too: whoever holds them settles nothing any more."""
    await rig.append(event("1"), event("2"), event("3", "b"))
    lease = await rig.must_lease(limits=GroupLimits({"2.0": 1}))
    assert await rig.store.dead_letter_all("a", "connection_deleted", T0 + 5) == 2
    await rig.store.settle(lease, {lease.events[0].event_no: Delivered()}, T0 + 6)
    letters = await rig.store.dead_letters(ALL, limit=10)
    assert [(letter.event_id, letter.reason) for letter in letters] == [
        ("1", "connection_deleted"),
        ("2", "connection_deleted"),
    ]
    assert await rig.books() == {"accepted": 2, "dead_lettered": 2, "waiting": 0}
    assert await rig.ids("b") == ["3"]


async def test_erase_finds_events_in_every_state(rig: Rig) -> None:
    """Waiting, leased, to be tried again and dead; nobody else's; a lease's later settling does not bring them back."""
    about = (7, 2**64 - 1)
    for name in ("waiting", "leased", "retried", "dead"):
        await rig.append(event(f"{name}-mine", subjects=about), event(f"{name}-other", subjects=(8,)))
        if name == "waiting":
            waiting = await rig.must_lease()
        elif name != "leased":
            lease = await rig.must_lease()
            outcome = Retry(T0 + 1) if name == "retried" else REFUSED
            await rig.store.settle(lease, {each.event_no: outcome for each in lease.events}, T0)
        else:
            leased = await rig.must_lease()
    await rig.store.release(waiting)
    assert await rig.store.erase([2**64 - 1, 5], T0 + 2) == 4
    await rig.store.settle(leased, {each.event_no: Delivered() for each in leased.events}, T0 + 3)
    assert sorted(await rig.ids(now_ms=T0 + 3)) == ["retried-other", "waiting-other"]
    assert [letter.event_id for letter in await rig.store.dead_letters(ALL, limit=10)] == ["dead-other"]
    assert (await rig.books())["erased"] == 4
    assert await rig.store.erase([7], T0 + 4) == 0


async def test_drops_are_counted_with_their_reason(rig: Rig) -> None:
    """In the same write as the events that came with them."""
    await rig.append(event("1"), drops={("a", "missing_ip"): 2, ("b", "unsupported_event"): 1})
    await rig.append(drops={("a", "missing_ip"): 1})
    rows = {(row.connection_id, row.counter, row.reason): row.count for row in await rig.store.totals()}
    assert rows[("a", "dropped", "missing_ip")] == 3
    assert rows[("b", "dropped", "unsupported_event")] == 1
    assert (rows[("a", "accepted", "")], rows[("b", "accepted", "")]) == (4, 1)


async def test_full_connection_does_not_fill_the_store_for_others(small_rig: Rig) -> None:
    """Half is its share; the store itself is full when all is taken; deliveries make room again."""

    async def append(number: int, connection: str) -> list[str]:
        events = [event(f"{number}-{m}", connection, payload=b"x" * 1600) for m in range(50)]
        return list(await small_rig.append(*events))

    with pytest.raises(ConnectionsFull):
        for n in range(20):
            await append(n, "a")
    assert await small_rig.append(event("x", "b")) == ["stored"]
    assert await small_rig.store.problems() == []
    await small_rig.books()
    with pytest.raises(StoreFull):
        for n in range(20):
            await append(n, "c")
            await append(n, "d")
    assert await small_rig.store.problems() == ["full"]
    for connection in ("a", "c"):
        while (lease := await small_rig.lease(connection)) is not None:
            await small_rig.store.settle(lease, {each.event_no: Delivered() for each in lease.events}, T0)
    assert await small_rig.append(event("y", "b")) == ["stored"]
    assert await small_rig.store.problems() == []


async def test_concurrent_deliverers_share_the_work_and_no_event(rig: Rig) -> None:
    """Five senders and five deliverers: each event is leased and delivered once, and nobody starves."""
    delivered: list[list[str]] = [[] for _ in range(5)]

    async def send(sender: int) -> None:
        for n in range(40):
            await rig.append(*[event(f"{sender}-{n}-{m}") for m in range(5)])
            await asyncio.sleep(0)

    async def deliver(deliverer: int) -> None:
        while sum(map(len, delivered)) < 1000:
            lease = await rig.lease(limits=GroupLimits({"2.0": 7}))
            if lease is None:
                await asyncio.sleep(0.001)
                continue
            await asyncio.sleep(0.001)
            await rig.store.settle(lease, {each.event_no: Delivered() for each in lease.events}, T0)
            delivered[deliverer] += [each.event_id for each in lease.events]

    await asyncio.gather(*map(send, range(5)), *map(deliver, range(5)))
    ids = [event_id for each in delivered for event_id in each]
    assert (len(ids), len(set(ids))) == (1000, 1000)
    assert min(map(len, delivered)) >= 20
    assert await rig.books() == {"accepted": 1000, "delivered": 1000, "waiting": 0}


async def test_counts_show_what_waits(rig: Rig) -> None:
    """Events, bytes, leases and the age of the oldest, retried ones included."""
    await rig.append(event("1", payload=b"12345"), now_ms=T0 - 50)
    lease = await rig.must_lease()
    await rig.store.settle(lease, {lease.events[0].event_no: Retry(T0 + 5)}, T0)
    await rig.append(event("2", payload=b"123"))
    await rig.must_lease(limits=GroupLimits({"2.0": 1}))
    await rig.reopen()
    counts = (await rig.store.counts())["a"]
    leased = 0 if rig.is_durable else 1
    assert (counts.waiting, counts.waiting_bytes, counts.leased) == (2, 8, leased)
    assert counts.oldest_accepted_at_ms == T0 - 50
