"""Slows down password guessing, by source and by account, and never locks an account permanently."""

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

LONGEST_WAIT_SECONDS: Final = 15 * 60.0
_FIRST_WAIT_SECONDS: Final = 1.0
_FORGOTTEN_SECONDS: Final = 3600.0
# A person may mistype a few times from one source; an account may be tried from many sources.
_FREE_ACCOUNT_FAILURES: Final = 20
_MAX_KEPT: Final = 10_000


class _Failures(Struct):
    count: int
    last_seconds: float

    def until_seconds(self, free: int) -> float:
        """Return when the next try is allowed: 1 s after the first failure beyond the free ones, then doubling."""
        beyond = self.count - free
        if beyond <= 0:
            return 0.0
        wait_seconds: float = _FIRST_WAIT_SECONDS * 2 ** min(beyond - 1, 20)
        return self.last_seconds + min(wait_seconds, LONGEST_WAIT_SECONDS)


class LoginThrottle:
    """Delays logins after failures. A source that has logged in to an account waits only for its own failures.

    `monotonic` returns seconds. Memory is bounded: the entry unused for longest is removed.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._by_source: OrderedDict[str, _Failures] = OrderedDict()
        self._by_account: OrderedDict[str, _Failures] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait_seconds(self, account: str, source: str) -> int:
        """Return how long to wait before a password is checked; 0 means no wait."""
        until = self._until(self._by_source, source, 0)
        if (account.lower(), source) not in self._known:
            until = max(until, self._until(self._by_account, account.lower(), _FREE_ACCOUNT_FAILURES))
        return max(0, math.ceil(until - self._monotonic()))

    def _until(self, kept: OrderedDict[str, _Failures], name: str, free: int) -> float:
        failures = kept.get(name)
        return failures.until_seconds(free) if failures is not None else 0.0

    def failed(self, account: str, source: str) -> None:
        self._count(self._by_source, source)
        self._count(self._by_account, account.lower())

    def _count(self, kept: OrderedDict[str, _Failures], name: str) -> None:
        now = self._monotonic()
        failures = kept.pop(name, None)
        if failures is None or now - failures.last_seconds > _FORGOTTEN_SECONDS:
            failures = _Failures(0, now)
        kept[name] = _Failures(failures.count + 1, now)
        _bound(kept)

    def succeeded(self, account: str, source: str) -> None:
        self._by_source.pop(source, None)
        self._known[(account.lower(), source)] = None
        self._known.move_to_end((account.lower(), source))
        _bound(self._known)


def _bound(kept: OrderedDict[Any, Any]) -> None:
    while len(kept) > _MAX_KEPT:
        kept.popitem(last=False)
