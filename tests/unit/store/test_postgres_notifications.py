"""How a process learns of what another has added or changed: by a notification, or a little later by looking again."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable

import pytest
from msgspec.structs import replace

from tests.conformance.rig import LIMITS as GROUP_LIMITS
from tests.conformance.rig import T0, event
from tests.patience import wait_until
from tests.unit.store.postgres_rig import LIMITS, OneDatabase, one_database
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.postgres.store import PostgresStore
from tiktok_forwarder.store.queue import Arrivals


@pytest.fixture
async def database() -> AsyncIterator[OneDatabase]:
    async with one_database() as opened:
        yield opened


@pytest.fixture
def never_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a notification wakes a store that is opened from now on."""
    monkeypatch.setattr("tiktok_forwarder.store.postgres.store._POLL_SECONDS", 60.0)
    monkeypatch.setattr("tiktok_forwarder.store.postgres.documents._LOOK_AGAIN_SECONDS", 60.0)


async def append(store: PostgresStore, *ids: str, connection: str = "a") -> None:
    await store.append(Arrivals([event(each, connection) for each in ids], {}, T0))


async def wait(store: PostgresStore, connection: str = "a", wait_seconds: float = 10.0) -> float:
    """The seconds until an event is due."""
    began = time.monotonic()
    assert await store.ready(connection, GROUP_LIMITS, fill_seconds=0, now_ms=T0, wait_seconds=wait_seconds)
    return time.monotonic() - began


async def listeners(database: OneDatabase) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    return int(await database.value(query))


async def until_listening(database: OneDatabase, number: int) -> None:
    async def are_listening() -> bool:
        return await listeners(database) >= number

    await wait_until(are_listening)


@pytest.mark.usefixtures("never_polls")
async def test_notification_wakes_another_process(database: OneDatabase) -> None:
    """Soon after the commit; for each connection of a request, however many there are."""
    one, two = await database.open(), await database.open()
    await until_listening(database, 2)
    names = [f"c{number}" for number in range(250)]
    waiting = [asyncio.create_task(wait(two, name)) for name in names]
    await asyncio.sleep(0.5)
    await one.append(Arrivals([event("1", name) for name in names], {}, T0))
    assert max(await asyncio.gather(*waiting)) < 5


@pytest.mark.usefixtures("never_polls")
async def test_replay_wakes_another_process(database: OneDatabase) -> None:
    """The node that replays need not be the one that delivers."""
    one, two = await database.open(), await database.open()
    await append(one, "1")
    await one.dead_letter_all("a", "connection_deleted", T0)
    await until_listening(database, 2)
    waiting = asyncio.create_task(wait(two))
    await asyncio.sleep(0.1)
    assert await one.replay(DeadLetterFilter("a"), T0) == 1
    assert await waiting < 5


@pytest.mark.usefixtures("never_polls")
async def test_changed_document_wakes_another_process(database: OneDatabase) -> None:
    """Whether it is put, removed or stored in other bytes."""
    one, two = await database.open(), await database.open()
    await until_listening(database, 2)

    def put() -> Awaitable[object]:
        return one.put_document("connection", "1", b"x", expected_revision=None, changed_by="ann", now_ms=T0)

    def rewrite() -> Awaitable[object]:
        return one.rewrite_documents(["connection"], lambda _: b"y")

    def remove() -> Awaitable[object]:
        return one.remove_document("connection", "1", changed_by="ann", now_ms=T0)

    seen = (await two.changes(None, 0)).last
    for change in (put, rewrite, remove):
        waiting = asyncio.create_task(two.changes(seen, 10))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await change()
        changes = await waiting
        assert time.monotonic() - began < 5
        assert list(changes.changed) == [("connection", "1")]
        seen = changes.last


@pytest.mark.usefixtures("never_polls")
async def test_lost_connection_of_notices_is_replaced(database: OneDatabase) -> None:
    """As after a restart of the server."""
    one, two = await database.open(), await database.open()
    await until_listening(database, 2)
    await database.end_sessions()
    await until_listening(database, 2)
    waiting = asyncio.create_task(wait(two))
    await asyncio.sleep(0.2)
    await append(one, "1")
    assert await waiting < 5


@pytest.mark.usefixtures("never_polls")
async def test_notification_of_another_program_is_ignored(database: OneDatabase) -> None:
    """Anyone who may use the database may send one."""
    one, two = await database.open(), await database.open()
    await until_listening(database, 2)
    waiting = asyncio.create_task(wait(two))
    await asyncio.sleep(0.1)
    for notification in ("", "{}", '{"process":"x","events":{"a":"many"}}'):
        await database.value("SELECT 1 FROM pg_notify('forwarder_events', $1)", notification)
    await append(one, "1")
    assert await waiting < 5


async def test_events_are_found_without_notifications(database: OneDatabase) -> None:
    """A transaction pooler passes none on: then nothing listens."""
    one, two = [await database.open(limits=replace(LIMITS, has_pooler=True)) for _ in range(2)]
    waiting = asyncio.create_task(wait(two))
    await asyncio.sleep(0.1)
    await append(one, "1")
    assert await waiting < 2
    assert await listeners(database) == 0


async def test_waiting_process_survives_that_the_server_is_away(database: OneDatabase) -> None:
    """Its caller is told, and asks again."""
    one, two = await database.open(), await database.open()
    waiting = asyncio.create_task(wait(two))
    await asyncio.sleep(0.1)
    await database.end_sessions()
    await append(one, "1")
    assert await waiting < 5
