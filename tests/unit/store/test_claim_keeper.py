"""When a process may act on its claims."""

import asyncio
from collections.abc import Collection

import pytest

from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.claim_keeper import ClaimKeeper
from tiktok_forwarder.store.claims import HeldClaims
from tiktok_forwarder.store.single_process import SingleProcess


class FailingClaims:
    """Grants everything for a time, and fails when it is told to."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_failing = False
        self.renewals: list[set[str]] = []

    async def renew_claims(self, topic: str, wanted: Collection[str]) -> HeldClaims:
        if self.is_failing:
            raise StoreUnavailable("away")
        self.renewals.append(set(wanted))
        return HeldClaims(frozenset(wanted), 0, self.seconds)

    async def give_back_claims(self, topic: str, names: Collection[str]) -> None:
        """Nobody else wants them."""


async def test_claim_is_held_from_the_start_to_the_stop() -> None:
    """And nothing that was not wanted."""
    keeper = ClaimKeeper(SingleProcess(), "delivery", lambda: ["a"])
    assert not keeper.holds("a")
    await keeper.start()
    assert (keeper.holds("a"), keeper.holds("b"), set(keeper.names)) == (True, False, {"a"})
    await keeper.stop()
    assert not keeper.holds("a")


async def test_claim_that_cannot_be_renewed_is_not_acted_on_until_its_very_end() -> None:
    """Another process takes it at that time, by a clock that may differ a little."""
    claims = FailingClaims(seconds=0.7)
    keeper = ClaimKeeper(claims, "delivery", lambda: ["a"])
    await keeper.renew()
    claims.is_failing = True
    assert keeper.holds("a")
    await asyncio.sleep(0.25)
    assert not keeper.holds("a")
    with pytest.raises(StoreUnavailable):
        await keeper.renew()
    claims.is_failing = False
    await keeper.renew()
    assert keeper.holds("a")


async def test_claims_are_renewed_though_a_renewal_fails() -> None:
    """About once a second; each is reported."""
    claims = FailingClaims(seconds=3.5)
    wanted, reported = {"a"}, asyncio.Event()
    keeper = ClaimKeeper(claims, "delivery", lambda: wanted, reported.set)
    await keeper.start()
    reported.clear()
    claims.is_failing = True
    wanted.add("b")
    await asyncio.sleep(1.2)
    assert (keeper.holds("a"), keeper.holds("b")) == (True, False)
    claims.is_failing = False
    async with asyncio.timeout(5):
        await reported.wait()
    assert keeper.holds("b")
    await keeper.stop()
    assert claims.renewals == [{"a"}, {"a", "b"}, set()]


async def test_name_that_was_given_back_is_not_held() -> None:
    """Not even until the next renewal."""
    keeper = ClaimKeeper(SingleProcess(), "delivery", lambda: ["a", "b"])
    await keeper.renew()
    await keeper.give_back(["a"])
    assert (keeper.holds("a"), keeper.holds("b")) == (False, True)
