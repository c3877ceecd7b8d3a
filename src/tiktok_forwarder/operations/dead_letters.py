"""Dead letters: undeliverable events that a person views, replays or discards."""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from msgspec import Struct, structs

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import UnknownName
from tiktok_forwarder.domain.retry import REPEATABLE_SECONDS
from tiktok_forwarder.operations.dead_letter_ends import DAY_MS, DeadLetterEnds, EndRule
from tiktok_forwarder.operations.replays import ReplayProgress, Replays
from tiktok_forwarder.store.dead_letters import DeadLetter, DeadLetterCount, DeadLetterFilter, DeadLetterStore

_PAGE: Final = 1000
# An end is announced this long before.
_SOON_MS: Final = 3 * DAY_MS
_COUNTS_SECONDS: Final = 60.0


class Selection(Struct, frozen=True):
    """The contents of a selection, by reason.

    `beyond_48_hours` were first tried so long ago that TikTok may count them twice. `orphaned` belong to deleted
    connections: they can be viewed and discarded, but not replayed.
    """

    count: int
    by_reason: dict[str, int]
    beyond_48_hours: int
    orphaned: int


class Replayed(Struct, frozen=True):
    """A replay's result. `replay_no` identifies it in a request for its progress."""

    selection: Selection
    replay_no: int


class _Tally:
    """The running sums of a selection, letter by letter."""

    def __init__(self, oldest_ms: int, known: Collection[str]) -> None:
        self._oldest_ms = oldest_ms
        self._known = known
        self._by_reason: Counter[str] = Counter()
        self._beyond = self._orphaned = 0
        self.event_nos: dict[str, array[int]] = {}

    def add(self, letter: DeadLetter) -> None:
        self._by_reason[letter.reason] += 1
        first = letter.first_attempt_at_ms
        self._beyond += first is not None and first < self._oldest_ms
        if letter.connection_id in self._known:
            self.event_nos.setdefault(letter.connection_id, array("q")).append(letter.event_no)
        else:
            self._orphaned += 1

    def selection(self) -> Selection:
        return Selection(self._by_reason.total(), dict(self._by_reason), self._beyond, self._orphaned)


class DeadLetters:
    """Views, replays and discards dead letters."""

    def __init__(
        self,
        store: DeadLetterStore,
        replays: Replays,
        clock: Clock,
        connection_ids: Callable[[], Collection[str]],
        ends: DeadLetterEnds,
    ) -> None:
        self._store = store
        self._replays = replays
        self._clock = clock
        self._connection_ids = connection_ids
        self.ends = ends
        self._counts: Sequence[DeadLetterCount] = ()
        self._count_at = 0.0

    async def page(self, which: DeadLetterFilter, *, limit: int, after: int) -> Sequence[DeadLetter]:
        return await self._store.dead_letters(which, limit=limit, after_event_no=after)

    async def one(self, event_no: int) -> DeadLetter:
        """Return one dead letter. Raises `UnknownName`."""
        found = await self._store.dead_letters(DeadLetterFilter(event_nos=[event_no]), limit=1)
        if not found:
            raise UnknownName(f"dead letter {event_no} not found")
        return found[0]

    async def counts(self) -> Sequence[DeadLetterCount]:
        return await self._store.dead_letter_counts()

    async def end_rule(self) -> EndRule:
        return await self.ends.rule()

    async def ending_soon(self) -> Mapping[str, int]:
        """Return by connection ID when the first dead letter ends, if within three days; as of the last minute."""
        now = self._clock.monotonic_seconds()
        if now >= self._count_at:
            # Reading them takes longer than the rest of a status.
            self._counts = await self.counts()
            self._count_at = now + _COUNTS_SECONDS
        rule = await self.end_rule()
        soon_ms = self._clock.now_ms() + _SOON_MS
        ends: dict[str, int] = {}
        for each in self._counts:
            end_ms = rule.end_of(each.oldest_ms)
            if end_ms is not None and end_ms < soon_ms:
                ends[each.connection_id] = min(end_ms, ends.get(each.connection_id, end_ms))
        return ends

    async def selection(self, which: DeadLetterFilter) -> Selection:
        """Return what a replay or discard of these would affect; nothing is changed."""
        return (await self._tally(which)).selection()

    async def replay(self, which: DeadLetterFilter) -> Replayed:
        """Queue dead letters for delivery again, same bytes and IDs; return what was replayed.

        A repeat replays nothing.
        """
        tally = await self._tally(which)
        count = 0
        for connection_id in self._connection_ids():
            if which.connection_id in (None, connection_id):
                of_connection = structs.replace(which, connection_id=connection_id)
                count += await self._store.replay(of_connection, self._clock.now_ms())
        replay_no = await self._replays.add(tally.event_nos)
        return Replayed(structs.replace(tally.selection(), count=count), replay_no)

    async def progress(self, replay_no: int) -> ReplayProgress:
        """Return the progress of a replay. Raises `UnknownName`."""
        return await self._replays.progress(replay_no, self._store)

    async def discard(self, which: DeadLetterFilter) -> Selection:
        """Delete dead letters permanently."""
        selection = await self.selection(which)
        discarded = await self._store.discard(which, self._clock.now_ms())
        return structs.replace(selection, count=discarded)

    async def _tally(self, which: DeadLetterFilter) -> _Tally:
        tally = _Tally(self._clock.now_ms() - REPEATABLE_SECONDS * 1000, self._connection_ids())
        after = 0
        while letters := await self.page(which, limit=_PAGE, after=after):
            after = letters[-1].event_no
            for letter in letters:
                tally.add(letter)
        return tally
