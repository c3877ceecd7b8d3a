"""Delivery statuses between nodes, of which one may run the version before."""

import json
from typing import Any

import pytest

from tiktok_forwarder.delivery.interfaces import DeliveryStatus
from tiktok_forwarder.delivery.node_answers import decode_statuses, encode_statuses
from tiktok_forwarder.domain.outcome import Answer

STATUSES = [
    DeliveryStatus("a", "live", last_answer=Answer(200, 0, "OK"), requests_per_second=500.0, check="good"),
    DeliveryStatus("b", "refused", "No permission.", 40001, 1, is_paused=True, tiktok_message="No"),
]


def test_status_comes_back_as_it_was_sent() -> None:
    """With TikTok's last answer and everything that only the delivering node knows."""
    assert list(decode_statuses(encode_statuses(STATUSES))) == STATUSES


@pytest.mark.parametrize(
    ("status", "earlier"),
    [
        (DeliveryStatus("c", "not_checked"), "healthy"),
        (DeliveryStatus("c", "test"), "healthy"),
        (DeliveryStatus("c", "live"), "healthy"),
        (DeliveryStatus("c", "refused"), "healthy"),
        (DeliveryStatus("c", "refused", is_paused=True), "paused"),
        (DeliveryStatus("c", "disabled", is_paused=True), "paused"),
        (DeliveryStatus("c", "disabled"), "disabled"),
        (DeliveryStatus("c", "throttled"), "throttled"),
    ],
)
def test_node_of_the_version_before_reads_a_condition_that_it_knows(status: DeliveryStatus, earlier: str) -> None:
    """It would refuse another one, and show its console's users an error."""
    (entry,) = json.loads(encode_statuses([status]))
    assert entry["condition"] == earlier


def test_answer_of_the_version_before_is_omitted() -> None:
    """Its healthy says nothing about TikTok's answer; what is stored is shown instead."""
    before: dict[str, Any] = {"connection_id": "c", "condition": "healthy", "reason": "", "requests_in_flight": 0}
    assert list(decode_statuses(json.dumps([before]).encode())) == []
