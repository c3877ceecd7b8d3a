"""Stores new events: requests that arrive while a transaction is on its way are joined in the next one."""

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from tiktok_forwarder.domain.errors import ForwarderError, StoreUnavailable
from tiktok_forwarder.store.postgres.database import Database, Session
from tiktok_forwarder.store.postgres.errors import AnswerLost, ChangeRefused, NodeLost
from tiktok_forwarder.store.postgres.node import Node
from tiktok_forwarder.store.postgres.requests import Counts, Group, Request
from tiktok_forwarder.store.postgres.room import Room
from tiktok_forwarder.store.postgres.statements import SEEN_SLOTS, SEEN_TURN_MS
from tiktok_forwarder.store.queue import Admission, Arrivals
from tiktok_forwarder.store.rules import DUPLICATE_WINDOW_MS, ROW_BYTES

_MAX_GROUP_REQUESTS: Final = 2000
_MAX_GROUP_BYTES: Final = 8 * 1024 * 1024
# How long a group whose answer was lost is asked for again. A failover takes longer than this; senders try again then.
_ASK_AGAIN_SECONDS: Final = 5.0
_ASK_AGAIN_PAUSE_SECONDS: Final = 0.1
_TURN: Final = (SEEN_SLOTS, SEEN_TURN_MS)
# The states of forwarder.append_group: the group is stored, or nothing has changed.
_STORED: Final = "stored"
_NEW_TURN: Final = "turn"
_ROOM: Final = "room"


class Appender:
    """Stores the requests of one process, one group at a time.

    `on_added` is called with the number of events by connection; repeats among them count too.
    """

    def __init__(
        self, database: Database, node: Node, room: Room, on_added: Callable[[Mapping[str, int]], None]
    ) -> None:
        self._on_added = on_added
        self._room = room
        self._database = database
        self._node = node
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._is_closed = False

    def append(self, arrivals: Arrivals) -> "asyncio.Future[Sequence[Admission]]":
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Sequence[Admission]] = loop.create_future()
        try:
            if self._is_closed:
                raise StoreUnavailable("the event store is closed")
            self._waiting.append(Request(arrivals, done))
        except Exception as error:  # given to the waiting caller
            done.set_exception(error)
            return done
        if self._task is None:
            self._task = loop.create_task(self._store_waiting())
        return done

    async def close(self) -> None:
        """Store what is waiting."""
        self._is_closed = True
        if self._task is not None:
            await self._task

    async def _store_waiting(self) -> None:
        # The requests of one turn of the event loop go together.
        await asyncio.sleep(0)
        try:
            while self._waiting:
                await self._store(list(self._next_requests()))
        finally:
            self._task = None

    def _next_requests(self) -> Iterator[Request]:
        size = 0
        for number in range(_MAX_GROUP_REQUESTS):
            if not self._waiting or (number and size + self._waiting[0].size > _MAX_GROUP_BYTES):
                return
            request = self._waiting.popleft()
            size += request.size
            yield request

    async def _store(self, requests: Sequence[Request]) -> None:
        """Store the requests together; one by one if the server refuses them, so that only the faulty one fails."""
        group = Group(next(self._numbers), requests)
        try:
            group.answer(await self._ask_until_answered(group))
            self._on_added(Counter([event.connection_id for event in group.events]))
        except ChangeRefused as error:
            if len(requests) > 1:
                for request in requests:
                    await self._store([request])
            else:
                requests[0].fail(error)
        except ForwarderError as error:
            for request in requests:
                # A traceback of its own for each that raises it.
                request.fail(type(error)(*error.args))
        except Exception as error:  # given to the waiting caller
            for request in requests:
                request.fail(error)

    async def _ask_until_answered(self, group: Group) -> str:
        """Repeat the call after an answer was lost: the database knows the last group that it stored for a process."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _ASK_AGAIN_SECONDS
        is_unsure = False
        while True:
            try:
                return await self._ask(group)
            except StoreUnavailable as error:
                is_unsure = is_unsure or isinstance(error, AnswerLost)
                if not is_unsure or loop.time() > deadline:
                    raise
                await asyncio.sleep(_ASK_AGAIN_PAUSE_SECONDS)

    async def _ask(self, group: Group) -> str:
        await group.find_lanes(self._node)
        state, admissions = _NEW_TURN, ""
        while state != _STORED:
            try:
                state, admissions = await self._append_somehow(group)
            except NodeLost:
                # Another process may use the number of one that stood still.
                await self._node.claim()
                continue
            if state == _NEW_TURN:
                await self._database.call("begin_turn", group.now_ms, *_TURN)
        return admissions

    async def _append_somehow(self, group: Group) -> tuple[str, str]:
        state, admissions = await self._append(group) if self._room.is_small(group.size) else (_ROOM, "")
        if state == _ROOM:
            return await self._database.change(lambda session: self._append_carefully(session, group))
        if group.size:
            self._room.refused_bytes = 0
        return state, admissions

    async def _append(self, group: Group) -> tuple[str, str]:
        counts = Counts()
        for request in group.requests:
            request.count_drops(counts)
        needed = group.needed_bytes
        ((state, admissions),) = await self._database.rows(
            "append_group",
            *(self._node.process, self._node.node_no, group.number, group.now_ms),
            *(*_TURN, DUPLICATE_WINDOW_MS, ROW_BYTES, self._room.ample_connection_bytes, self._room.ample_bytes),
            *(list(needed), list(needed.values())),
            *(group.keys, *group.columns, *counts.columns(), group.recorded_places),
        )
        return state, admissions

    async def _append_carefully(self, session: Session, group: Group) -> tuple[str, str]:
        """Store what there is room for, request by request; one process at a time, so that together they fit."""
        await session.run("lock_space")
        known: str | None = await session.value("find_group", self._node.process, self._node.node_no, group.number)
        if known is not None:
            return _STORED, known
        slot = await session.value("current_slot", group.now_ms, *_TURN)
        if slot is None:
            return _NEW_TURN, ""
        places = await session.value("add_keys", slot, group.keys, group.times_ms, DUPLICATE_WINDOW_MS)
        held = dict(await session.rows("held_bytes", list(group.needed_bytes), ROW_BYTES))
        admitted = self._room.admit(group, {group.keys[place - 1] for place in places}, held)
        share = self._node.append_share
        await session.run("forget_keys", slot, list(admitted.unused_keys))
        await session.value("add_events", share, admitted.places, *group.columns)
        await session.value("add_to_totals", share, *admitted.counts.columns())
        await session.value("keep_group", self._node.node_no, group.number, admitted.admissions)
        return _STORED, admitted.admissions
