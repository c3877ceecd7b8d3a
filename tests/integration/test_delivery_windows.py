"""How long an event is tried: attempts, the 24 hours, and the 48 hours in which TikTok knows a repeat."""

from aiohttp import web
from msgspec.structs import replace

from tests.integration.delivery_rig import PATIENT, QUICK, Received, Rig, answer, delivery_rig, ids, take_all
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.domain.outcome import Settlements
from tiktok_forwarder.domain.retry import RetryPolicy
from tiktok_forwarder.store.queue import Lease

HOUR_SECONDS = 3600.0
REAL_SCHEDULE = replace(QUICK, retry=RetryPolicy(jitter=0.0))


async def retries(rig: Rig, count: int) -> None:
    await rig.wait_until(lambda: rig.witness.outcomes["c", "retry"] >= count)


async def test_the_schedule_is_ten_seconds_doubling_up_to_five_minutes() -> None:
    """Each retry is due after its delay and not before."""
    async with delivery_rig(REAL_SCHEDULE) as rig:
        rig.tiktok.judge = lambda _: answer(50000)
        await rig.accept(ids(1))
        for number, delay_seconds in enumerate((10, 20, 40, 80, 160, 300, 300), start=1):
            await retries(rig, number)
            rig.clock.advance(delay_seconds - 1)
            await rig.give_time(0.02)
            assert len(rig.tiktok.requests) == number
            rig.clock.advance(1.1)
            await rig.until_requests(number + 1)


async def test_retries_are_spread_by_a_fifth_to_either_side() -> None:
    """Events that failed in one moment, of many connections perhaps, must not all come back in one."""
    singles = replace(QUICK.limits, max_events={"2.0": 1})
    async with delivery_rig(replace(QUICK, retry=RetryPolicy(), limits=singles)) as rig:
        rig.tiktok.judge = lambda _: answer(50000)
        began_ms = rig.clock.now_ms()
        await rig.accept(ids(40))
        await retries(rig, 40)
        ended_ms = rig.clock.now_ms()
        assert not await rig.is_due(began_ms + 7999)
        assert await rig.is_due(ended_ms + 9900)
        all_due = replace(QUICK.limits, max_events={"2.0": 1000})
        lease = await rig.store.lease("c", all_due, ended_ms + 12_000, 60)
        assert lease is not None
        assert len(lease.events) == 40
        await rig.store.release(lease)
        some = await rig.store.lease("c", all_due, began_ms + 10_100, 60)
        assert some is not None
        assert len(some.events) < 40


async def test_an_event_is_given_up_after_24_hours_of_trying() -> None:
    """The attempt that fails 24 hours after the first one is the last, and the dead letter counts them all."""
    async with delivery_rig(REAL_SCHEDULE) as rig:
        rig.tiktok.judge = lambda _: answer(50000, "System error")
        await rig.accept(ids(1))
        await retries(rig, 1)
        for number, hours in enumerate((11.5, 12.0), start=2):
            rig.clock.advance(hours * HOUR_SECONDS)
            await retries(rig, number)
        rig.clock.advance(HOUR_SECONDS)
        await rig.until_empty()
        (dead,) = await rig.dead_letters()
    assert (dead.reason, dead.attempts) == ("retries_exhausted", 4)
    assert dead.answer is not None
    assert dead.answer.message == "System error"


async def test_no_event_is_given_up_with_fewer_than_three_attempts() -> None:
    """After a long outage of the service itself, events still get their attempts."""
    async with delivery_rig(REAL_SCHEDULE) as rig:
        rig.tiktok.judge = lambda _: answer(50000)
        await rig.accept(ids(1))
        await retries(rig, 1)
        rig.clock.advance(30 * HOUR_SECONDS)
        await retries(rig, 2)
        rig.clock.advance(20)
        await rig.until_empty()
        (dead,) = await rig.dead_letters()
    assert (dead.reason, dead.attempts) == ("retries_exhausted", 3)


async def test_an_event_that_may_have_arrived_is_not_sent_after_48_hours() -> None:
    """TikTok would count it twice: it is a dead letter instead, and events without that doubt are sent."""
    async with delivery_rig(PATIENT) as rig:
        rig.tiktok.judge = lambda _: web.Response(status=504)
        await rig.accept(ids(2, "doubtful"))
        await retries(rig, 2)
        rig.tiktok.judge = lambda _: answer(0)
        rig.clock.advance(48 * HOUR_SECONDS + 1)
        await rig.accept(ids(2, "fresh"))
        await rig.until_empty()
        dead = await rig.dead_letters()
    assert rig.tiktok.groups[1:] == [ids(2, "fresh")]
    assert [(letter.event_id, letter.reason) for letter in dead] == [
        ("doubtful0", "unconfirmed"),
        ("doubtful1", "unconfirmed"),
    ]


async def test_an_event_that_may_have_arrived_is_sent_again_within_48_hours() -> None:
    """Until then TikTok recognises the repeat, so nothing is risked."""
    async with delivery_rig(PATIENT) as rig:
        rig.tiktok.judge = lambda _: web.Response(status=504)
        await rig.accept(ids(2))
        await retries(rig, 2)
        rig.tiktok.judge = lambda _: answer(0)
        rig.clock.advance(48 * HOUR_SECONDS - 5)
        await rig.until_empty()
    assert rig.tiktok.groups == [ids(2), ids(2)]


async def test_an_event_that_was_surely_not_taken_may_be_sent_after_48_hours() -> None:
    """A 503 says that the request was not taken."""
    async with delivery_rig(PATIENT) as rig:
        rig.tiktok.judge = lambda _: web.Response(status=503)
        await rig.accept(ids(1))
        await retries(rig, 1)
        rig.tiktok.judge = lambda _: answer(0)
        rig.clock.advance(49 * HOUR_SECONDS)
        await rig.until_empty()
    assert await rig.total("delivered") == 1


async def test_a_probe_does_not_send_what_would_count_twice() -> None:
    """The 48 hours hold in a pause as well: the probe takes the next event."""
    async with delivery_rig(PATIENT) as rig:
        replies = [web.Response(status=504), answer(40105)]
        rig.tiktok.judge = lambda _: replies.pop(0) if replies else answer(0)
        await rig.accept(["doubtful"])
        await retries(rig, 1)
        await rig.accept(["fresh"])
        await rig.until_paused()
        for _ in range(2):
            rig.clock.advance(49 * HOUR_SECONDS)
            await rig.wait_until(lambda: rig.deliverer.status("c").requests_in_flight == 0)
        await rig.until_empty()
        (dead,) = await rig.dead_letters()
    assert dead.reason == "unconfirmed"
    assert rig.tiktok.groups == [["doubtful"], ["fresh"], ["fresh"]]


async def test_attempts_follow_the_script_of_each_event() -> None:
    """With groups of one, every event is sent exactly as often as its answers ask for."""
    scripts = {
        event_id: [*(answer(50000) for _ in range(number % 4)), answer(0)] for number, event_id in enumerate(ids(24))
    }
    for event_id in ids(24)[::6]:
        scripts[event_id][-1] = answer(40002, "Invalid value for data.0.event")
    lengths = {event_id: len(script) for event_id, script in scripts.items()}
    one = replace(QUICK, limits=replace(QUICK.limits, max_events={"2.0": 1}))

    def judge(received: Received) -> web.Response:
        (event_id,) = received.event_ids
        return scripts[event_id].pop(0)

    async with delivery_rig(one) as rig:
        rig.tiktok.judge = judge
        await rig.accept(ids(24))
        await rig.until_empty()
    assert {event_id: rig.tiktok.event_ids.count(event_id) for event_id in lengths} == lengths
    assert (await rig.total("delivered"), await rig.total("dead_lettered")) == (20, 4)


async def test_a_clock_set_back_while_an_outcome_is_kept_delays_nothing() -> None:
    """The due time was reckoned by the clock as it was: the store is told that, however late it takes the outcome."""
    async with delivery_rig() as rig:
        failures = [500, 500]
        rig.tiktok.judge = lambda received: web.Response(status=failures.pop()) if failures else take_all(received)
        intact = rig.store.settle

        async def late(lease: Lease, settlements: Settlements, now_ms: int) -> None:
            if len(failures) == 1 and not rig.witness.failures:
                rig.clock.set_wall(-30 * 24 * HOUR_SECONDS)
                raise StoreUnavailable("busy")
            await intact(lease, settlements, now_ms)

        rig.store.settle = late  # type: ignore[method-assign]  # the store, in trouble for a moment
        await rig.accept(ids(1))
        await rig.until_empty()
    assert [str(error) for error in rig.witness.failures] == ["busy"]
    assert len(rig.tiktok.requests) == 3
