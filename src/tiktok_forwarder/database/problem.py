"""What an error of SQLite means: to whoever waits for a change, and for the store until it writes again."""

from typing import Final

import apsw

from tiktok_forwarder.domain.errors import ForwarderError, StoreFull, StoreUnavailable

_DAMAGED: Final = "damaged"
_LOCKED: Final = "locked"


class SqliteTrouble:
    """`name` says what made the last change fail, until one succeeds; it is empty while all is well.

    Damage is not over with that: to write on could cost more events. It ends when the whole file was found to be sound.
    """

    def __init__(self) -> None:
        self.name = ""

    @property
    def is_damage(self) -> bool:
        return self.name == _DAMAGED

    @property
    def is_lock(self) -> bool:
        return self.name == _LOCKED

    def meet(self, error: apsw.Error) -> type[ForwarderError]:
        """What it means for new events."""
        name, kind = _meaning(error)
        if not self.is_damage:
            self.name = name
        return kind

    def end(self) -> None:
        """A change has succeeded."""
        if not self.is_damage:
            self.name = ""

    def end_damage(self) -> None:
        """An unreadable disk looks like damage, and may be readable again."""
        self.name = ""


def tells_damage(error: apsw.Error) -> bool:
    """Whether the file does not hold what it should."""
    return isinstance(error, apsw.CorruptError | apsw.NotADBError)


def _meaning(error: apsw.Error) -> tuple[str, type[ForwarderError]]:
    """An I/O error may well be a full disk or a used-up quota."""
    if tells_damage(error):
        return _DAMAGED, StoreUnavailable
    if isinstance(error, apsw.FullError):
        return "full", StoreFull
    if isinstance(error, apsw.IOError):
        return "disk", StoreFull
    if isinstance(error, apsw.BusyError):
        return _LOCKED, StoreUnavailable
    return "disk", StoreUnavailable
