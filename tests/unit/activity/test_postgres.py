"""The activity in PostgreSQL: what any node writes, every node can read."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from msgspec import structs
from tests.conformance.rig import T0, event
from tests.postgres_server import shared_server
from tests.unit.activity.test_file import ALL, MEBIBYTE, SOURCES, record, write_of
from tests.unit.store.postgres_rig import LIMITS, OneDatabase, Wire, one_database, wire

from tiktok_forwarder.activity.postgres import STATEMENTS, PostgresActivity
from tiktok_forwarder.activity.records import ActivityWrite, Facts, LevelChange, Record
from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.store.documents import DocumentPut
from tiktok_forwarder.store.queue import Arrivals
from tiktok_forwarder.system_clock import SystemClock

WHOLE = Record(
    5,
    "c",
    "dead_letter",
    "PlaceAnOrder",
    "m\0é1",
    "refused",
    Facts("detail", "source", ("w1",), "bad_event", Answer(200, 40002, "wrong", "r"), 3, 0.5, 2, 4, 6, 7, SOURCES),
    b'{"event":"PlaceAnOrder"}',
    (1, 2**63, 2**64 - 1),
)


class Nodes:
    """The activities of several nodes over one database."""

    def __init__(self, database: OneDatabase) -> None:
        self.database = database
        self._opened: list[PostgresActivity] = []

    async def open(self, *, max_bytes: int = 16 * MEBIBYTE, address: str = "") -> PostgresActivity:
        address = address or self.database.address
        self._opened.append(await PostgresActivity.open(address, LIMITS, SystemClock(), max_bytes=max_bytes))
        return self._opened[-1]

    async def close(self) -> None:
        await asyncio.gather(*[each.close() for each in self._opened])


@pytest.fixture
async def nodes() -> AsyncIterator[Nodes]:
    async with one_database() as database:
        await (await database.open()).close()
        opened = Nodes(database)
        yield opened
        await opened.close()


async def event_ids(node: PostgresActivity) -> list[str]:
    return [each.record.event_id for each in reversed(await node.recent(ALL))]


async def test_every_member_of_a_record_is_read_on_another_node(nodes: Nodes) -> None:
    """Records come back as they were, whatever characters an event ID has, and are found by event."""
    writer, reader = await nodes.open(), await nodes.open()
    writer.write(write_of(WHOLE, record(6)))
    await writer.newest()
    assert await event_ids(writer) == ["m\0é1", "m6"]
    assert [each.record for each in await reader.recent(ALL)] == [record(6), WHOLE]
    (found,) = await reader.way("c", "PlaceAnOrder", "m\0é1")
    assert found.record == WHOLE and await reader.one(found.record_no) == found
    assert await reader.newest() > found.record_no
    assert await reader.one(2**70) is None


async def test_each_condition_of_a_search_counts(nodes: Nodes) -> None:
    """A search returns records that meet all conditions, the newest first, up to its limit."""
    node = await nodes.open()
    node.write(write_of(WHOLE, *(record(number) for number in range(6, 12))))
    found = await node.recent(structs.replace(ALL, limit=2))
    assert [each.record.event_id for each in found] == ["m11", "m10"]
    before = structs.replace(ALL, before_record_no=found[-1].record_no, since_ms=8)
    assert [each.record.event_id for each in await node.recent(before)] == ["m9", "m8"]
    for condition in ({"outcome": "dead_letter"}, {"reason": "refused"}, {"event_id": "m\0é1"}):
        assert [each.record for each in await node.recent(structs.replace(ALL, **condition))] == [WHOLE]
        assert not await node.recent(structs.replace(ALL, **condition, connection_id="other"))
    assert not await node.recent(structs.replace(ALL, reason="\0"))


async def test_record_of_a_node_of_the_version_before_is_read(nodes: Nodes) -> None:
    """Nodes are updated one after the other: until then one writes records without the newer columns."""
    node = await nodes.open()
    await nodes.database.run(
        "INSERT INTO forwarder.activity_records (at_ms, bytes, connection_id, outcome, event_name, event_id, reason, "
        "facts, subjects, payload) VALUES (5, 400, 'c', 'accepted', 'PlaceAnOrder', 'm5', '', '{}', '{}', '')"
    )
    assert [each.record for each in await node.recent(ALL)] == [record(5)]
    assert not await node.recent(structs.replace(ALL, source_name="")) and not await node.names(0)


async def test_figures_of_nodes_add_up(nodes: Nodes) -> None:
    """Writes of one minute are summed, whichever node they are of, and a time selects minutes."""
    for node in (await nodes.open(), await nodes.open()):
        node.write(write_of(minute=7, count=2))
        node.write(write_of(minute=7, count=3))
        node.write(write_of(minute=9, count=1))
        await node.figures(7, 9)
    found = await node.figures(7, 10)
    assert [(each.minute, each.figures) for each in found] == [(7, {"accepted": 10}), (9, {"accepted": 2})]
    assert [each.minute for each in await node.figures(7, 9, "c")] == [7] and not await node.figures(0, 99, "other")


async def test_the_oldest_records_make_room(nodes: Nodes) -> None:
    """However much happens, the records stay within the bound, and the newest are there."""
    node = await nodes.open(max_bytes=4 * MEBIBYTE)
    for start in range(0, 12_000, 500):
        node.write(write_of(*(record(number, payload=b"x" * 1200) for number in range(start, start + 500))))
        await node.figures(0, 1)
    found = await event_ids(node)
    (minute,) = await node.figures(0, 1)
    used_bytes = await nodes.database.value("SELECT sum(bytes) FROM forwarder.activity_records")
    assert used_bytes == await nodes.database.value("SELECT bytes FROM forwarder.activity_size") <= 3 * MEBIBYTE
    assert found == [f"m{number}" for number in range(12_000 - len(found), 12_000)] and len(found) > 1000
    assert minute.figures == {"accepted": 12_000} and node.lost_records == 0


async def test_a_live_view_misses_no_record_of_any_node(nodes: Nodes) -> None:
    """Of two nodes that write at once, no record appears behind one that was seen already."""
    first, second, reader = await nodes.open(), await nodes.open(), await nodes.open()
    seen: list[str] = []
    newest = 0
    for number in range(0, 300, 2):
        first.write(write_of(record(number)))
        second.write(write_of(record(number + 1)))
        for each in reversed(await reader.recent(structs.replace(ALL, after_record_no=newest))):
            seen.append(each.record.event_id)
            newest = each.record_no
    await first.newest(), await second.newest()
    await first.recent(ALL), await second.recent(ALL)
    seen += [each.record.event_id for each in await reader.recent(structs.replace(ALL, after_record_no=newest))]
    assert sorted(seen) == sorted(f"m{number}" for number in range(300))


async def test_erased_person_stays_erased_on_every_node(nodes: Nodes) -> None:
    """What another node has still to write about the person is not kept either; of all others nothing is lost."""
    here, there = await nodes.open(), await nodes.open()
    about_whole_request = Record(0, "c", "attempted", facts=Facts(answer=Answer(message="m1 is wrong")))
    here.write(write_of(record(1, (7, 2**64 - 1)), record(2, (8,)), record(3), about_whole_request))
    await here.recent(ALL)
    assert await there.erase([2**64 - 1, 99]) == 1
    here.write(write_of(record(4, (2**64 - 1,)), record(5, (8,))))
    assert await event_ids(here) == ["m2", "m3", "m5"]
    await nodes.database.value("UPDATE forwarder.activity_erasures SET until_ms = 0 RETURNING 1")
    here.write(write_of(record(6, (7,))))
    assert await event_ids(here) == ["m2", "m3", "m5", "m6"]


async def test_levels_of_other_nodes_are_told_once(nodes: Nodes) -> None:
    """A node learns how the others sample, those included that have stopped, and not its own changes."""
    here = await nodes.open()
    here.write(write_of(levels=[LevelChange("c", 10, 3), LevelChange("d", 11, 1)]))
    await here.figures(0, 1)
    there = await nodes.open()
    learned = there.new_levels()
    assert [(each.connection_id, each.second, each.level) for each in learned] == [("c", 10, 3), ("d", 11, 1)]
    there.write(write_of(levels=[LevelChange("c", 12, 0)]))
    await there.figures(0, 1)
    here.write(write_of(record(1)))
    await here.recent(ALL)
    (of_there,) = here.new_levels()
    assert (of_there.second, of_there.level) == (12, 0) and of_there.node not in {"", learned[0].node}
    assert not there.new_levels()


async def test_old_figures_and_levels_go(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of years ago go, those of the last days stay; so does a node's present level."""
    monkeypatch.setattr("tiktok_forwarder.activity.postgres._TIDY_EVERY", 1)
    node = await nodes.open(max_bytes=MEBIBYTE // 2)
    for minute in range(0, 5000, 500):
        figures = {(each, "c"): {"accepted": 1} for each in range(minute, minute + 500)}
        node.write(ActivityWrite((), figures, [LevelChange("c", minute + number, number) for number in range(2)]))
        found = await node.figures(0, 5000)
    assert 900 < len(found) < 1200 and found[-1].minute == 4999
    assert await nodes.database.value("SELECT array_agg(second) FROM forwarder.activity_levels") == [4501]


@pytest.fixture
async def way(nodes: Nodes, tmp_path: Path) -> AsyncIterator[Wire]:
    async with wire(tmp_path) as way:
        yield way


async def test_an_outage_costs_records_and_no_figure(nodes: Nodes, way: Wire) -> None:
    """Nothing waits for the database; what could not be written is counted as lost, and figures follow later."""
    node = await nodes.open(address=way.address(nodes.database.name))
    way.cut()
    assert node.write(write_of(*map(record, range(40)))) and await _lost(node) == 40
    way.is_cut = False
    node.write(write_of(record(41)))
    assert await event_ids(node) == ["m41"]
    assert [each.figures for each in await node.figures(0, 1)] == [{"accepted": 41}]


@pytest.mark.parametrize("lost", ["begin_write", "levels"])
async def test_a_lost_answer_counts_nothing_twice(nodes: Nodes, way: Wire, lost: str) -> None:
    """Whether a write was stored before its answer was lost is found out with the next one."""
    node = await nodes.open(address=way.address(nodes.database.name))
    node.write(write_of(record(1)))
    assert await event_ids(node) == ["m1"]
    way.cuts_answer_of = {"begin_write": b"pg_advisory_xact_lock", "levels": b"COMMIT"}[lost]
    node.write(write_of(record(2)))
    assert await _lost(node) == 1 and way.is_answer_cut
    node.write(write_of(record(3)))
    assert [each.figures for each in await node.figures(0, 1)] == [{"accepted": 3}]
    assert await event_ids(node) == (["m1", "m3"] if lost == "begin_write" else ["m1", "m2", "m3"])


async def _lost(node: PostgresActivity) -> int:
    for _ in range(200):
        if node.lost_records:
            break
        await asyncio.sleep(0.05)
    return node.lost_records


async def test_more_than_can_wait_is_not_taken(nodes: Nodes, way: Wire) -> None:
    """A database that does not answer costs no more memory than a fixed number of records."""
    node = await nodes.open(address=way.address(nodes.database.name))
    many: Sequence[Record] = [record(number) for number in range(15_000)]
    assert node.write(write_of(*many)) and node.write(write_of(*many))
    assert not node.write(write_of(record(1)))
    assert len(await node.recent(ALL)) == 30_000


async def test_a_write_delays_nothing_of_the_store(nodes: Nodes) -> None:
    """However long it takes: claims are renewed, events appended, documents put."""
    store = await nodes.database.open()
    async with shared_server().connection(nodes.database.name) as writing, writing.transaction():
        await writing.execute(STATEMENTS["begin_write"])
        async with asyncio.timeout(10):
            assert (await store.renew_claims("delivery", ["a"])).names == {"a"}
            assert await store.append(Arrivals([event("e1")], {}, T0)) == ["stored"]
            put = DocumentPut("connection", "c", b"{}", expected_revision=0)
            assert await store.put_documents([put], changed_by="test", now_ms=T0)


async def test_what_waits_is_written_at_the_end(nodes: Nodes) -> None:
    """A stop loses nothing, and nothing is taken after it."""
    node = await nodes.open()
    node.write(write_of(record(1)))
    await node.close()
    assert not node.write(write_of(record(2)))
    assert await event_ids(await nodes.open()) == ["m1"]
