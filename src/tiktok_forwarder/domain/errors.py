"""Errors that are shown to a person: each states what happened, to what, and how to fix it."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final


class ForwarderError(Exception):
    """The base of every error of this package; its text is suitable for a user."""


# More would make an answer that is larger than what it is about.
MAX_PROBLEMS: Final = 100
_MAX_LENGTH: Final = 1000


class ConfigurationError(ForwarderError):
    """A setting, connection, input or command cannot be used as given.

    `problems` contains every problem found, one sentence each, so that a user fixes a file once; of too many, the
    first 100.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        found = [_shortened(problem) for problem in problems]
        # One more: the problems of a part, which end with their number, are those of the whole again.
        if len(found) > MAX_PROBLEMS + 1:
            found[MAX_PROBLEMS:] = [f"and {len(found) - MAX_PROBLEMS:,} more problems"]
        self.problems = tuple(found)
        super().__init__("; ".join(self.problems))


def _shortened(problem: str) -> str:
    """Return a problem without the middle of what it quotes: it begins with the place and ends with the reason."""
    if len(problem) <= _MAX_LENGTH:
        return problem
    return f"{problem[: _MAX_LENGTH // 2]}…{problem[-_MAX_LENGTH // 2 :]}"


class UnknownName(ForwarderError):
    """There is no connection, input or key of this name."""

    @classmethod
    def among(cls, known: Iterable[str], kind: str, name: str) -> "UnknownName":
        """Return the error that suggests the closest of the known names, if one is close."""
        return cls(not_found(known, kind, name))


def not_found(known: Iterable[str], kind: str, name: str) -> str:
    """Return the message of `UnknownName.among`."""
    return f'{kind} "{name}" not found{suggestion(known, name)}'


def suggestion(known: Iterable[str], name: str) -> str:
    """Return the end of a message about a name that does not exist: the closest of the known ones, if one is close."""
    close = closest_name(known, name)
    return f'; did you mean "{close}"?' if close is not None else ""


def closest_name(known: Iterable[str], name: str) -> str | None:
    """Return the known name that is most like this one, whatever the case; None if none is close."""
    by_lowered = {each.lower(): each for each in known}
    close = get_close_matches(name.strip().lower(), by_lowered, n=1)
    return by_lowered[close[0]] if close else None


class UnreadableBody(ForwarderError):
    """No batch can be read from these bytes. `too_large` distinguishes an exceeded bound (413) from bad JSON (400)."""

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        self.too_large = too_large
        super().__init__(message)


class StoreFull(ForwarderError):
    """The store has no space for new events; it may have space again later (503 to senders)."""


class ConnectionsFull(StoreFull):
    """Every connection that a request has new events for has used up its storage quota; 503 to senders too."""


class StoreUnavailable(ForwarderError):
    """The store cannot be used now: locked, read-only, corrupt or closed."""


class LeaseLost(ForwarderError):
    """The lease has expired or was taken over: its events may be in another request by now."""


class RevisionConflict(ForwarderError):
    """The document was changed since it was read: read it again, then repeat the change."""


class DocumentsChanged(RevisionConflict):
    """The configuration was changed since the caller read it, perhaps by another process: check again, then repeat."""


class SecretUnreadable(ForwarderError):
    """A stored secret cannot be decrypted with the current key: wrong key, or a record that was tampered with."""
