"""The retry schedule, without a clock and without chance."""

import pytest

from tiktok_forwarder.domain.outcome import Answer, DeadLettered, Retry, TryLater
from tiktok_forwarder.domain.retry import AttemptHistory, RetryPolicy, after_failure, delay_seconds, would_count_twice

POLICY = RetryPolicy()
FAILED = TryLater(Answer(status=500))
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 300), (7, 300), (10_000, 300)]
)
def test_delays_double_up_to_the_cap(attempts: int, seconds: float) -> None:
    """10 s, doubling, at most 300 s, with jitter of a fifth to either side."""
    assert delay_seconds(POLICY, attempts, 0.5) == seconds
    assert delay_seconds(POLICY, attempts, 0.0) == pytest.approx(seconds * 0.8)
    assert delay_seconds(POLICY, attempts, 1.0) == pytest.approx(seconds * 1.2)


def test_a_failed_event_waits_for_its_delay() -> None:
    """The retry is due after the delay and keeps the answer and whether it may have arrived."""
    verdict = TryLater(Answer(status=502), may_have_arrived=True)
    outcome = after_failure(POLICY, verdict, AttemptHistory(2, 0), now_ms=50_000, chance=0.5)
    assert outcome == Retry(70_000, verdict.answer, counts=True, may_have_arrived=True)


@pytest.mark.parametrize(
    ("attempts", "elapsed_ms", "paused_ms", "given_up"),
    [
        (290, DAY_MS, 0, True),
        (290, DAY_MS - 1, 0, False),
        (3, 30 * DAY_MS, 0, True),
        (2, 30 * DAY_MS, 0, False),
        (290, 3 * DAY_MS, 3 * DAY_MS - HOUR_MS, False),
        (290, 3 * DAY_MS, 2 * DAY_MS, True),
    ],
)
def test_giving_up_needs_the_window_and_the_attempts(
    attempts: int, elapsed_ms: int, paused_ms: int, given_up: bool
) -> None:
    """24 hours from the first attempt, less the time paused, and never fewer than 3 attempts."""
    outcome = after_failure(POLICY, FAILED, AttemptHistory(attempts, 0, paused_ms), elapsed_ms, 0.5)
    assert (outcome == DeadLettered("retries_exhausted", FAILED.answer)) is given_up


def test_a_request_that_tiktok_keeps_failing_on_ends_early() -> None:
    """40700 is tried five times, then the event counts as refused."""
    verdict = TryLater(Answer(code=40700), few_attempts=True)
    assert isinstance(after_failure(POLICY, verdict, AttemptHistory(4, 0), 1000, 0.5), Retry)
    assert after_failure(POLICY, verdict, AttemptHistory(5, 0), 1000, 0.5) == DeadLettered("refused", verdict.answer)


@pytest.mark.parametrize(
    ("unanswered_at_ms", "now_ms", "twice"),
    [(None, 100 * DAY_MS, False), (0, 2 * DAY_MS, False), (0, 2 * DAY_MS + 1, True), (5 * DAY_MS, 0, False)],
)
def test_an_event_that_may_have_arrived_is_not_sent_after_48_hours(
    unanswered_at_ms: int | None, now_ms: int, twice: bool
) -> None:
    """TikTok recognises a repeat for 48 hours; a clock set back changes nothing."""
    assert would_count_twice(POLICY, unanswered_at_ms, now_ms) is twice
