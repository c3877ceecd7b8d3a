"""Errors that reach a person: each says what happened, to what, and what to do about it."""

from collections.abc import Sequence


class ForwarderError(Exception):
    """The base of every error of this package; its text is fit to be shown to a user."""


class ConfigurationError(ForwarderError):
    """A setting, connection, input or command cannot be used as it stands.

    `problems` holds every fault found, one sentence each, so that a user mends a file once.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class UnknownName(ForwarderError):
    """There is no connection, input or key of this name."""


class UnreadableBody(ForwarderError):
    """No batch can be read from these bytes. `too_large` tells a breach of a bound (413) from bad JSON (400)."""

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        self.too_large = too_large
        super().__init__(message)


class StoreFull(ForwarderError):
    """The store has no room for new events; it may have room again later (503 to senders)."""


class StoreUnavailable(ForwarderError):
    """The store cannot be used now: locked, read-only, damaged or closed."""


class LeaseLost(ForwarderError):
    """The lease has expired or was taken over: its events may be on their way in another request."""


class RevisionConflict(ForwarderError):
    """The document was changed by somebody else since it was read: read it again, then repeat the change."""


class SecretUnreadable(ForwarderError):
    """A stored secret cannot be opened with the key at hand: wrong key, or a record that was tampered with."""
