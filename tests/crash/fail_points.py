"""Named instants at which a test makes the service kill itself, put in from outside: what is shipped has none."""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import apsw

from tiktok_forwarder.activity import database as activity_database
from tiktok_forwarder.delivery.http_client import TikTokHttpSender
from tiktok_forwarder.store.postgres import database as postgres_database
from tiktok_forwarder.store.postgres import moving as postgres_moving
from tiktok_forwarder.store.queue import Admission, Arrivals
from tiktok_forwarder.store.sqlite import (
    backup as sqlite_backup,
)
from tiktok_forwarder.store.sqlite import (
    file as sqlite_file,
)
from tiktok_forwarder.store.sqlite import (
    known_keys as sqlite_known_keys,
)
from tiktok_forwarder.store.sqlite import (
    moving as sqlite_moving,
)
from tiktok_forwarder.store.sqlite import (
    restore as sqlite_restore,
)
from tiktok_forwarder.store.sqlite import (
    settling as sqlite_settling,
)
from tiktok_forwarder.store.sqlite.known_keys import KeyTables
from tiktok_forwarder.store.sqlite.statements import migrations
from tiktok_forwarder.store.sqlite.store import SqliteStore
from tiktok_forwarder.store.sqlite.transaction import Transaction

Pass = Callable[[], None]
MOVED_AT_ONCE: Final = 9
LATER_ACTIVITY_MIGRATION: Final = "CREATE TABLE of_a_later_version (number INTEGER); DELETE FROM records;"
LATER_MIGRATION: Final = "CREATE TABLE of_a_later_version (number INTEGER); UPDATE lanes SET waiting = waiting + 1;"


def arm(name: str, passes: int) -> None:
    """Die at the instant of this name, when it is passed for the `passes`-th time."""
    left = passes

    def pass_by() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    FAIL_POINTS[name](pass_by)


def _after(owner: Any, function: str, pass_by: Pass, *, only_if: Callable[..., object]) -> None:
    """Pass by when a function has returned; `only_if` is given its arguments."""
    original = getattr(owner, function)

    def replacement(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        if only_if(*arguments):
            pass_by()
        return result

    setattr(owner, function, replacement)


def _after_awaiting(owner: Any, function: str, pass_by: Pass) -> None:
    """Pass by when a coroutine function has returned something."""
    original = getattr(owner, function)

    async def replacement(*arguments: Any, **named: Any) -> Any:
        result = await original(*arguments, **named)
        if result:
            pass_by()
        return result

    setattr(owner, function, replacement)


def _after_insert_before_commit(pass_by: Pass) -> None:
    _after(Transaction, "run_wide", pass_by, only_if=lambda _transaction, name, *_values: name == "add_event")


def _after_commit_before_202(pass_by: Pass) -> None:
    """The callbacks of those who wait for the append are called after this one."""
    original = SqliteStore.append

    def append(store: SqliteStore, arrivals: Arrivals) -> asyncio.Future[Sequence[Admission]]:
        appended = original(store, arrivals)
        appended.add_done_callback(lambda done: pass_by() if done.exception() is None and done.result() else None)
        return appended

    setattr(SqliteStore, "append", append)  # noqa: B010 - a method may not be assigned to by name


def _mid_merge(pass_by: Pass) -> None:
    """Keys are in a table, and not yet known to have left the log."""
    _after(KeyTables, "add", pass_by, only_if=lambda _tables, keys: keys)


def _after_key_log(pass_by: Pass) -> None:
    _after(sqlite_known_keys, "run", pass_by, only_if=lambda _connection, name, *_bindings: name == "log_keys")


def _after_key_log_is_cut(pass_by: Pass) -> None:
    _after(sqlite_known_keys, "run", pass_by, only_if=lambda _connection, name, *_: name == "forget_merged_keys")


def _after_lease(pass_by: Pass) -> None:
    _after_awaiting(SqliteStore, "lease", pass_by)


def _after_send_before_settle(pass_by: Pass) -> None:
    _after_awaiting(TikTokHttpSender, "send", pass_by)


def _mid_settle(pass_by: Pass) -> None:
    """The events are deleted, the books not yet written."""
    _after(sqlite_settling, "remove_events", pass_by, only_if=lambda _transaction, _lane, places, _counter: places)


def _mid_dead_letter(pass_by: Pass) -> None:
    """The dead letter is there, and the waiting event too."""
    _after(Transaction, "run_many", pass_by, only_if=lambda _transaction, name, *_bindings: name == "bury_fresh")


def _mid_replay(pass_by: Pass) -> None:
    """The event waits again, and is no dead letter any more; its step, and others, are not done."""
    _after(Transaction, "run", pass_by, only_if=lambda _transaction, name, *_bindings: name == "delete_dead_letter")


def _mid_erase(pass_by: Pass) -> None:
    """Some of a person's events are deleted, others are not."""
    _after(sqlite_settling, "_erase_one", pass_by, only_if=lambda *_place: True)


def _mid_restore(pass_by: Pass) -> None:
    """Before and after every step that changes a file or makes a change durable."""
    for owner, function in (
        (Path, "unlink"),
        (Path, "replace"),
        (shutil, "copyfile"),
        (sqlite_backup, "sync"),
        (sqlite_restore, "sync"),
        (sqlite_restore, "check_backup"),
    ):
        _around(owner, function, pass_by)


def _around(owner: Any, function: str, pass_by: Pass) -> None:
    original = getattr(owner, function)

    def replacement(*arguments: Any, **named: Any) -> Any:
        pass_by()
        result = original(*arguments, **named)
        pass_by()
        return result

    setattr(owner, function, replacement)


def _mid_move(pass_by: Pass) -> None:
    """Before and after every step in either store, and between its rows and its commit; in small batches."""
    for module in (sqlite_moving, postgres_moving):
        setattr(module, "MAX_BATCH_ROWS", MOVED_AT_ONCE)  # noqa: B010 - a constant, for the program
    for owner in (sqlite_moving.MovableFile, postgres_moving.MovableDatabase):
        for function in ("record", "write", "finish"):
            _around_awaiting(owner, function, pass_by)
    _around(sqlite_moving, "run_many", pass_by)
    _around_awaiting(postgres_database.Session, "copy", pass_by)


def _around_awaiting(owner: Any, function: str, pass_by: Pass) -> None:
    original = getattr(owner, function)

    async def replacement(*arguments: Any, **named: Any) -> Any:
        pass_by()
        result = await original(*arguments, **named)
        pass_by()
        return result

    setattr(owner, function, replacement)


def _mid_migration(pass_by: Pass) -> None:
    _pass_after_statements(pass_by, migrations())


def _mid_later_migration(pass_by: Pass) -> None:
    """The program knows one more migration than there is."""
    scripts = [*migrations(), LATER_MIGRATION]
    setattr(sqlite_file, "migrations", lambda: scripts)  # noqa: B010 - not exported, so that no other way type-checks
    _pass_after_statements(pass_by, [LATER_MIGRATION])


def _mid_later_activity_migration(pass_by: Pass) -> None:
    scripts = [*activity_database.migrations(), LATER_ACTIVITY_MIGRATION]
    setattr(activity_database, "migrations", lambda: scripts)  # noqa: B010 - not exported, so that no other way type-checks
    _pass_after_statements(pass_by, [LATER_ACTIVITY_MIGRATION])


def _pass_after_statements(pass_by: Pass, passing: Collection[str]) -> None:
    class PassingConnection(apsw.Connection):
        def execute(self, statements: str, *arguments: Any, **named: Any) -> apsw.Cursor:
            result = super().execute(statements, *arguments, **named)
            if statements in passing:
                pass_by()
            return result

    setattr(apsw, "Connection", PassingConnection)  # noqa: B010 - a class may not be assigned to by name


FAIL_POINTS: Final[Mapping[str, Callable[[Pass], None]]] = {
    "after-insert-before-commit": _after_insert_before_commit,
    "after-commit-before-202": _after_commit_before_202,
    "mid-merge": _mid_merge,
    "after-key-log": _after_key_log,
    "after-key-log-is-cut": _after_key_log_is_cut,
    "after-lease": _after_lease,
    "after-send-before-settle": _after_send_before_settle,
    "mid-settle": _mid_settle,
    "mid-dead-letter": _mid_dead_letter,
    "mid-replay": _mid_replay,
    "mid-erase": _mid_erase,
    "mid-restore": _mid_restore,
    "mid-move": _mid_move,
    "mid-migration": _mid_migration,
    "mid-later-migration": _mid_later_migration,
    "mid-later-activity-migration": _mid_later_activity_migration,
}
