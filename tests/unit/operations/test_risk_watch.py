"""Risks of the store's server: reported when they arise and when they are over, and not in between."""

import asyncio
from collections.abc import Sequence

from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.operations.risk_watch import RiskWatch
from tiktok_forwarder.store.risks import RiskName, StoreRisk


class Server:
    """Has one list of risks after the other, one for each check; None is a check that fails."""

    def __init__(self, *checks: list[RiskName] | None) -> None:
        self._checks = list(checks)
        self.are_over = asyncio.Event()

    async def risks(self) -> Sequence[StoreRisk]:
        if len(self._checks) == 1:
            self.are_over.set()
        names = self._checks.pop(0) if len(self._checks) > 1 else self._checks[0]
        if names is None:
            raise StoreUnavailable("gone")
        return [StoreRisk(name) for name in names]


class Reports:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_store_risk(self, risk: StoreRisk) -> None:
        self.lines.append(f"+{risk.name}")

    def on_store_risk_over(self, name: RiskName) -> None:
        self.lines.append(f"-{name}")


async def test_risk_is_reported_once_until_it_is_over() -> None:
    """A server that cannot be asked for a while changes nothing."""
    server = Server(
        ["fsync_off"],
        ["fsync_off"],
        None,
        ["fsync_off", "no_synchronous_standby"],
        ["no_synchronous_standby"],
        [],
        ["fsync_off"],
        ["fsync_off"],
    )
    reports = Reports()
    watch = RiskWatch(server, reports, interval_seconds=0)
    watch.start()
    await asyncio.wait_for(server.are_over.wait(), 5)
    await watch.stop()
    assert reports.lines == [
        "+fsync_off",
        "+no_synchronous_standby",
        "-fsync_off",
        "-no_synchronous_standby",
        "+fsync_off",
    ]
