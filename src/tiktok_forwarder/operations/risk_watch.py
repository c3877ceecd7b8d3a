"""Reports what a store risks by the settings of its server, once when it becomes so and once when it is over."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final, Protocol

from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.operations.watches import Watch
from tiktok_forwarder.store.risks import RiskName, RiskSource, StoreRisk

_RISK_SECONDS: Final = 30.0


class RiskObserver(Protocol):
    def on_store_risk(self, risk: StoreRisk) -> None:
        """Report that accepted events may be lost from now on."""
        ...

    def on_store_risk_over(self, name: RiskName) -> None: ...


class RiskWatch(Watch):
    """Checks the settings of the store's server from `start` to `stop`."""

    def __init__(self, store: RiskSource, observer: RiskObserver, *, interval_seconds: float = _RISK_SECONDS) -> None:
        self._store = store
        self._observer = observer
        self._interval_seconds = interval_seconds
        self._reported: set[RiskName] = set()

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(StoreUnavailable):  # the watch over the store reports it
                self._report(await self._store.risks())
            await asyncio.sleep(self._interval_seconds)

    def _report(self, risks: Sequence[StoreRisk]) -> None:
        for risk in risks:
            if risk.name not in self._reported:
                self._observer.on_store_risk(risk)
        names = {risk.name for risk in risks}
        for name in sorted(self._reported - names):
            self._observer.on_store_risk_over(name)
        self._reported = names
