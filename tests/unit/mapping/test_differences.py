"""What differs between two outcomes of one event."""

from typing import Any

from tests.unit.mapping.batches import batch_of, outcomes_of, purchase
from tiktok_forwarder.mapping.explanation.differences import differences

PURCHASE = batch_of(purchase(custom_attributes={"description": "Shoes"}))
SUBSCRIBE = {
    "event": "Subscribe",
    "event_type": "commerce_event",
    "event_name": "purchase",
    "properties": {"value": {"static": 3}},
}


def lines(before: dict[str, Any], after: dict[str, Any], batch: Any = PURCHASE) -> list[str]:
    return differences(outcomes_of(batch, **before), outcomes_of(batch, **after))


def test_the_same_settings_make_no_difference() -> None:
    """Nothing is told where TikTok gets the same."""
    assert lines({}, {}) == []
    assert lines({}, {"name": "Another name"}) == []


def test_each_field_that_changes_is_a_line() -> None:
    """Its path, what it was and what it becomes."""
    assert lines({}, {"custom_mappings": [SUBSCRIBE]}) == [
        "sent as: PlaceAnOrder → Subscribe",
        "properties.value: 12.5 → 3",
        'properties.order_id: "o1" → nothing',
    ]


def test_a_drop_is_told_by_its_reason() -> None:
    """And that nothing is sent then."""
    told = lines({}, {"environment": "development"})
    assert told[0] == "sent as: PlaceAnOrder → nothing"
    assert "dropped because of: nothing → environment mismatch" in told


def test_several_events_of_one_are_told_apart() -> None:
    """Each field says whose it is."""
    both = {"custom_mappings": [SUBSCRIBE, {**SUBSCRIBE, "event": "CompletePayment", "properties": {}}]}
    told = lines({"custom_mappings": [SUBSCRIBE]}, both)
    assert told[0] == "sent as: Subscribe → Subscribe, CompletePayment"
    assert "CompletePayment, properties.value: nothing → 12.5" in told
