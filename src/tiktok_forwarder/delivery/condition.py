"""The condition of a connection: what people see first. Which of several applies is decided here and nowhere else."""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from tiktok_forwarder.delivery.check_records import CheckRecord
from tiktok_forwarder.delivery.interfaces import DeliveryCondition, DeliveryStatus, DeliveryTarget
from tiktok_forwarder.delivery.pauses import BY_SERVICE, Pause

# In these conditions, a connection's events do not reach TikTok until someone does something.
_STOPPED: Final[frozenset[DeliveryCondition]] = frozenset({"paused", "refused"})
_SLOWED: Final = "TikTok is limiting the request rate. The rate recovers automatically."


class ConditionFacts(Struct, frozen=True):
    """What the condition depends on; `check` is TikTok's latest answer about pixel and access token as they are now."""

    is_enabled: bool
    pause: Pause | None
    check: CheckRecord | None
    is_slowed: bool
    has_test_event_code: bool
    is_recording: bool = False


def condition_of(facts: ConditionFacts) -> DeliveryCondition:
    """Return the first of these that applies.

    1. `disabled`: people have decided that nothing is to be sent, whatever TikTok would say.
    2. `refused`: TikTok has refused the settings, so the service has paused the connection.
    3. `paused`: by a person, or by the service for another reason.
    4. `recording`: new events are only recorded, whatever TikTok would say. What waited before is delivered.
    5. `refused`: by TikTok's latest answer, though nothing has been paused.
    6. `throttled`: events arrive, but late.
    7. `not_checked`: TikTok has not accepted pixel and access token as they are now.
    8. `test`: TikTok has accepted them, and counts every event as a test.
    9. `live`: TikTok has accepted them, and events count.
    """
    if not facts.is_enabled:
        return "disabled"
    if facts.pause is not None:
        return "refused" if facts.pause.is_refusal else "paused"
    return "recording" if facts.is_recording else _sending_condition(facts)


def _sending_condition(facts: ConditionFacts) -> DeliveryCondition:
    """Return the condition of a connection that delivers what it receives."""
    outcome = facts.check.answer.outcome if facts.check is not None else "unknown"
    if outcome == "refused":
        return "refused"
    if facts.is_slowed:
        return "throttled"
    if outcome != "good":
        return "not_checked"
    return "test" if facts.has_test_event_code else "live"


def is_stopped(status: DeliveryStatus) -> bool:
    """Return whether someone must act: for the overview, the menu's count and the notices, which name the same ones."""
    return status.condition in _STOPPED


def status_of(
    target: DeliveryTarget,
    pause: Pause | None,
    check: CheckRecord | None,
    *,
    is_slowed: bool = False,
    slowed_since_ms: int | None = None,
) -> DeliveryStatus:
    """Return the status with the condition and its reason, without what only the delivering node knows."""
    facts = ConditionFacts(
        target.enabled, pause, check, is_slowed, target.test_event_code is not None, target.is_recording
    )
    status = DeliveryStatus(
        target.connection_id,
        condition_of(facts),
        is_paused=pause is not None,
    )
    if check is not None:
        status = replace(status, check=check.answer.outcome, checked_at_ms=check.at_ms)
    if pause is not None:
        status = replace(status, reason=pause.reason, code=pause.code, since_ms=pause.since_ms, by=pause.by)
    elif status.condition == "throttled":
        return replace(status, reason=_SLOWED, since_ms=slowed_since_ms, by=BY_SERVICE)
    elif check is not None and status.condition in ("refused", "not_checked"):
        status = replace(status, reason=check.answer.message, code=check.answer.code, since_ms=check.at_ms)
    if check is not None and status.condition == "refused":
        status = replace(status, tiktok_message=check.answer.tiktok_message)
    return status
