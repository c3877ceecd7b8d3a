"""The rules that every store of this package follows, so that they behave alike."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tiktok_forwarder.domain.errors import ConnectionsFull, DocumentsChanged, RevisionConflict
from tiktok_forwarder.domain.retry import REPEATABLE_SECONDS
from tiktok_forwarder.store.documents import DocumentPut
from tiktok_forwarder.store.expiring import ExpiringPut
from tiktok_forwarder.store.queue import NewEvent

DUPLICATE_WINDOW_MS: Final = REPEATABLE_SECONDS * 1000

# The due time of an event that returns immediately. Fresh ones have 0; both are due whatever the clock says.
AT_ONCE_MS: Final = 1

# A retry further than this in the future was scheduled by a clock that was set back since. Smaller distances arise
# between two callers who each read the clock before their turn at the store.
CLOCK_TOLERANCE_MS: Final = 5_000

# What an event takes besides its payload: keys, names, times, its share of half-empty pages, its de-duplication key.
ROW_BYTES: Final = 400

# How many groups must wait before the newest events may be sent before the oldest.
_LARGE_BACKLOG_GROUPS: Final = 2


def stored_bytes(event: NewEvent) -> int:
    """Return how much of a quota an event takes up; one that is only recorded nothing."""
    return 0 if event.is_recorded else len(event.payload) + ROW_BYTES


def storage_quota(size: int) -> int:
    """Return how much of the store's size one connection may use: half, so that it cannot fill the store for others."""
    return size // 2


def check_quotas(needed: Mapping[str, int], left: Mapping[str, int]) -> None:
    """Raise `ConnectionsFull` if no connection has enough of its quota left for all new events of a request.

    Both are by connection ID, in the store's unit; `needed` has the connections that the request has new events for,
    without those that are only recorded: what needs no room decides nothing.
    So a request for one connection is stored whole or refused whole, and its sender repeats it. A request that one of
    several connections takes is not refused: the others would keep events from it as long as they are full.
    """
    if needed and all(size > left[connection_id] for connection_id, size in needed.items()):
        raise quotas_used_up()


def quotas_used_up() -> ConnectionsFull:
    return ConnectionsFull("the storage quota of every connection that the request is for is used up")


def is_repeat(accepted_at_ms: int | None, now_ms: int) -> bool:
    """Return whether an event received now repeats the one last accepted at that time; None if there was none."""
    return accepted_at_ms is not None and accepted_at_ms > now_ms - DUPLICATE_WINDOW_MS


class Shares(NamedTuple):
    """How many places of a group go first to returned events (retries, replays), and to the newest fresh ones.

    The oldest fresh events have the rest; places left free by one sort go to the others.
    """

    returned: int
    newest: int


def group_shares(places: int, unleased: int, turn: int) -> Shares:
    """Return the shares: half for returned events; of the rest, half for the newest if the backlog is large.

    So neither retries nor fresh events starve, and an outage's backlog does not delay new events until it is gone.
    `turn` counts the groups: odd places go to each sort in turn, so that even groups of one serve all.
    """
    returned = (places + turn % 2) // 2
    is_large = unleased > _LARGE_BACKLOG_GROUPS * places
    return Shares(returned, (places - returned + turn // 2 % 2) // 2 if is_large else 0)


def revision_conflict(put: DocumentPut | ExpiringPut, stored: int) -> RevisionConflict:
    what = f"{put.kind} {put.id}"
    if put.expected_revision == 0:
        return RevisionConflict(f"{what} already exists (revision {stored})")
    if stored == 0:
        return RevisionConflict(f"{what} does not exist")
    return RevisionConflict(f"{what} is at revision {stored}, not {put.expected_revision}: it was changed elsewhere")


def documents_changed() -> DocumentsChanged:
    return DocumentsChanged("the configuration was changed elsewhere in the meantime; retry")
