"""Moves all contents of one store to another, and undoes that. Interrupted at any moment, it can be continued."""

import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from tiktok_forwarder.database.directory_lock import DirectoryLock, prepare_directory
from tiktok_forwarder.domain.errors import ConfigurationError, ForwarderError
from tiktok_forwarder.store.moving import PARTS, START, Contents, MovableStore, Move, Part, Place
from tiktok_forwarder.store.postgres.limits import PoolLimits
from tiktok_forwarder.store.postgres.moving import MovableDatabase
from tiktok_forwarder.store.sqlite.moving import MovableFile
from tiktok_forwarder.store.sqlite.restore import current_database

_SHOWN_EVERY_SECONDS: Final = 1.0

Progress = Callable[[Part, int, int], None]
"""Called with a part, how many of its rows have arrived, and how many there are."""


class Migrated(Struct, frozen=True):
    """What a store contains to which the contents of another were moved."""

    store: str
    documents: int
    waiting: int
    dead_letters: int
    known_keys: int


@asynccontextmanager
async def movable_directory(database: Path, max_bytes: int | None, *, is_source: bool) -> AsyncIterator[MovableStore]:
    """Yield the database of a data directory, which no service uses in the meantime; a target may be missing.

    Raises `ConfigurationError`.
    """
    if is_source and not current_database(database).exists():
        raise ConfigurationError([f"{database.parent}: contains no database to migrate"])
    prepare_directory(database.parent)
    with DirectoryLock(database.parent):
        store = MovableFile.open(database, max_bytes)
        try:
            yield store
        finally:
            await store.close()


@asynccontextmanager
async def movable_server(address: str, limits: PoolLimits, *, is_source: bool) -> AsyncIterator[MovableStore]:
    """Yield a PostgreSQL database; a target may be empty. Raises `ConfigurationError`."""
    store = await MovableDatabase.open(address, limits, may_create=not is_source)
    try:
        yield store
    finally:
        await store.close()


async def migrate(source: MovableStore, target: MovableStore, on_progress: Progress) -> Migrated:
    """Move the contents, or the rest of them if an earlier call was interrupted.

    From the first change on, no process starts on either store until the contents have arrived, and then on the target
    only. Raises `ConfigurationError`, and changes nothing, if a store is in use or the target is not empty.
    """
    move = await _begin(source, target)
    contents = await source.contents()
    if move.state == "arriving":
        await _copy(source, target, move.place, contents, on_progress)
        arrived = await target.contents()
        if not arrived.has_rows_of(contents):
            raise ForwarderError(f"{target.name}: has other contents than {source.name} after the migration")
        await target.finish(contents)
    await source.record(Move(move.move_id, "left", target.name, START))
    return _migrated(target.name, await target.contents())


async def undo(source: MovableStore, target: MovableStore | None) -> None:
    """Let processes start on the source again, and no more on the target.

    Raises `ConfigurationError` if events were received, delivered or discarded in the target since. Without a target
    this cannot be known, and processes may start on both.
    """
    move = await source.find_move()
    if move is None or move.state not in ("leaving", "left"):
        raise ConfigurationError([f"{source.name}: was not migrated to another store"])
    if target is not None:
        arrived = await target.find_move()
        if arrived is not None and arrived.move_id == move.move_id:
            await _require_unused(source, target, arrived)
            await target.record(replace(arrived, state="abandoned"))
        elif move.state == "left" or not (await target.contents()).is_empty:
            raise ConfigurationError([f"{target.name}: is not the store that {source.name} was migrated to"])
    await source.stay()


async def _require_unused(source: MovableStore, target: MovableStore, arrived: Move) -> None:
    contents = await source.contents()
    found = await target.contents()
    is_same = found.has_rows_of(contents) and found.totals == contents.totals
    if arrived.state == "arrived" and not (is_same and found.next_event_no == contents.next_event_no):
        raise ConfigurationError([f"{target.name}: was used since the migration: migrate it back to an empty store"])


async def _begin(source: MovableStore, target: MovableStore) -> Move:
    """Return the target's record of the move, which is a new one unless an earlier call was interrupted."""
    left = await source.find_move()
    arrived = await target.find_move()
    is_known = left is not None and arrived is not None and left.move_id == arrived.move_id
    if left is not None and left.refusal and left.state != "leaving" and not is_known:
        raise ConfigurationError([f"{source.name}: {left.refusal}"])
    if is_known and arrived is not None and arrived.state in ("arriving", "arrived"):
        return arrived
    if not (await target.contents()).is_empty or (arrived is not None and arrived.refusal):
        raise ConfigurationError([f"{target.name}: is not empty; migrate to an empty store"])
    for store in (source, target):
        await store.require_unused()
    move_id = uuid.uuid4().hex
    move = Move(move_id, "arriving", source.name, START)
    # In this order: with a record in the source, an interrupted beginning begins again.
    await source.record(Move(move_id, "leaving", target.name, START))
    await target.record(move)
    return move


async def _copy(
    source: MovableStore, target: MovableStore, place: Place, contents: Contents, on_progress: Progress
) -> None:
    done = dict((await target.contents()).rows)
    shown_at = 0.0
    for part in PARTS[PARTS.index(place.part) :]:
        position = place.position if part == place.part else b""
        while (batch := await source.read(Place(part, position))).rows:
            await target.write(batch, after=place)
            place, position = batch.place, batch.place.position
            done[part] += len(batch.rows)
            if time.monotonic() >= shown_at:
                on_progress(part, done[part], contents.rows[part])
                shown_at = time.monotonic() + _SHOWN_EVERY_SECONDS


def _migrated(name: str, contents: Contents) -> Migrated:
    rows = contents.rows
    return Migrated(
        store=name,
        documents=rows["documents"],
        waiting=rows["returned"] + rows["fresh"],
        dead_letters=rows["dead_letters"],
        known_keys=rows["known_keys"],
    )
