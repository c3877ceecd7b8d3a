"""Stores that contents move between, and what is in them, row by row, read without the program."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import apsw

from tests.conformance.rig import LIMITS, T0, event
from tests.postgres_server import shared_server
from tests.store_choice import prepared_database
from tiktok_forwarder.domain.outcome import Answer, DeadLettered, Delivered, Retry
from tiktok_forwarder.operations.migration import movable_directory, movable_server
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.encoding import EVENT_KEY_BYTES
from tiktok_forwarder.store.moving import MovableStore
from tiktok_forwarder.store.postgres.limits import PoolLimits
from tiktok_forwarder.store.postgres.store import PostgresStore
from tiktok_forwarder.store.queue import Arrivals, GroupLimits, NewEvent
from tiktok_forwarder.store.sqlite.store import SqliteStore

Contents = dict[str, Any]
"""Rows by sort: lists where the order counts, else sorted lists."""

MAX_BYTES = 8 * 1024**3

_DOCUMENTS = "SELECT kind, id, revision, body, changed_at_ms, changed_by FROM documents ORDER BY document_no"
_HISTORY = "SELECT kind, id, revision, body, changed_at_ms, changed_by FROM document_history"
# What is compared of each sort, in the same columns.
SQLITE_QUERIES = {
    "documents": _DOCUMENTS,
    "history": _HISTORY,
    "fresh": """
        SELECT connection_id, wire_form, row_no & ((1 << 46) - 1), connection_revision, CAST(event_name AS BLOB),
            CAST(event_id AS BLOB), accepted_at_ms, subjects, payload
        FROM fresh JOIN lanes ON lane_no = row_no >> 46
        UNION ALL
        SELECT connection_id, wire_form, event_no, connection_revision, CAST(event_name AS BLOB),
            CAST(event_id AS BLOB), accepted_at_ms, subjects, payload
        FROM waiting JOIN lanes USING (lane_no) WHERE due_ms = 0
    """,
    "returned": """
        SELECT connection_id, wire_form, event_no, connection_revision, CAST(event_name AS BLOB),
            CAST(event_id AS BLOB), accepted_at_ms, subjects, payload, due_ms, scheduled_at_ms, attempts,
            first_attempt_at_ms, unanswered_at_ms, answer
        FROM waiting JOIN lanes USING (lane_no) WHERE due_ms > 0
    """,
    "dead": """
        SELECT connection_id, wire_form, event_no, connection_revision, CAST(event_name AS BLOB),
            CAST(event_id AS BLOB), accepted_at_ms, subjects, payload, reason, dead_lettered_at_ms, attempts,
            first_attempt_at_ms, answer
        FROM dead_letters
    """,
    "totals": "SELECT connection_id, counter, reason, count FROM totals WHERE count > 0",
    "lanes": """
        SELECT connection_id, wire_form, waiting, waiting_bytes, dead_letters, dead_letter_bytes
        FROM lanes WHERE waiting > 0 OR dead_letters > 0
    """,
    "next": "SELECT next FROM sequences",
    "keys": """
        SELECT key, accepted_at_ms FROM seen_0 UNION SELECT key, accepted_at_ms FROM seen_1
        UNION SELECT key, accepted_at_ms FROM seen_2 UNION SELECT key, accepted_at_ms FROM seen_3
        UNION SELECT key, accepted_at_ms FROM seen_4 UNION SELECT key, accepted_at_ms FROM seen_5
    """,
}
POSTGRES_QUERIES = {
    "documents": _DOCUMENTS,
    "history": _HISTORY,
    "fresh": """
        SELECT connection_id, wire_form, event_no, connection_revision, event_name, event_id, accepted_at_ms, subjects,
            payload
        FROM fresh JOIN lanes USING (lane_no)
    """,
    "returned": """
        SELECT connection_id, wire_form, event_no, connection_revision, event_name, event_id, accepted_at_ms, subjects,
            payload, due_ms, scheduled_at_ms, attempts, first_attempt_at_ms, unanswered_at_ms, answer
        FROM returned JOIN lanes USING (lane_no)
    """,
    "dead": """
        SELECT dead_letters.connection_id, wire_form, event_no, connection_revision, event_name, event_id,
            accepted_at_ms, subjects, payload, reason, dead_lettered_at_ms, attempts, first_attempt_at_ms, answer
        FROM dead_letters JOIN lanes USING (lane_no, connection_id)
    """,
    "totals": """
        SELECT connection_id, counter, reason, sum(count)::bigint FROM totals GROUP BY 1, 2, 3 HAVING sum(count) > 0
    """,
    "lanes": """
        SELECT connection_id, wire_form, sum(waiting)::bigint, sum(waiting_bytes)::bigint, sum(dead_letters)::bigint,
            sum(dead_letter_bytes)::bigint
        FROM lanes JOIN lane_counts USING (lane_no) GROUP BY 1, 2 HAVING sum(waiting) > 0 OR sum(dead_letters) > 0
    """,
    "next": "SELECT last_value + is_called::integer FROM event_no",
    "keys": "SELECT key, accepted_at_ms FROM seen",
}


class Side:
    """A place for contents, at first empty."""

    address: str

    async def open(self) -> Any:
        raise NotImplementedError

    def movable(self, *, is_source: bool) -> AbstractAsyncContextManager[MovableStore]:
        raise NotImplementedError

    async def contents(self) -> Contents:
        raise NotImplementedError


class SqliteSide(Side):
    def __init__(self, folder: Path) -> None:
        self.address = str(folder)
        self.file = folder / "events.db"

    async def open(self) -> Any:
        self.file.parent.mkdir(exist_ok=True)
        return SqliteStore.open(self.file, max_bytes=MAX_BYTES)

    def movable(self, *, is_source: bool) -> AbstractAsyncContextManager[MovableStore]:
        return movable_directory(self.file, MAX_BYTES, is_source=is_source)

    async def contents(self) -> Contents:
        with closing(apsw.Connection(str(self.file))) as connection:
            found: dict[str, list[Any]] = {
                sort: connection.execute(query).fetchall() for sort, query in SQLITE_QUERIES.items()
            }
            log: list[Any] = connection.execute("SELECT keys FROM key_log").fetchall()
        width = EVENT_KEY_BYTES + 8
        for (logged,) in log:
            entries = [logged[start : start + width] for start in range(0, len(logged), width)]
            found["keys"] += [(entry[:-8], int.from_bytes(entry[-8:])) for entry in entries]
        return _comparable(found)


class PostgresSide(Side):
    def __init__(self, name: str) -> None:
        self.name = name
        self.address = shared_server().address(name)

    async def open(self) -> Any:
        return await PostgresStore.open(self.address)

    def movable(self, *, is_source: bool) -> AbstractAsyncContextManager[MovableStore]:
        return movable_server(self.address, PoolLimits(), is_source=is_source)

    async def contents(self) -> Contents:
        async with shared_server().connection(self.name) as connection:
            await connection.execute("SET search_path TO forwarder")
            found = {
                sort: [tuple(row) for row in await connection.fetch(query)] for sort, query in POSTGRES_QUERIES.items()
            }
        return _comparable(found)


def _comparable(found: dict[str, list[Any]]) -> Contents:
    """Only documents have an order; of a key, the latest time counts."""
    keys: dict[bytes, int] = {}
    for key, accepted_at_ms in found["keys"]:
        keys[key] = max(accepted_at_ms, keys.get(key, 0))
    # By the first columns: others may be missing, which does not compare.
    in_order = {sort: sorted(rows, key=lambda row: row[:3]) for sort, rows in found.items() if sort != "documents"}
    return {**in_order, "documents": found["documents"], "keys": keys}


@asynccontextmanager
async def new_side(kind: str, folder: Path) -> AsyncIterator[Side]:
    if kind == "sqlite":
        yield SqliteSide(folder)
        return
    name = await shared_server().create_database(await prepared_database())
    try:
        yield PostgresSide(name)
    finally:
        await shared_server().drop_database(name)


async def fill(store: Any, events: int = 40) -> None:
    """Contents of every kind: fresh, retried, replayed, dead, delivered, dropped and erased events, and documents."""
    odd = NewEvent("a", 2**31 - 1, "1.0", "Name\0", "\U0001f600\0é", b"\0\xff" * 3, (0, 2**64 - 1))
    large = [event(f"large{n}", "b", payload=b"x" * 300_000) for n in range(4)]
    many = [event(f"e{n}", "ab"[n % 2], form=("2.0", "1.0")[n % 3 % 2], subjects=(n,)) for n in range(events)]
    await store.append(Arrivals([odd, *large], {("a", "no_consent"): 3, ("gone", "no_identity"): 2}, T0))
    await store.append(Arrivals([*many, odd], {}, T0 + 5))
    for connection in ("a", "b"):
        lease = await store.lease(connection, GroupLimits({"2.0": 9, "1.0": 9}, 2**26), T0 + 10, 60)
        first, second, third, fourth, *others = [each.event_no for each in lease.events]
        outcomes = {
            first: Delivered(),
            second: Retry(
                T0 + 70_000, Answer(200, 40100, "Too many\0 requests.", "r1"), counts=True, may_have_arrived=True
            ),
            third: DeadLettered("refused", Answer(400, 40002)),
            fourth: Retry(2**62, counts=False),
        }
        await store.settle(lease, outcomes | dict.fromkeys(others[:2], DeadLettered("retries_exhausted")), T0 + 20)
        await store.release(lease)
    dead = await store.dead_letters(DeadLetterFilter(connection_id="a"), limit=10)
    await store.replay(DeadLetterFilter(event_nos=[dead[0].event_no]), T0 + 30)
    await store.discard(DeadLetterFilter(event_nos=[dead[1].event_no]), T0 + 30)
    await store.erase([events - 1], T0 + 40)
    await _put_documents(store)


async def _put_documents(store: Any) -> None:
    for number in range(12):
        kind = ("connection", "input", "secret", "audit")[number % 4]
        await store.put_document(
            kind, f"{9 - number}", bytes([number, 0, 255]), expected_revision=0, changed_by="Zoë", now_ms=T0 + number
        )
    await store.put_document("input", "4", b"", expected_revision=None, changed_by="command line", now_ms=T0)
    await store.remove_document("connection", "9", changed_by="console", now_ms=T0 + 50)
    await store.remove_document("input", "8", changed_by="console", now_ms=T0 + 51)
    await store.put_document("connection", "9", b"again", expected_revision=0, changed_by="x", now_ms=T0 + 52)


async def all_leases(store: Any, now_ms: int) -> list[Any]:
    """The groups that can be leased, in the order in which they are."""
    groups = []
    for connection in ("a", "b"):
        while (lease := await store.lease(connection, LIMITS, now_ms, 60)) is not None:
            groups.append((lease.wire_form, lease.events))
    return groups
