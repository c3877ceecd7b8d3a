"""What an error of SQLite means: to whoever waits for a change, and for the store until it writes again."""

from typing import Final

import apsw

from tiktok_forwarder.domain.errors import ForwarderError, StoreFull, StoreUnavailable

_DAMAGED: Final = "damaged"
_LOCKED: Final = "locked"


class StoreProblem:
    """What made the last change fail, until one succeeds; `name` is empty while nothing is wrong.

    Damage outlasts a change that succeeds: writing on could cost more events.
    """

    def __init__(self) -> None:
        self.name = ""

    @property
    def is_damage(self) -> bool:
        return self.name == _DAMAGED

    @property
    def is_lock(self) -> bool:
        return self.name == _LOCKED

    def record(self, error: apsw.Error) -> type[ForwarderError]:
        """Keep what the error tells of the store, and return what it means for new events."""
        name, kind = _meaning(error)
        if not self.is_damage:
            self.name = name
        return kind

    def clear(self) -> None:
        """Call it after a change has succeeded."""
        if not self.is_damage:
            self.name = ""

    def clear_damage(self) -> None:
        """Call it when the whole file is sound: a disk that could not be read for a while looks like damage too."""
        self.name = ""


def is_corruption(error: apsw.Error) -> bool:
    """Return whether the file does not hold what it should."""
    return isinstance(error, apsw.CorruptError | apsw.NotADBError)


def _meaning(error: apsw.Error) -> tuple[str, type[ForwarderError]]:
    """An I/O error may well be a full disk or a used-up quota."""
    if is_corruption(error):
        return _DAMAGED, StoreUnavailable
    if isinstance(error, apsw.FullError):
        return "full", StoreFull
    if isinstance(error, apsw.IOError):
        return "disk", StoreFull
    if isinstance(error, apsw.BusyError):
        return _LOCKED, StoreUnavailable
    return "disk", StoreUnavailable
