"""Dead letters, and changes of many events: they run in steps, so that appends and deliveries get their turn."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final

from tiktok_forwarder.domain.outcome import DeadLetterReason
from tiktok_forwarder.store.dead_letters import DeadLetter, DeadLetterCount, DeadLetterFilter, EventStateCounts
from tiktok_forwarder.store.encoding import decoded_answer, packed_subjects
from tiktok_forwarder.store.postgres.database import Database
from tiktok_forwarder.store.postgres.node import Node

_STEP_EVENTS: Final = 1000
# So many numbers of expired dead letters are found at a time, since each search may read every row.
_MAX_FOUND: Final = 100_000


class DeadLetters:
    """The dead letters of the database, and what makes events dead letters or removes them."""

    def __init__(self, database: Database, node: Node) -> None:
        self._database = database
        self._node = node

    async def read(self, which: DeadLetterFilter, limit: int, after_no: int) -> Sequence[DeadLetter]:
        rows = await self._database.rows("dead_letters", await self._find(which, limit, after_no))
        return [_dead_letter(row) for row in rows]

    async def counts(self) -> Sequence[DeadLetterCount]:
        return [DeadLetterCount(*row) for row in await self._database.rows("dead_letter_counts")]

    async def count_by_state(self, connection_id: str, event_nos: Collection[int]) -> EventStateCounts:
        ((waiting, dead),) = await self._database.rows("count_by_state", connection_id, list(event_nos))
        return EventStateCounts(waiting, dead)

    async def replay(self, which: DeadLetterFilter, now_ms: int) -> int:
        return await self._in_steps(
            which, lambda event_nos: self._database.call("replay_events", event_nos, now_ms, self._node.share)
        )

    async def discard(self, which: DeadLetterFilter) -> int:
        return await self._in_steps(
            which, lambda event_nos: self._database.call("discard_events", event_nos, self._node.share)
        )

    async def expire(self, before_ms: int) -> Counter[str]:
        expired: Counter[str] = Counter()
        while found := await self._database.rows("dead_letters_before", before_ms, _MAX_FOUND):
            event_nos = [event_no for (event_no,) in found]
            for first in range(0, len(event_nos), _STEP_EVENTS):
                step = event_nos[first : first + _STEP_EVENTS]
                for connection_id, events in await self._database.rows(
                    "expire_events", step, before_ms, self._node.share
                ):
                    expired[connection_id] += events
        return expired

    async def add_all(self, connection_id: str, reason: DeadLetterReason, now_ms: int) -> int:
        """Dead-letter the connection's events; events that arrive in the meantime stay."""
        before_no = await self._database.value("last_event_no") + 1
        done = 0
        for lane_no in await self._node.lanes_of(connection_id):
            step = (lane_no, before_no, reason, _STEP_EVENTS, now_ms, self._node.share)
            while moved := await self._database.call("dead_letter_some", *step):
                done += moved
        return done

    async def erase(self, subjects: Collection[int]) -> int:
        wanted = [packed_subjects([subject]) for subject in subjects]
        found = await self._database.rows("events_about", wanted) if wanted else []
        if not found:
            return 0
        lane_nos, event_nos = zip(*found, strict=True)
        erased: int = await self._database.call("erase_events", lane_nos, event_nos, self._node.share)
        return erased

    async def _in_steps(self, which: DeadLetterFilter, change: Callable[[list[int]], Awaitable[Any]]) -> int:
        done = after_no = 0
        while event_nos := await self._find(which, _STEP_EVENTS, after_no):
            done += await change(event_nos)
            after_no = event_nos[-1]
        return done

    async def _find(self, which: DeadLetterFilter, limit: int, after_no: int) -> list[int]:
        conditions: list[Any] = [after_no, limit, which.reason, which.from_ms, which.until_ms]
        statement = "found_dead_letters"
        if which.event_nos is not None:
            statement = "found_dead_letters_by_number"
            conditions += [which.connection_id, list(which.event_nos)]
        elif which.connection_id is not None:
            statement = "found_dead_letters_of_connection"
            conditions.append(which.connection_id)
        return [event_no for (event_no,) in await self._database.rows(statement, *conditions)]


def _dead_letter(row: Any) -> DeadLetter:
    event_no, connection_id, revision, form, name, event_id, payload, reason, answer, *rest = row
    return DeadLetter(
        *(event_no, connection_id, revision, form, name.decode(), event_id.decode(), payload, reason),
        decoded_answer(answer),
        *rest,
    )
