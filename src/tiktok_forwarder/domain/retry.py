"""When a failed event is tried again, and when it becomes a dead letter: pure, with the random number passed in."""

from typing import Final

from msgspec import Struct

from tiktok_forwarder.domain.outcome import DeadLettered, Retry, TryLater

_HOUR_SECONDS: Final = 3600
# TikTok ignores an event ID that it has seen within this time; a store does the same.
REPEATABLE_SECONDS: Final = 48 * _HOUR_SECONDS

MAX_WINDOW_SECONDS: Final = REPEATABLE_SECONDS - _HOUR_SECONDS
"""The longest retry window: its last attempt must end while TikTok still knows the first."""


class RetryPolicy(Struct, frozen=True):
    """The schedule of retries.

    The window of 24 hours is within the 48 hours of `REPEATABLE_SECONDS`; `few_attempts` is for requests that TikTok
    itself keeps failing on.
    """

    first_delay_seconds: float = 10.0
    max_delay_seconds: float = 300.0
    jitter: float = 0.2
    window_seconds: float = 24 * _HOUR_SECONDS
    min_attempts: int = 3
    few_attempts: int = 5
    repeatable_seconds: float = REPEATABLE_SECONDS


class AttemptHistory(Struct, frozen=True):
    """An event's past after one more failed attempt: `attempts` counts that one too.

    `paused_ms` is how long its connection was paused since the first attempt: paused time uses up nothing.
    """

    attempts: int
    first_attempt_at_ms: int
    paused_ms: int = 0


def delay_seconds(policy: RetryPolicy, attempts: int, chance: float) -> float:
    """Return how long to wait after `attempts` failures; `chance` is a random number from 0 to 1."""
    doublings = min(max(attempts - 1, 0), 32)
    delay = min(policy.first_delay_seconds * 2.0**doublings, policy.max_delay_seconds)
    return delay * (1 + policy.jitter * (2 * chance - 1))


def after_failure(
    policy: RetryPolicy, verdict: TryLater, history: AttemptHistory, now_ms: int, chance: float
) -> Retry | DeadLettered:
    """Return the outcome of an event whose attempt failed without being the event's fault."""
    if verdict.few_attempts and history.attempts >= policy.few_attempts:
        return DeadLettered("refused", verdict.answer)
    if _is_exhausted(policy, history, now_ms):
        return DeadLettered("retries_exhausted", verdict.answer)
    due_ms = now_ms + round(delay_seconds(policy, history.attempts, chance) * 1000)
    return Retry(due_ms, verdict.answer, may_have_arrived=verdict.may_have_arrived)


def would_count_twice(policy: RetryPolicy, unanswered_at_ms: int | None, now_ms: int) -> bool:
    """Return whether TikTok may hold the event already and would no longer recognize it as a repeat."""
    return unanswered_at_ms is not None and now_ms - unanswered_at_ms > policy.repeatable_seconds * 1000


def _is_exhausted(policy: RetryPolicy, history: AttemptHistory, now_ms: int) -> bool:
    """Return whether both limits are reached: after an outage of the service itself, no event ends untried."""
    tried_for_ms = now_ms - history.first_attempt_at_ms - history.paused_ms
    return history.attempts >= policy.min_attempts and tried_for_ms >= policy.window_seconds * 1000
