"""The condition of a connection: which one of several is shown, and with which reason."""

from itertools import product
from typing import get_args

import pytest

from tiktok_forwarder.delivery.check_records import CheckAnswer, CheckedSettings, CheckRecord
from tiktok_forwarder.delivery.condition import ConditionFacts, condition_of, is_stopped, status_of
from tiktok_forwarder.delivery.interfaces import DeliveryCondition, DeliveryStatus, DeliveryTarget
from tiktok_forwarder.delivery.pauses import Pause

TARGET = DeliveryTarget("c", 1, enabled=True, pixel_id="C9")
BY_ANN = Pause("by_hand", "stocktaking", 100, "ann", 1)
REFUSAL = Pause("misconfigured", "The token is wrong.", 200, "service", 1, 40105)
REFUSED_EVENTS = Pause("refusals", "20 in a row", 200, "service", 1, 40002)
NO_ANSWER_OF_TIKTOK = Pause("misconfigured", "The certificate is wrong.", 200, "service", 1)


def record(answer: CheckAnswer) -> CheckRecord:
    return CheckRecord(CheckedSettings("hash", None, "2.0"), answer, 300, "check")


GOOD = record(CheckAnswer("good", "fine", 40002))
REFUSED = record(CheckAnswer("refused", "No permission.", 40001, "No permission to operate pixel code"))
UNKNOWN = record(CheckAnswer("unknown", "TikTok could not be reached."))


@pytest.mark.parametrize(
    ("facts", "condition"),
    [
        (ConditionFacts(True, None, None, False, False), "not_checked"),
        (ConditionFacts(True, None, None, False, True), "not_checked"),
        (ConditionFacts(True, None, UNKNOWN, False, False), "not_checked"),
        (ConditionFacts(True, None, GOOD, False, False), "live"),
        (ConditionFacts(True, None, GOOD, False, True), "test"),
        (ConditionFacts(True, None, None, True, False), "throttled"),
        (ConditionFacts(True, None, GOOD, True, True), "throttled"),
        (ConditionFacts(True, None, REFUSED, True, True), "refused"),
        (ConditionFacts(True, BY_ANN, REFUSED, True, False), "paused"),
        (ConditionFacts(True, BY_ANN, GOOD, False, False), "paused"),
        (ConditionFacts(True, NO_ANSWER_OF_TIKTOK, GOOD, False, False), "paused"),
        (ConditionFacts(True, REFUSAL, GOOD, False, True), "refused"),
        (ConditionFacts(True, REFUSED_EVENTS, GOOD, False, False), "refused"),
        (ConditionFacts(True, None, REFUSED, True, True, is_recording=True), "recording"),
        (ConditionFacts(True, BY_ANN, GOOD, False, False, is_recording=True), "paused"),
        (ConditionFacts(False, None, GOOD, False, False, is_recording=True), "disabled"),
        (ConditionFacts(False, REFUSAL, REFUSED, True, True), "disabled"),
    ],
)
def test_condition_is_the_first_that_applies(facts: ConditionFacts, condition: str) -> None:
    """What keeps events from TikTok comes before what delays them, and that before what TikTok does with them."""
    assert condition_of(facts) == condition


def test_condition_is_never_live_or_test_without_an_accepting_answer() -> None:
    """Whatever else holds: a badge that promises more than TikTok has said is worse than none."""
    facts = [
        ConditionFacts(*each)
        for each in product(
            (True, False),
            (None, BY_ANN, REFUSAL, REFUSED_EVENTS, NO_ANSWER_OF_TIKTOK),
            (None, REFUSED, UNKNOWN),
            (True, False),
            (True, False),
        )
    ]
    assert {condition_of(each) for each in facts}.isdisjoint({"live", "test"})


def test_status_of_a_refusal_has_tiktoks_message_and_code() -> None:
    """Without a pause it is since the check; with one since the pause, whose reason and code it has."""
    status = status_of(TARGET, None, REFUSED)
    assert (status.condition, status.is_paused, status.check) == ("refused", False, "refused")
    assert (status.reason, status.code, status.since_ms, status.by) == ("No permission.", 40001, 300, "")
    assert status.tiktok_message == "No permission to operate pixel code"
    paused = status_of(TARGET, REFUSAL, REFUSED)
    assert (paused.condition, paused.is_paused, paused.since_ms) == ("refused", True, 200)
    assert (paused.reason, paused.code, paused.by) == ("The token is wrong.", 40105, "service")
    assert paused.tiktok_message == "No permission to operate pixel code"


def test_status_without_an_answer_shows_why() -> None:
    """The last attempt to ask TikTok, and its time; nothing before the first one."""
    status = status_of(TARGET, None, UNKNOWN)
    assert (status.condition, status.reason, status.code) == ("not_checked", "TikTok could not be reached.", None)
    assert (status.check, status.since_ms, status.checked_at_ms) == ("unknown", 300, 300)
    assert status_of(TARGET, None, None) == type(status)("c", "not_checked")


def test_status_that_is_good_needs_no_reason() -> None:
    """A sentence of the check stays with the check; a person's pause keeps its own."""
    status = status_of(TARGET, None, GOOD)
    assert (status.condition, status.reason, status.code, status.since_ms) == ("live", "", None, None)
    assert (status.check, status.checked_at_ms, status.tiktok_message) == ("good", 300, "")
    paused = status_of(TARGET, BY_ANN, GOOD)
    assert (paused.condition, paused.reason, paused.by, paused.since_ms) == ("paused", "stocktaking", "ann", 100)


def test_disabled_connection_keeps_the_facts_of_its_pause() -> None:
    """Enabled again it would still be paused, so people must be able to see and end the pause."""
    status = status_of(DeliveryTarget("c", 1, enabled=False, pixel_id="C9"), BY_ANN, None)
    assert (status.condition, status.is_paused, status.reason, status.by) == ("disabled", True, "stocktaking", "ann")


def test_connection_is_stopped_only_when_someone_must_act() -> None:
    """A disabled connection is a person's choice even if it is paused too; a slow one recovers automatically."""
    statuses = [DeliveryStatus("c", each, is_paused=True) for each in get_args(DeliveryCondition)]
    assert {each.condition for each in statuses if is_stopped(each)} == {"paused", "refused"}
