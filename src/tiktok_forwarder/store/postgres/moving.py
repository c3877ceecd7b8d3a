"""A PostgreSQL database as one side of a move."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

from msgspec.structs import replace

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.store.moving import (
    MAX_BATCH_BYTES,
    MAX_BATCH_ROWS,
    PARTS,
    Batch,
    Contents,
    Move,
    Part,
    Place,
    key_of,
    position_of,
)
from tiktok_forwarder.store.postgres import schema
from tiktok_forwarder.store.postgres.address import without_passwords
from tiktok_forwarder.store.postgres.database import Database, Session
from tiktok_forwarder.store.postgres.limits import PoolLimits
from tiktok_forwarder.store.totals import TotalsRow

_Row = tuple[Any, ...]
# A node asks the database for problems more often than once a second.
_NODE_SECONDS: Final = 10.0
# The share of the counts that belongs to no node, so that a move waits for none.
_SHARE: Final = -1
# Counting all rows of a large database takes long.
_STATEMENT_SECONDS: Final = 600.0


class _Reading(NamedTuple):
    """A statement that reads rows of a part, and the key before the first of them."""

    statement: str
    start: tuple[Any, ...]


_READINGS: Final[Mapping[Part, _Reading]] = {
    "documents": _Reading("read_documents", (0,)),
    "document_history": _Reading("read_history", ("", "", 0)),
    "known_keys": _Reading("read_keys", (b"", 0)),
    "dead_letters": _Reading("read_dead_letters", (0,)),
    "returned": _Reading("read_returned", (0, 0)),
    "fresh": _Reading("read_fresh", (0, 0)),
}


async def find_move(session: Session) -> Move | None:
    found = await session.rows("find_move")
    if not found:
        return None
    move_id, state, other_store, part, position = found[0]
    return Move(move_id, state, other_store, Place(part, position))


async def check_move(database: Database) -> None:
    """Raise `ConfigurationError` if the contents of the database were moved, or are being moved."""
    move = await database.read(find_move)
    if move is not None and move.refusal:
        raise ConfigurationError([f"store: the database {move.refusal}"])


class MovableDatabase:
    """A `MovableStore`."""

    def __init__(self, name: str, database: Database) -> None:
        self.name = name
        self._database = database

    @classmethod
    async def open(cls, address: str, limits: PoolLimits, *, may_create: bool) -> Self:
        """Connect, and bring the schema up to date; create it in an empty database, if `may_create`.

        Raises `ConfigurationError`.
        """
        database = await Database.connect(address, replace(limits, statement_seconds=_STATEMENT_SECONDS))
        try:
            await schema.prepare(database, may_create=may_create)
        except BaseException:
            await database.close()
            raise
        return cls(without_passwords(address), database)

    async def find_move(self) -> Move | None:
        return await self._database.read(find_move)

    async def contents(self) -> Contents:
        async def read(session: Session) -> Contents:
            (counts,) = await session.rows("count_parts")
            totals = [TotalsRow(*row) for row in await session.rows("totals")]
            return Contents(dict(zip(PARTS, counts, strict=True)), totals, await session.value("next_event_no"))

        return await self._database.look(read)

    async def require_unused(self) -> None:
        await self._database.read(self._require_unused)

    async def record(self, move: Move) -> None:
        async def record(session: Session) -> None:
            await session.run("lock_nodes")
            await self._require_unused(session)
            await session.run("end_nodes")
            await session.run("end_leases")
            await session.run("record_move", move.move_id, move.state, move.other_store, *move.place)

        await self._database.change(record)

    async def _require_unused(self, session: Session) -> None:
        if await session.value("count_nodes", _NODE_SECONDS):
            again = f"stop every node, and repeat the command {_NODE_SECONDS:g} seconds later"
            raise ConfigurationError([f"{self.name}: is in use by another process; {again}"])

    async def stay(self) -> None:
        async def stay(session: Session) -> None:
            await session.run("forget_move")
            await session.run("delete_all_expiring")

        await self._database.change(stay)

    async def read(self, place: Place) -> Batch:
        statement, start = _READINGS[place.part]
        key = key_of(place.position) if place.position else start
        found = await self._database.rows(statement, MAX_BATCH_ROWS, MAX_BATCH_BYTES, *key)
        if not found:
            return Batch((), place)
        width = len(key)
        rows = [tuple(row) for row in found]
        return Batch([row[width:] for row in rows], Place(place.part, position_of(rows[-1][:width])))

    async def write(self, batch: Batch, after: Place) -> None:
        async def write(session: Session) -> None:
            if not await session.value("advance_move", *batch.place, *after):
                raise ConfigurationError([f"{self.name}: another process is filling it at the same time"])
            await _WRITERS[batch.place.part](session, batch.rows)

        await self._database.change(write)

    async def finish(self, contents: Contents) -> None:
        async def finish(session: Session) -> None:
            totals = contents.totals
            await session.value(
                "add_to_totals",
                _SHARE,
                [row.connection_id for row in totals],
                [row.counter for row in totals],
                [row.reason for row in totals],
                [row.count for row in totals],
            )
            await session.run("set_next_event_no", contents.next_event_no)
            # So all keys are kept until 48 hours after the next turn began.
            await session.run("forget_turns")
            await session.run("end_first_turn")
            await session.run("finish_move")

        await self._database.change(finish)

    async def close(self) -> None:
        await self._database.close()


# --- writing the rows of a part ---------------------------------------------------------------------------------------

_DOCUMENT_COLUMNS: Final = ("kind", "id", "revision", "changed_at_ms", "changed_by", "body")
_DEAD_LETTER_COLUMNS: Final = (
    *("lane_no", "connection_id", "event_no", "reason", "dead_lettered_at_ms", "connection_revision", "event_name"),
    *("event_id", "accepted_at_ms", "attempts", "first_attempt_at_ms", "answer", "subjects", "payload"),
)
_RETURNED_COLUMNS: Final = (
    *("lane_no", "event_no", "due_ms", "scheduled_at_ms", "connection_revision", "event_name", "event_id"),
    *("accepted_at_ms", "attempts", "first_attempt_at_ms", "unanswered_at_ms", "answer", "subjects", "payload"),
)
_FRESH_COLUMNS: Final = (
    *("lane_no", "event_no", "connection_revision", "event_name", "event_id", "accepted_at_ms", "subjects", "payload"),
)


async def _write_documents(session: Session, moved: Sequence[_Row]) -> None:
    await session.copy("documents", _DOCUMENT_COLUMNS, moved)


async def _write_history(session: Session, moved: Sequence[_Row]) -> None:
    await session.copy("document_history", _DOCUMENT_COLUMNS, moved)


async def _write_keys(session: Session, moved: Sequence[_Row]) -> None:
    times_ms, keys = zip(*moved, strict=True)
    await session.run("write_keys", times_ms, keys)


async def _write_dead_letters(session: Session, moved: Sequence[_Row]) -> None:
    lanes = await _add_to_lanes(session, moved, are_dead=True)
    await session.copy("dead_letters", _DEAD_LETTER_COLUMNS, [(lanes[row[:2]], row[0], *row[2:]) for row in moved])


async def _write_returned(session: Session, moved: Sequence[_Row]) -> None:
    lanes = await _add_to_lanes(session, moved, are_dead=False)
    await session.copy("returned", _RETURNED_COLUMNS, [(lanes[row[:2]], *row[2:]) for row in moved])


async def _write_fresh(session: Session, moved: Sequence[_Row]) -> None:
    lanes = await _add_to_lanes(session, moved, are_dead=False)
    await session.copy("fresh", _FRESH_COLUMNS, [(lanes[row[:2]], *row[2:]) for row in moved])


_WRITERS: Final[Mapping[Part, Callable[[Session, Sequence[_Row]], Awaitable[None]]]] = {
    "documents": _write_documents,
    "document_history": _write_history,
    "known_keys": _write_keys,
    "dead_letters": _write_dead_letters,
    "returned": _write_returned,
    "fresh": _write_fresh,
}


async def _add_to_lanes(session: Session, moved: Sequence[_Row], *, are_dead: bool) -> dict[_Row, int]:
    """Count events under their lanes, creating those that are missing; return the lanes' numbers."""
    events = Counter(row[:2] for row in moved)
    sizes: Counter[_Row] = Counter()
    for row in moved:
        sizes[row[:2]] += len(row[-1])
    connection_ids, forms = zip(*events, strict=True)
    await session.run("add_lanes", connection_ids, forms)
    lanes = {(connection_id, form): lane_no for lane_no, connection_id, form in await session.rows("lanes")}
    zeros = [0] * len(events)
    counts = [list(events.values()), [sizes[lane] for lane in events]]
    columns = [zeros, zeros, *counts] if are_dead else [*counts, zeros, zeros]
    await session.value("add_to_lane_counts", _SHARE, [lanes[lane] for lane in events], *columns)
    return lanes
