"""The interface of a store whose contents can move to another store, and the form in which they do.

A move copies one part of the contents after the other, in batches. Each batch is one transaction of the target, which
records how far it is with the rows, so that a move can be continued wherever it was interrupted. Both stores record the
move before anything is copied, and no process starts on either until it is complete or undone: the source does not
change, and no event can be delivered from both.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol, get_args

import msgspec
from msgspec import Struct

from tiktok_forwarder.store.totals import TotalsRow

Part = Literal["documents", "document_history", "known_keys", "dead_letters", "returned", "fresh"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)

MAX_BATCH_ROWS: Final = 10_000
MAX_BATCH_BYTES: Final = 8 * 1024 * 1024

MoveState = Literal["leaving", "left", "arriving", "arrived", "abandoned"]
"""`leaving` and `left`: of the source of a move that is under way or complete. `arriving` and `arrived`: of its target.

`abandoned`: of the target of a move that was undone. Only a store whose contents have arrived may be used.
"""

_REFUSALS: Final[Mapping[str, str]] = {
    "leaving": "is being moved to {other}: repeat tiktok-forwarder migrate to complete it, or undo it with --undo",
    "left": "was moved to {other}: use that store, or undo the move with tiktok-forwarder migrate --undo",
    "arriving": "is being filled from {other}: repeat tiktok-forwarder migrate to complete it",
    "abandoned": "contains what a move from {other} left that was undone: use an empty store",
}


class Place(NamedTuple):
    """How far a move is: in this part, behind this position, which only the source can read (empty: the beginning)."""

    part: Part
    position: bytes


START: Final = Place(PARTS[0], b"")


class Move(Struct, frozen=True):
    """A store's own record of a move. `other_store` is for people, and contains no password."""

    move_id: str
    state: MoveState
    other_store: str
    place: Place

    @property
    def refusal(self) -> str:
        """Return why no process may start on the store, as the rest of a sentence about it; empty if one may."""
        return _REFUSALS.get(self.state, "").format(other=self.other_store)


class Batch(Struct, frozen=True):
    """Consecutive rows of a part, and the place behind them. Without rows: the part has no more.

    Texts that come from events are bytes, and what is large is in the last column:
    documents, document_history: kind, ID, revision, changed_at_ms, changed_by, body;
    known_keys: accepted_at_ms, key;
    dead_letters: connection ID, wire form, event_no, reason, dead_lettered_at_ms, connection_revision, event_name,
    event_id, accepted_at_ms, attempts, first_attempt_at_ms, answer, subjects, payload;
    returned: connection ID, wire form, event_no, due_ms, scheduled_at_ms, connection_revision, event_name, event_id,
    accepted_at_ms, attempts, first_attempt_at_ms, unanswered_at_ms, answer, subjects, payload;
    fresh: connection ID, wire form, event_no, connection_revision, event_name, event_id, accepted_at_ms, subjects,
    payload.
    """

    rows: Sequence[tuple[Any, ...]]
    place: Place


class Contents(Struct, frozen=True):
    """What a store contains: rows of each part, the totals, and the number that its next event gets."""

    rows: Mapping[Part, int]
    totals: Sequence[TotalsRow]
    next_event_no: int

    @property
    def is_empty(self) -> bool:
        return not any(self.rows.values()) and not self.totals

    def has_rows_of(self, other: "Contents") -> bool:
        """Return whether both have as many rows of each part. Keys are not counted: one stored twice moves as one."""
        return all(self.rows[part] == other.rows[part] for part in PARTS if part != "known_keys")


class MovableStore(Protocol):
    """One side of a move. Its methods raise `ConfigurationError` and `StoreUnavailable`, in one sentence."""

    name: str
    """For people, without a password."""

    async def find_move(self) -> Move | None:
        """Return the record of the last move, if there was one."""
        ...

    async def contents(self) -> Contents: ...

    async def require_unused(self) -> None:
        """Raise `ConfigurationError` if a process uses the store."""
        ...

    async def record(self, move: Move) -> None:
        """Record a move, or its new state, which processes obey from now on. Raises as `require_unused` does."""
        ...

    async def stay(self) -> None:
        """Forget a move that is undone: processes may use the store again.

        What expires is deleted, such as sessions: a user may have logged out of the other store since.
        """
        ...

    async def read(self, place: Place) -> Batch:
        """Return the rows behind a place, a batch's worth."""
        ...

    async def write(self, batch: Batch, after: Place) -> None:
        """Store a batch, with its place. Raises `ConfigurationError` if the store is not at the place `after`."""
        ...

    async def finish(self, contents: Contents) -> None:
        """Store the totals and the next number: the contents have arrived."""
        ...

    async def close(self) -> None: ...


def position_of(key: Sequence[Any]) -> bytes:
    return msgspec.msgpack.encode(key)


def key_of(position: bytes) -> list[Any]:
    key: list[Any] = msgspec.msgpack.decode(position)
    return key
