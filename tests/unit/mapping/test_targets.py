"""What becomes of an event by its type and name alone."""

import pytest

from tests.golden.cases import connection_of
from tiktok_forwarder.activity.event_names import MAX_NAME_LENGTH
from tiktok_forwarder.mapping.explanation.targets import can_be_mapped, targets_of

SIGNUP = {"event": "Subscribe", "event_type": "custom_event", "event_name": "Sign Up", "properties": {}}
SETTINGS = {
    "custom_mappings": [
        SIGNUP,
        {**SIGNUP, "event": "Contact", "conditions": [{"attribute": "a", "is": ["b"]}]},
        SIGNUP,
        {**SIGNUP, "event": "Lead", "event_type": "screen_view"},
        {**SIGNUP, "event": "Search", "event_type": "commerce_event", "event_name": "checkout"},
    ],
    "purchase_event": "Purchase",
    "standard_events": ["purchase", "checkout"],
}


@pytest.mark.parametrize(
    ("event_type", "name", "targets"),
    [
        ("custom_event", "sign up", ["Subscribe", "Contact"]),
        ("screen_view", "Sign Up", ["Lead"]),
        ("custom_event", "purchase", []),
        ("commerce_event", "Purchase", ["Purchase"]),
        ("commerce_event", "checkout", ["Search"]),
        ("commerce_event", "add_to_cart", []),
        ("session_start", "", []),
    ],
)
def test_targets_are_those_of_the_mappings_of_this_name(event_type: str, name: str, targets: list[str]) -> None:
    """As the mapping chooses: names in any case, a custom mapping instead of a standard one, only selected ones."""
    assert targets_of(connection_of(SETTINGS), event_type, name) == targets


@pytest.mark.parametrize(
    ("event_type", "name", "is_possible"),
    [
        ("custom_event", "Sign Up", True),
        ("screen_view", "Home", True),
        ("commerce_event", "refund", True),
        ("session_start", "", False),
        ("custom_event", "", False),
        ("user_identity_change", "x", False),
        ("custom_event", "hello redacted", False),
        ("custom_event", "x" * MAX_NAME_LENGTH, False),
    ],
)
def test_only_what_a_mapping_can_name_can_be_mapped(event_type: str, name: str, is_possible: bool) -> None:
    """A redacted or shortened name matches no event."""
    assert can_be_mapped(event_type, name, MAX_NAME_LENGTH) is is_possible
