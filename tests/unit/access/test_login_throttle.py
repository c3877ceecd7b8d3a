"""The throttle of logins by itself: how long the waits are, what ends them, and which of them are forgotten."""

import pytest
from tests.unit.access.access_rig import HERE
from tests.unit.parts import ManualClock

from tiktok_forwarder.access.login_throttle import LoginThrottle

ELSEWHERE = "198.51.100.9"


class Throttled:
    """A throttle on a clock that a test moves."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.throttle = LoginThrottle(self.clock.monotonic_seconds)

    def fail(self, account: str, source: str, times: int = 1) -> None:
        for _ in range(times):
            self.throttle.failed(account, source)

    def wait_of(self, account: str, source: str = HERE) -> int:
        return self.throttle.wait_seconds(account, source)


@pytest.fixture
def throttled() -> Throttled:
    return Throttled()


def test_a_wait_doubles_up_to_a_quarter_of_an_hour(throttled: Throttled) -> None:
    """Each failure of a source doubles its wait, from 1 second to 15 minutes."""
    waits = []
    for _ in range(12):
        throttled.fail("ada", HERE)
        waits.append(throttled.wait_of("ada"))
        throttled.clock.time_ms += waits[-1] * 1000
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_wait_stays_at_a_quarter_of_an_hour_however_many_failures(throttled: Throttled) -> None:
    """A source that failed thousands of times waits 15 minutes and no longer."""
    throttled.fail("ada", HERE, 5000)
    assert throttled.wait_of("ada") == 900
    throttled.clock.time_ms += 899_000
    assert throttled.wait_of("ada") == 1
    throttled.clock.time_ms += 1000
    assert throttled.wait_of("ada") == 0


@pytest.mark.parametrize(("seconds", "wait_seconds"), [(3600, 8), (3601, 1)])
def test_failures_are_forgotten_after_an_hour(throttled: Throttled, seconds: int, wait_seconds: int) -> None:
    """An hour without a failure makes the next one the first again; a shorter pause does not."""
    throttled.fail("ada", HERE, 3)
    throttled.clock.time_ms += seconds * 1000
    throttled.fail("ada", HERE)
    assert throttled.wait_of("ada") == wait_seconds


def test_account_is_slowed_from_its_twenty_first_failure(throttled: Throttled) -> None:
    """Twenty failures from anywhere cost other sources nothing; the next one makes every new source wait."""
    for number in range(20):
        throttled.fail("Ada", f"source {number}")
    assert throttled.wait_of("ada") == 0
    throttled.fail("ADA", "source 20")
    assert throttled.wait_of("ada") == 1
    assert throttled.wait_of("ben") == 0


def test_known_source_waits_for_its_own_failures_only(throttled: Throttled) -> None:
    """The source from which an account's user logged in is not slowed by others, nor for another account."""
    throttled.throttle.succeeded("Ada", HERE)
    throttled.fail("ada", ELSEWHERE, 25)
    throttled.fail("ben", ELSEWHERE, 25)
    assert throttled.wait_of("ADA") == 0
    assert throttled.wait_of("ben") > 0
    throttled.fail("ada", HERE)
    assert throttled.wait_of("ada") == 1


def test_login_ends_the_wait_of_its_source_only(throttled: Throttled) -> None:
    """A success clears what its source had to wait, and leaves the waits of other sources."""
    throttled.fail("ada", HERE, 3)
    throttled.fail("ada", ELSEWHERE, 3)
    throttled.throttle.succeeded("ada", HERE)
    assert throttled.wait_of("ada", HERE) == 0
    assert throttled.wait_of("ada", ELSEWHERE) == 4


# --- what is kept ---


def test_full_throttle_forgets_the_oldest_source(throttled: Throttled) -> None:
    """Ten thousand sources are kept: a new guesser always waits, and makes the one longest silent forgotten."""
    for number in range(10_000):
        throttled.fail("ada", f"source {number}")
    assert throttled.wait_of("ben", "source 0") == 1
    throttled.fail("ada", "source 0")
    throttled.fail("ada", "newest")
    assert throttled.wait_of("ben", "newest") == 1
    assert throttled.wait_of("ben", "source 1") == 0
    assert throttled.wait_of("ben", "source 0") == 2
    assert throttled.wait_of("ben", "source 2") == 1


def test_full_throttle_forgets_the_oldest_account(throttled: Throttled) -> None:
    """Guessing at ten thousand accounts does not free the one that is guessed at last."""
    throttled.fail("first", ELSEWHERE, 21)
    throttled.fail("second", ELSEWHERE, 21)
    for number in range(9998):
        throttled.fail(f"account {number}", ELSEWHERE)
    assert throttled.wait_of("first") == 1
    throttled.fail("last", ELSEWHERE, 21)
    assert throttled.wait_of("first") == 0
    assert throttled.wait_of("second") == throttled.wait_of("last") == 1


def test_full_throttle_forgets_the_oldest_known_source(throttled: Throttled) -> None:
    """Ten thousand pairs of account and source are known; who logged in last stays known."""
    throttled.fail("ada", ELSEWHERE, 21)
    for number in range(10_000):
        throttled.throttle.succeeded("ada", f"source {number}")
    assert throttled.wait_of("ada", "source 0") == 0
    throttled.throttle.succeeded("ada", "source 0")
    throttled.throttle.succeeded("ada", "newest")
    assert throttled.wait_of("ada", "source 0") == throttled.wait_of("ada", "newest") == 0
    assert throttled.wait_of("ada", "source 1") == 1


def test_what_the_throttle_keeps_is_bounded(throttled: Throttled) -> None:
    """A million sources and accounts cost no more than ten thousand."""
    for number in range(10_100):
        throttled.fail(f"account {number}", f"source {number}")
        throttled.throttle.succeeded(f"account {number}", f"other {number}")
    kept = [throttled.throttle._by_source, throttled.throttle._by_account, throttled.throttle._known]
    assert [len(each) for each in kept] == [10_000] * 3  # type: ignore[arg-type]  # dictionaries of several kinds
