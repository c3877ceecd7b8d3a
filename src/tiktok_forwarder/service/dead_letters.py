"""Dead letters: what was given up on, looked at, sent again or let go by a person."""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from msgspec import Struct, structs

from tiktok_forwarder.domain.errors import UnknownName
from tiktok_forwarder.ports import Clock, DeadLetter, DeadLetterFilter, EventStore

# Beyond it TikTok no longer recognises an event id that it has seen.
_REPEATABLE_MS: Final = 48 * 3_600_000
_PAGE: Final = 1000


class Selection(Struct, frozen=True):
    """What a selection holds, by reason.

    `beyond_48_hours` were first tried so long ago that TikTok may count them twice. `homeless` are of deleted
    connections: they can be looked at and discarded, but not replayed.
    """

    count: int
    by_reason: dict[str, int]
    beyond_48_hours: int
    homeless: int


class DeadLetters:
    """`notify` is told of connections whose events wait again."""

    def __init__(
        self,
        store: EventStore,
        clock: Clock,
        notify: Callable[[str, int], None],
        connection_ids: Callable[[], Collection[str]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._notify = notify
        self._connection_ids = connection_ids

    async def page(self, which: DeadLetterFilter, *, limit: int, after: int) -> Sequence[DeadLetter]:
        return await self._store.dead_letters(which, limit=limit, after_event_no=after)

    async def one(self, event_no: int) -> DeadLetter:
        """Raises `UnknownName`."""
        found = await self._store.dead_letters(DeadLetterFilter(event_nos=[event_no]), limit=1)
        if not found:
            raise UnknownName(f"there is no dead letter {event_no}")
        return found[0]

    async def selection(self, which: DeadLetterFilter) -> Selection:
        """What a replay or discard of these would touch; nothing is changed."""
        oldest = self._clock.now_ms() - _REPEATABLE_MS
        by_reason: dict[str, int] = {}
        known = self._connection_ids()
        count = beyond = homeless = after = 0
        while letters := await self.page(which, limit=_PAGE, after=after):
            after = letters[-1].event_no
            count += len(letters)
            for letter in letters:
                by_reason[letter.reason] = by_reason.get(letter.reason, 0) + 1
                first = letter.first_attempt_at_ms
                beyond += first is not None and first < oldest
                homeless += letter.connection_id not in known
        return Selection(count, by_reason, beyond, homeless)

    async def replay(self, which: DeadLetterFilter) -> Selection:
        """Have them delivered again, same bytes and ids. What was replayed is returned; a second time it is nothing."""
        selection = await self.selection(which)
        replayed = 0
        for connection_id in self._connection_ids():
            if which.connection_id not in (None, connection_id):
                continue
            own = structs.replace(which, connection_id=connection_id)
            count = await self._store.replay(own, self._clock.now_ms())
            if count:
                self._notify(connection_id, count)
            replayed += count
        return structs.replace(selection, count=replayed)

    async def discard(self, which: DeadLetterFilter) -> Selection:
        """Delete them for good."""
        selection = await self.selection(which)
        discarded = await self._store.discard(which, self._clock.now_ms())
        return structs.replace(selection, count=discarded)
