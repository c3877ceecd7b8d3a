"""What an error of PostgreSQL or of the way to it means for the store."""

from typing import Final, NamedTuple

import asyncpg

from tiktok_forwarder.domain.errors import StoreUnavailable

UNREACHABLE: Final = "unreachable"
_READ_ONLY: Final = "read_only"
_DISK: Final = "disk"
_DATABASE: Final = "database"
# Raised by forwarder.find_group.
_NODE_LOST: Final = "TF001"

_READ_ONLY_ERRORS: Final = (
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.exceptions.TargetServerAttributeNotMatched,
)
# The server has answered, and the change is undone for certain.
_UNDONE_ERRORS: Final = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
)
# The connection is gone, or will be. Whether a change was committed is not known.
_LOST_ERRORS: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.StatementCompletionUnknownError,
)
# Every error that this package translates.
FOREIGN_ERRORS: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class AnswerLost(StoreUnavailable):
    """The connection was lost during a change: it may have been committed."""


class ChangeRefused(StoreUnavailable):
    """The server refuses this change, and has not changed anything; it may well accept others."""


class NodeLost(StoreUnavailable):
    """The number of this process was given to another one."""


class Meaning(NamedTuple):
    """A problem's name, and the error class for the waiting caller."""

    problem: str
    kind: type[StoreUnavailable]


def meaning_of(error: BaseException, *, is_connected: bool) -> Meaning:
    """Return what the error means. `is_connected`: it arose on a connection, not while connecting."""
    if isinstance(error, _READ_ONLY_ERRORS):
        return Meaning(_READ_ONLY, StoreUnavailable)
    if isinstance(error, asyncpg.DiskFullError):
        return Meaning(_DISK, StoreUnavailable)
    if getattr(error, "sqlstate", None) == _NODE_LOST:
        return Meaning("", NodeLost)
    if not is_connected or isinstance(error, _UNDONE_ERRORS):
        return Meaning(UNREACHABLE, StoreUnavailable)
    # A value that cannot be sent is an InterfaceError too.
    if isinstance(error, _LOST_ERRORS) and not isinstance(error, ValueError):
        return Meaning(UNREACHABLE, AnswerLost)
    return Meaning(_DATABASE, ChangeRefused)


def is_stale(error: BaseException) -> bool:
    """Return whether the server was demoted: no connection to it is of use any more."""
    return isinstance(error, asyncpg.ReadOnlySQLTransactionError)


def is_conflict(error: BaseException) -> bool:
    """Return whether the same change may succeed when it is made again immediately."""
    return isinstance(error, asyncpg.DeadlockDetectedError | asyncpg.SerializationError)
