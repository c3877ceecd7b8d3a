"""Which outcomes a person has to act on: the one place that decides what pages show in red."""

from typing import get_args

from tiktok_forwarder.domain.outcome import (
    CONNECTION_FULL,
    INTENDED_DROPS,
    RECORDED,
    REPLAYABLE,
    DeadLetterReason,
    DropReason,
    is_loss,
)

LOSSES = {
    "malformed_event",
    "missing_required_attribute",
    "event_too_old",
    "missing_page_url",
    "invalid_page_url",
    "missing_ip",
    "missing_user_agent",
    CONNECTION_FULL,
}


def test_drop_is_intended_or_a_loss() -> None:
    """A new reason is classified here and in the program; one that this version does not know is shown as a loss."""
    reasons = {*get_args(DropReason), CONNECTION_FULL, RECORDED}
    assert {reason for reason in reasons if is_loss(reason)} == LOSSES
    assert reasons >= INTENDED_DROPS and is_loss("of another version")


def test_replay_helps_where_the_bytes_were_not_refused() -> None:
    """It sends the same bytes to the same connection."""
    assert set(get_args(DeadLetterReason)) - REPLAYABLE == {"refused", "connection_deleted", "unreadable"}
