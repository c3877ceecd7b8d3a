"""The fields of a payload: each with its value, whole or shortened, and its explanation."""

from tiktok_forwarder.console.activity.fields import field_rows
from tiktok_forwarder.mapping.explanation.explain import Explanation

DIGEST = "0123456789abcdef" * 4
PAYLOAD = {
    "event": "Search",
    "event_time": 1_735_689_600,
    "user": {"email": DIGEST, "user_agent": "M" * 300},
    "properties": {"contents": [{"price": 1.5}, {"price": 2}], "content_ids": ["a", "b"]},
    "limited_data_use": True,
}


def test_fields_stand_in_the_order_of_the_payload_under_the_paths_of_explanations() -> None:
    """Lists of objects by index, other lists whole, numbers as they are sent."""
    rows = field_rows(
        PAYLOAD,
        [
            Explanation("user.email", ("user_identities.email", "connection.email_identity_type"), "SHA-256"),
        ],
    )
    assert [(row.path, row.shown) for row in rows if not row.is_shortened] == [
        ("event", "Search"),
        ("event_time", "1735689600"),
        ("properties.contents[0].price", "1.5"),
        ("properties.contents[1].price", "2"),
        ("properties.content_ids", '["a","b"]'),
        ("limited_data_use", "true"),
    ]
    [email] = [row for row in rows if row.path == "user.email"]
    assert (email.sources, email.done) == (("user_identities.email", "setting “Email Identity Type”"), "SHA-256")
    assert rows[0].sources == () and rows[0].done == ""


def test_digests_and_long_texts_are_shortened_and_kept_whole_beside() -> None:
    """A digest to twelve characters."""
    email, agent = [row for row in field_rows(PAYLOAD, []) if row.is_shortened]
    assert (email.shown, email.full, email.is_digest) == ("0123456789ab…", DIGEST, True)
    assert agent.full == "M" * 300 and len(agent.shown) == 121 and not agent.is_digest
