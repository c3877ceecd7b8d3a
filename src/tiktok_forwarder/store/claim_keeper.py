"""Keeps a process's claims of one topic: renews them in time, and knows whether they still hold."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.claims import Claims, HeldClaims

# A renewal may fail twice before the claims end. When a process is killed, another has its claims within the time of a
# claim and of a renewal.
_RENEWAL_SECONDS: Final = 1.0
# So much earlier than the claims end, the process acts on them no longer.
_MARGIN_SECONDS: Final = 0.5


class ClaimKeeper:
    """Renews claims from `start` to `stop`. `on_renewed` is called after each renewal."""

    def __init__(
        self,
        claims: Claims,
        topic: str,
        wanted: Callable[[], Collection[str]],
        on_renewed: Callable[[], None] = lambda: None,
    ) -> None:
        self._claims = claims
        self._topic = topic
        self._wanted = wanted
        self._on_renewed = on_renewed
        self._held = HeldClaims()
        self._ends_at = 0.0
        self._renewing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def names(self) -> frozenset[str]:
        """The names held at the last renewal."""
        return self._held.names

    @property
    def surplus(self) -> int:
        """How many of the names other processes wait for."""
        return self._held.surplus

    def holds(self, name: str) -> bool:
        """Return whether the process may act on its claim at this moment."""
        return name in self._held.names and asyncio.get_running_loop().time() < self._ends_at

    async def start(self) -> None:
        """Claim what is wanted, and renew it from now on. Raises `StoreUnavailable`."""
        await self.renew()
        self._task = asyncio.create_task(self._run(), name=f"claims of {self._topic}")

    async def renew(self) -> None:
        """Renew the claims now, after a change of what is wanted. Raises `StoreUnavailable`."""
        async with self._renewing:
            asked_at = asyncio.get_running_loop().time()
            self._held = await self._claims.renew_claims(self._topic, self._wanted())
            self._ends_at = asked_at + self._held.seconds - _MARGIN_SECONDS
        self._on_renewed()

    async def give_back(self, names: Collection[str]) -> None:
        """Give claims back that nothing acts on any more. Raises `StoreUnavailable`."""
        async with self._renewing:
            self._held = self._held._replace(names=self._held.names.difference(names), surplus=0)
            await self._claims.give_back_claims(self._topic, names)

    async def stop(self) -> None:
        """Give every claim back. Raises `StoreUnavailable`; the claims end on their own then."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        async with self._renewing:
            self._held = HeldClaims()
            await self._claims.renew_claims(self._topic, ())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_RENEWAL_SECONDS)
            try:
                await self.renew()
            except StoreUnavailable:  # the watch over the store reports it, and the claims end in time
                continue
