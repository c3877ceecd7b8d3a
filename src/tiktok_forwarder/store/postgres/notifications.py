"""Wakes the other processes that use the database, and is woken by them.

A notification only shortens a wait: polling finds the same a little later. So nothing depends on notifications, which
do not pass a transaction pooler and are lost with their connection.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.postgres.database import Database
from tiktok_forwarder.store.postgres.errors import FOREIGN_ERRORS

EVENTS: Final = "forwarder_events"
DOCUMENTS: Final = "forwarder_documents"
QUESTIONS: Final = "forwarder_questions"

# A notification takes a lock of the whole server at its commit. So it is not part of an append, and is seldom under
# load.
_GATHERING_SECONDS: Final = 0.01
_PAUSE_SECONDS: Final = 0.1
# A notification has less than 8,000 bytes.
_MAX_CONNECTIONS: Final = 100
_RECONNECT_SECONDS: Final = 1.0
# A connection that a firewall has dropped delivers nothing and reports nothing.
_CHECK_SECONDS: Final = 10.0


class AddedEvents(Struct, frozen=True):
    """A notification on the channel `EVENTS`: how many events a process has added, by connection."""

    process: str
    events: dict[str, int]


class EventNotifications:
    """Reports added events to the other processes."""

    def __init__(self, database: Database, process: str) -> None:
        self._database = database
        self._process = process
        self._added: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None

    def add(self, connection_id: str, events: int) -> None:
        self._added[connection_id] += events
        if self._task is None:
            self._task = asyncio.create_task(self._send(), name="notifications of events")

    async def close(self) -> None:
        """Send nothing more: the other processes find what they have not been told."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _send(self) -> None:
        try:
            await asyncio.sleep(_GATHERING_SECONDS)
            while self._added:
                added, self._added = iter(self._added.items()), Counter()
                while some := dict(islice(added, _MAX_CONNECTIONS)):
                    notification = msgspec.json.encode(AddedEvents(self._process, some)).decode()
                    with suppress(StoreUnavailable):
                        await self._database.run("notify", EVENTS, notification)
                await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._task = None


class Listener:
    """Listens on a connection outside the pool until it is closed. `handlers` get a channel's notifications."""

    def __init__(self, connect: Callable[[], Awaitable[Any]], handlers: Mapping[str, Callable[[str], None]]) -> None:
        self._connect = connect
        self._handlers = handlers
        self._task = asyncio.create_task(self._run(), name="listener")

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            with suppress(*FOREIGN_ERRORS):
                await self._listen()
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _listen(self) -> None:
        connection = await self._connect()
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            for channel in self._handlers:
                await connection.add_listener(channel, self._handle)
            while not lost.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_CHECK_SECONDS):
                        await lost.wait()
                        return
                await connection.execute("SELECT 1")
        finally:
            connection.terminate()

    def _handle(self, _connection: object, _process_no: int, channel: str, notification: str) -> None:
        self._handlers[channel](notification)
