"""What every store of the activity promises on figures by TikTok event, on names, and on searches."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs

from tests.unit.store.postgres_rig import LIMITS, one_database
from tiktok_forwarder.activity.event_figures import KEPT_HOURS, MAX_FIGURE
from tiktok_forwarder.activity.event_names import MAX_NAMES
from tiktok_forwarder.activity.file import ActivityFile
from tiktok_forwarder.activity.postgres import PostgresActivity
from tiktok_forwarder.activity.records import (
    ActivityStore,
    ActivityWrite,
    Facts,
    Figures,
    NameCounts,
    NameKey,
    ReceivedEvent,
    Record,
    RecordFilter,
)
from tiktok_forwarder.system_clock import SystemClock

MAX_BYTES = 16 * 1024 * 1024
HOUR = 500_000
HOUR_MS = 3_600_000
NEWEST = RecordFilter()


@pytest.fixture(params=["sqlite", "postgres"])
async def activity(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ActivityStore]:
    if request.param == "sqlite":
        file = ActivityFile.open(tmp_path / "activity.db", max_bytes=MAX_BYTES)
        yield file
        await file.close()
        return
    async with one_database() as database:
        await (await database.open()).close()
        node = await PostgresActivity.open(database.address, LIMITS, SystemClock(), max_bytes=MAX_BYTES)
        yield node
        await node.close()


@pytest.fixture
def tidies_always(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("file", "postgres"):
        monkeypatch.setattr(f"tiktok_forwarder.activity.{name}._TIDY_EVERY", 1)


def hours_of(hour: int, figures: Figures, event_name: str = "Purchase", connection_id: str = "c") -> ActivityWrite:
    return ActivityWrite((), {}, (), {(hour, connection_id, event_name): figures})


def names_of(names: dict[NameKey, NameCounts]) -> ActivityWrite:
    return ActivityWrite((), {}, (), {}, names)


async def test_figures_of_hours_add_up_by_event(activity: ActivityStore) -> None:
    """Each event of a connection has its own, and a time selects hours, the end excluded."""
    activity.write(hours_of(HOUR, {"mapped": 2, "value.EUR": 19_990_000}))
    activity.write(hours_of(HOUR, {"mapped": 1, "value.EUR": 10_000}))
    activity.write(hours_of(HOUR, {"mapped": 5}, "AddToCart"))
    activity.write(hours_of(HOUR + 1, {"mapped": 7}, connection_id="d"))
    found = await activity.hours(HOUR, HOUR + 1)
    assert [(each.event_name, each.figures) for each in found] == [
        ("AddToCart", {"mapped": 5}),
        ("Purchase", {"mapped": 3, "value.EUR": 20_000_000}),
    ]
    (only,) = await activity.hours(0, HOUR + 2, "d")
    assert (only.hour, only.connection_id) == (HOUR + 1, "d") and not await activity.hours(HOUR + 1, HOUR + 2, "c")


async def test_sum_that_no_shop_reaches_stops_at_its_bound(activity: ActivityStore) -> None:
    """A sender of absurd values must not make a figure that no store can hold, after which nothing is written."""
    for _ in range(3):
        activity.write(hours_of(HOUR, {"mapped": 1, "value.EUR": 2**70}))
    (found,) = await activity.hours(HOUR, HOUR + 1)
    assert found.figures == {"mapped": 3, "value.EUR": MAX_FIGURE}


@pytest.mark.usefixtures("tidies_always")
async def test_hours_are_kept_for_fifteen_days(activity: ActivityStore) -> None:
    """The oldest day goes as a new one begins, whatever the records' bound is."""
    for hour in (HOUR - KEPT_HOURS, HOUR - KEPT_HOURS + 1, HOUR):
        activity.write(hours_of(hour, {"mapped": 1}))
    await activity.newest()
    assert [each.hour for each in await activity.hours(0, HOUR + 1)] == [HOUR - KEPT_HOURS + 1, HOUR]


async def test_everything_of_before_a_time_is_deleted(activity: ActivityStore) -> None:
    """Records, also those that a wrong clock has put in another order, minutes, hours and names; the rest stays."""
    at_ms = HOUR * HOUR_MS
    times = [*[at_ms - 1] * 2100, at_ms, at_ms - 2, at_ms + 1]
    records = [Record(each, "c", "delivered", event_id=str(number)) for number, each in enumerate(times)]
    minutes = {(HOUR * 60 + each, "c"): {"accepted": 1} for each in (-1, 0)}
    hours = {(HOUR + each, "c", "Purchase"): {"mapped": 1} for each in (-1, 0)}
    names = {
        ("c", "custom_event", name): NameCounts(at_ms - 9, seen_ms)
        for name, seen_ms in (("gone", at_ms - 1), ("here", at_ms))
    }
    assert activity.write(ActivityWrite(records, minutes, (), hours, names))
    assert len(await activity.recent(RecordFilter(limit=5000))) == len(times)
    await activity.delete_before(at_ms)
    assert [kept.record.at_ms for kept in await activity.recent(RecordFilter(limit=10))] == [at_ms + 1, at_ms]
    assert [each.minute for each in await activity.figures(0, 2 * HOUR * 60)] == [HOUR * 60]
    assert [each.hour for each in await activity.hours(0, 2 * HOUR)] == [HOUR]
    assert [each.event_name for each in await activity.names(0)] == ["here"]


async def test_counts_of_names_add_up(activity: ActivityStore) -> None:
    """Kept too: when a name was seen first and last, and the last reason of a drop that no mapping would change."""
    key = ("c", "custom_event", "Newsletter Signup\0é")
    activity.write(names_of({key: NameCounts(1000, 1000, 1, 2, 3, "missing_ip")}))
    activity.write(
        names_of({key: NameCounts(2500, 3000, 10, 20, 30), ("d", "screen_view", "Home"): NameCounts(5, 5, 1)})
    )
    activity.write(names_of({key: NameCounts(2000, 2000, 0, 1, 0)}))
    (found,) = await activity.names(0, "c")
    assert (found.event_type, found.event_name) == key[1:]
    assert found.counts == NameCounts(1000, 3000, 11, 23, 33, "missing_ip")
    assert [each.connection_id for each in await activity.names(0)] == ["c", "d"]
    assert [each.connection_id for each in await activity.names(3000)] == ["c"] and not await activity.names(3001)


async def test_names_of_a_connection_are_bounded(activity: ActivityStore) -> None:
    """The names seen last stay, so a sender that invents names costs no space; other connections keep theirs."""
    activity.write(names_of({("d", "custom_event", "Old"): NameCounts(1, 1, 1)}))
    for start in range(0, MAX_NAMES * 2, 100):
        many = {("c", "custom_event", f"n{n}"): NameCounts(n, n, 1) for n in range(start, start + 100)}
        activity.write(names_of(many))
    kept = {each.event_name for each in await activity.names(0, "c")}
    assert kept == {f"n{number}" for number in range(MAX_NAMES, MAX_NAMES * 2)}
    assert len(await activity.names(0, "d")) == 1


@pytest.mark.usefixtures("tidies_always")
async def test_names_that_are_not_seen_for_fifteen_days_go(activity: ActivityStore) -> None:
    """A name that no sender uses any more need not be looked through for ever."""
    last_ms = HOUR * HOUR_MS
    seen = (last_ms - KEPT_HOURS * HOUR_MS, last_ms - KEPT_HOURS * HOUR_MS + 1, last_ms)
    activity.write(names_of({("c", "custom_event", str(at_ms)): NameCounts(at_ms, at_ms, 1) for at_ms in seen}))
    await activity.newest()
    assert sorted(each.counts.last_ms for each in await activity.names(0)) == list(seen[1:])


FACTS = Facts("no mapping", received=ReceivedEvent("custom_event", "Newsletter Signup", "Web", ("email",)))
DROPPED = Record(1, "c", "dropped", "", "m1", "unsupported_event", FACTS, source_name="newsletter signup")
ORDERED = Record(
    2, "c", "accepted", "Purchase", "m2", payload=b'{"event":"Purchase"}', source_name="purchase", order_id="10\0017é"
)
# A connection that sends the order number as event ID.
BY_EVENT_ID = Record(3, "d", "accepted", "PlaceAnOrder", "10\0017é", source_name="purchase")


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ({"source_name": "newsletter signup"}, [DROPPED]),
        ({"source_name": "purchase"}, [BY_EVENT_ID, ORDERED]),
        ({"source_name": "purchase", "connection_id": "c"}, [ORDERED]),
        ({"source_name": "purchas"}, []),
        ({"order_id": "10\0017é"}, [BY_EVENT_ID, ORDERED]),
        ({"order_id": "10\0017é", "connection_id": "c"}, [ORDERED]),
        ({"order_id": "10\0017é", "source_name": "newsletter signup"}, []),
        ({"order_id": "10\0017é", "event_id": "m2"}, [ORDERED]),
        ({"order_id": "10\0017é", "event_id": "m1"}, []),
        ({"order_id": "10\0017é", "limit": 1}, [BY_EVENT_ID]),
        ({"order_id": ""}, []),
        ({"event_id": "m1", "source_name": "newsletter signup"}, [DROPPED]),
        ({"event_id": "m1", "source_name": "purchase"}, []),
    ],
)
async def test_records_are_found_by_name_and_order_number(
    activity: ActivityStore, conditions: dict[str, str], found: list[Record]
) -> None:
    """All conditions of a search must be met; an order number is a property of the event, or its event ID."""
    activity.write(ActivityWrite((DROPPED, ORDERED, BY_EVENT_ID), {}, ()))
    assert [each.record for each in await activity.recent(structs.replace(NEWEST, **conditions))] == found
