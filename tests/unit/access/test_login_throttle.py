"""The throttle of logins by itself: how long the waits are, what ends them, and which of them are forgotten."""

import asyncio

import pytest
from tests.unit.access.access_rig import HERE
from tests.unit.parts import ManualClock

from tiktok_forwarder.access.login_throttle import LoginThrottle
from tiktok_forwarder.store.memory.store import MemoryStore

ELSEWHERE = "198.51.100.9"


class Throttled:
    """A throttle on a clock that a test moves."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore()
        self.throttle = LoginThrottle(self.store, self.clock, b"k" * 32)

    async def attempt(self, account: str = "ada", source: str = HERE) -> int:
        """An attempt that fails; return how long it would have to wait first, 0 if it was made."""
        return await self.throttle.try_login(account, source)

    async def fail(self, account: str, source: str, times: int) -> None:
        """Fail so often, each time as soon as that is possible."""
        for _ in range(times):
            while wait_seconds := await self.attempt(account, source):
                self.clock.time_ms += wait_seconds * 1000

    async def fail_from_many(self, account: str, times: int, prefix: str = "source") -> None:
        """Fail so often at the same time, each time from another source."""
        for number in range(times):
            assert await self.attempt(account, f"{prefix} {number}") == 0


@pytest.fixture
def throttled() -> Throttled:
    return Throttled()


async def test_a_wait_doubles_up_to_a_quarter_of_an_hour(throttled: Throttled) -> None:
    """Each failure of a source doubles its wait, from 1 second to 15 minutes, however many there are."""
    waits = []
    for _ in range(15):
        assert await throttled.attempt() == 0
        waits.append(await throttled.attempt())
        throttled.clock.time_ms += waits[-1] * 1000 - 1
        assert await throttled.attempt() == 1
        throttled.clock.time_ms += 1
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900, 900]


@pytest.mark.parametrize(("seconds", "wait_seconds"), [(3600, 8), (3601, 1)])
async def test_failures_are_forgotten_after_an_hour(throttled: Throttled, seconds: int, wait_seconds: int) -> None:
    """An hour without a failure makes the next one the first again; a shorter pause does not."""
    await throttled.fail("ada", HERE, 3)
    throttled.clock.time_ms += seconds * 1000
    assert await throttled.attempt() == 0
    assert await throttled.attempt() == wait_seconds


async def test_account_is_slowed_from_its_twenty_first_failure(throttled: Throttled) -> None:
    """Twenty failures from anywhere cost other sources nothing; the next one makes every new source wait."""
    await throttled.fail_from_many("Ada", 20)
    assert await throttled.attempt("ADA", "source 20") == 0
    assert await throttled.attempt("ada", "source 21") == 1
    assert await throttled.attempt("ben", "source 21") == 0


async def test_known_source_waits_for_its_own_failures_only(throttled: Throttled) -> None:
    """The source from which an account's user logged in is not slowed by others, nor for another account."""
    await throttled.throttle.succeeded("Ada", HERE)
    await throttled.fail_from_many("ada", 21)
    await throttled.fail_from_many("ben", 21, "another")
    assert await throttled.attempt("ben", HERE) == 1
    assert await throttled.attempt("ADA", HERE) == 0
    assert await throttled.attempt("ada", HERE) == 1


async def test_login_ends_the_wait_of_its_source_only(throttled: Throttled) -> None:
    """A success clears what its source had to wait, and leaves the waits of other sources."""
    await throttled.fail("ada", HERE, 3)
    await throttled.fail("ada", ELSEWHERE, 3)
    await throttled.throttle.succeeded("ada", HERE)
    assert await throttled.attempt("ada", ELSEWHERE) == 4
    assert await throttled.attempt("ada", HERE) == 0


async def test_simultaneous_attempts_of_a_source_are_checked_one_by_one(throttled: Throttled) -> None:
    """Also those that other processes get: one is counted, and the others wait for it."""
    others = [LoginThrottle(throttled.store, throttled.clock, b"k" * 32) for _ in range(5)]
    waits = await asyncio.gather(*[each.try_login("ada", HERE) for each in others for _ in range(4)])
    assert sorted(waits) == [0, *[1] * 19]


async def test_clock_that_was_set_back_locks_no_one_out(throttled: Throttled) -> None:
    """Failures of a time that has not come yet make no one wait for it."""
    await throttled.fail("ada", HERE, 12)
    throttled.clock.time_ms -= 24 * 3600 * 1000
    assert await throttled.attempt() == 0


async def test_neither_account_nor_source_is_stored(throttled: Throttled) -> None:
    """An address is personal, and a name may be a password that was typed into the wrong field."""
    await throttled.attempt("my secret", HERE)
    await throttled.throttle.succeeded("my secret", HERE)
    stored = [
        each.id.encode() + each.body
        for kind in ("failing_source", "failing_account", "known_source")
        for each in await throttled.store.list_expiring(kind, 0)
    ]
    assert len(stored) == 2
    assert not any(text in each for each in stored for text in (b"secret", HERE.encode()))


# --- what is kept ---


async def test_full_throttle_forgets_the_oldest_source(throttled: Throttled) -> None:
    """Ten thousand sources are kept: a new guesser always waits, and makes the one longest silent forgotten."""
    for number in range(10_001):
        throttled.clock.time_ms += 1
        assert await throttled.attempt(f"account {number}", f"source {number}") == 0
    throttled.clock.time_ms -= 10_000
    assert await throttled.attempt("ben", "source 0") == 0
    assert await throttled.attempt("ben", "source 2") > 0
    assert await throttled.attempt("ben", "source 10000") > 0


async def test_full_throttle_forgets_the_oldest_known_source(throttled: Throttled) -> None:
    """Ten thousand pairs of account and source are known; who logged in last stays known."""
    for number in range(10_001):
        throttled.clock.time_ms += 1
        await throttled.throttle.succeeded("ada", f"source {number}")
    await throttled.fail_from_many("ada", 21, "guesser")
    assert await throttled.attempt("ada", "source 0") == 1
    assert await throttled.attempt("ada", "source 1") == 0
    assert await throttled.attempt("ada", "source 10000") == 0
