"""Goes over to the store's encryption key when another node has rotated it, and reports once if this node cannot."""

import asyncio
import contextlib
from typing import Final, Protocol

from tiktok_forwarder.domain.errors import ConfigurationError, SecretUnreadable, StoreUnavailable
from tiktok_forwarder.operations.key_rotation import KeyRotation
from tiktok_forwarder.operations.watches import Watch

_KEY_SECONDS: Final = 1.0


class KeyObserver(Protocol):
    def on_store_key_problem(self, problem: str) -> None:
        """Report why this node cannot seal with the store's key; what it has in memory it can still open."""
        ...

    def on_store_key_problem_over(self) -> None: ...


class KeyWatch(Watch):
    """Checks the store's key and the place of the next one from `start` to `stop`."""

    def __init__(self, rotation: KeyRotation, observer: KeyObserver) -> None:
        self._rotation = rotation
        self._observer = observer
        self._reported = ""

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(StoreUnavailable):  # the watch over the store reports it
                self._report(await self._problem())
            await asyncio.sleep(_KEY_SECONDS)

    async def _problem(self) -> str:
        try:
            await self._rotation.follow()
        except (ConfigurationError, SecretUnreadable) as error:
            return str(error)
        return ""

    def _report(self, problem: str) -> None:
        if problem and problem != self._reported:
            self._observer.on_store_key_problem(problem)
        elif self._reported and not problem:
            self._observer.on_store_key_problem_over()
        self._reported = problem
