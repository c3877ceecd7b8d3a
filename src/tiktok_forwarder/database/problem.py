"""What an SQLite error means: for the change that failed, and for the store until it writes again."""

from typing import Final

import apsw

from tiktok_forwarder.domain.errors import ForwarderError, StoreFull, StoreUnavailable

_DAMAGED: Final = "damaged"
_LOCKED: Final = "locked"
MISSING: Final = "missing"
DELETED: Final = "deleted"


class StoreProblem:
    """The problem that made the last change fail, until a change succeeds; `name` is empty while there is none.

    Corruption outlasts a successful change: continuing to write could cost more events. So does a database that is no
    longer at its path, since writing what is deleted succeeds.
    """

    def __init__(self) -> None:
        self.name = ""

    @property
    def is_damage(self) -> bool:
        return self.name == _DAMAGED

    @property
    def is_lock(self) -> bool:
        return self.name == _LOCKED

    @property
    def is_absence(self) -> bool:
        return self.name in (MISSING, DELETED)

    def record_absence(self, *, is_deleted: bool) -> None:
        """Record that the database is not at its path; `is_deleted`: nor at any other."""
        if not self.is_damage:
            self.name = DELETED if is_deleted else MISSING

    def clear_absence(self) -> None:
        """Clear an absence: the database is at its path."""
        if self.is_absence:
            self.name = ""

    def record(self, error: apsw.Error) -> type[ForwarderError]:
        """Record the problem that the error shows, and return what it means for new events."""
        name, kind = _meaning(error)
        if not self.is_damage:
            self.name = name
        return kind

    def clear(self) -> None:
        """Clear the problem, after a change has succeeded."""
        if not self.is_damage and not self.is_absence:
            self.name = ""

    def clear_damage(self) -> None:
        """Clear a corruption, when the whole file is sound: a temporarily unreadable disk looks like corruption too."""
        self.name = ""


def is_corruption(error: apsw.Error) -> bool:
    """Return whether the error means that the file is corrupt."""
    return isinstance(error, apsw.CorruptError | apsw.NotADBError)


def _meaning(error: apsw.Error) -> tuple[str, type[ForwarderError]]:
    """Return the problem's name and error class. An I/O error may well be a full disk or an exhausted quota."""
    if is_corruption(error):
        return _DAMAGED, StoreUnavailable
    if isinstance(error, apsw.FullError):
        return "full", StoreFull
    if isinstance(error, apsw.IOError):
        return "disk", StoreFull
    if isinstance(error, apsw.BusyError):
        return _LOCKED, StoreUnavailable
    return "disk", StoreUnavailable
