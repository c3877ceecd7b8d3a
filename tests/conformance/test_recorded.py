"""What every store promises about events that are only recorded: counted and known, and never delivered."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest
from msgspec import structs

from tests.conformance.rig import T0, Rig, event
from tiktok_forwarder.domain.errors import ConnectionsFull, StoreFull
from tiktok_forwarder.domain.outcome import Delivered
from tiktok_forwarder.store.queue import NewEvent
from tiktok_forwarder.store.totals import TotalsRow

# As in test_room.py: half of the small store, in events of 2,000 bytes.
SHARE = 500
BODY = b"x" * 1600


def recorded(event_id: str, connection: str = "a", payload: bytes = b"{}") -> NewEvent:
    return structs.replace(event(event_id, connection, payload=payload), is_recorded=True)


def full(number: int, connection: str = "a") -> list[NewEvent]:
    return [event(f"full-{n}", connection, payload=BODY, subjects=(n + 1,)) for n in range(number)]


async def rows(rig: Rig) -> Sequence[TotalsRow]:
    found: Sequence[TotalsRow] = await rig.store.totals()
    return found


async def test_recorded_event_is_counted_as_dropped_and_never_leased(rig: Rig) -> None:
    """The totals add up: accepted = waiting + dropped; after a restart too."""
    arriving = [recorded("1"), event("2"), recorded("3", "b"), recorded("1")]
    assert await rig.append(*arriving) == ["recorded", "stored", "recorded", "duplicate"]
    await rig.reopen()
    assert await rig.ids() == ["2"] and await rig.ids("b") == []
    assert sorted(await rows(rig), key=lambda row: (row.connection_id, row.counter)) == [
        TotalsRow("a", "accepted", "", 2),
        TotalsRow("a", "dropped", "recorded", 1),
        TotalsRow("a", "duplicate", "", 1),
        TotalsRow("b", "accepted", "", 1),
        TotalsRow("b", "dropped", "recorded", 1),
    ]
    assert list(await rig.store.counts()) == ["a"]


@pytest.mark.parametrize(("later_ms", "admission"), [(172_799_999, "duplicate"), (172_800_000, "stored")])
async def test_recorded_event_is_not_sent_by_its_repeat_within_48_hours(
    rig: Rig, later_ms: int, admission: str
) -> None:
    """A connection that sends from now on does not send what a sender repeats from the time before."""
    assert await rig.append(recorded("1")) == ["recorded"]
    await rig.reopen()
    assert await rig.append(event("1"), now_ms=T0 + later_ms) == [admission]


async def test_delivered_event_is_not_recorded_again(rig: Rig) -> None:
    """The other way round: its repeat is a duplicate of a connection that only records by now."""
    await rig.append(event("1"))
    lease = await rig.must_lease()
    await rig.store.settle(lease, {lease.events[0].event_no: Delivered()}, T0)
    assert await rig.append(recorded("1")) == ["duplicate"]


async def test_requests_with_nothing_but_recorded_events_follow_each_other(rig: Rig) -> None:
    """Keys are remembered of many commits without an event, and events after them are delivered."""
    for number in range(5):
        assert await rig.append(recorded(f"r{number}")) == ["recorded"]
    together = await asyncio.gather(*[rig.append(recorded(f"s{number}"), event(f"e{number}")) for number in range(5)])
    assert together == [["recorded", "stored"]] * 5
    await rig.reopen()
    assert await rig.append(*[recorded(f"r{number}") for number in range(5)]) == ["duplicate"] * 5
    assert sorted(await rig.ids()) == [f"e{number}" for number in range(5)]


async def test_recorded_event_needs_no_room(small_rig: Rig) -> None:
    """A connection whose quota is used up may record; payloads of recorded events are not in the store."""
    await small_rig.append(*full(SHARE))
    assert await small_rig.append(*[recorded(f"r{n}", payload=BODY) for n in range(10)]) == ["recorded"] * 10
    counts = await small_rig.store.counts()
    assert (counts["a"].waiting, counts["a"].quota_used) == (SHARE, 1.0)


async def test_recording_connection_decides_nothing_for_the_others(small_rig: Rig) -> None:
    """A request that no sending connection has room for is refused whole, so that its sender repeats it."""
    await small_rig.append(*full(SHARE))
    with pytest.raises(ConnectionsFull):
        await small_rig.append(event("new", payload=BODY), recorded("new", "b"))
    assert [row.counter for row in await rows(small_rig) if row.connection_id == "b"] == []


async def test_full_store_records_and_refuses_the_rest(small_rig: Rig) -> None:
    """What is only recorded takes no space; a request with an event that does is refused whole."""
    for one in (*full(SHARE), *full(SHARE, "b")):
        with contextlib.suppress(StoreFull):
            await small_rig.append(one)
    with pytest.raises(StoreFull):
        await small_rig.append(event("new", "c", payload=BODY), recorded("new", "d"))
    assert await small_rig.append(recorded("new", "d")) == ["recorded"]
