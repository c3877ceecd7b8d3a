"""Pasted connections, and whose token must be typed."""

import pytest

from tiktok_forwarder.connections.connections import Difference, FieldChange
from tiktok_forwarder.console.import_text import digest_of, read_pasted

TEXT = """
[[connections]]
name = "Known"
access_token = "env:KNOWN_TOKEN"
[[connections]]
name = " KNOWN too "
access_token = "word"
[[connections]]
name = "New"
access_token = "env:NEW_TOKEN"
[[connections]]
pixel_id = "C9"
"""


def test_tokens_are_typed_for_new_connections_only() -> None:
    """A known one keeps its token, unless the text holds another; references are never passed on."""
    pasted = read_pasted(TEXT, {"known", "known too"}, {})
    assert [(each.field, each.connection, each.variable) for each in pasted.tokens] == [
        ("token-2", "New", "NEW_TOKEN"),
        ("token-3", "connection 4", ""),
    ]
    assert [each.get("access_token") for each in pasted.connections] == [None, "word", None, None]
    assert pasted.missing == pasted.tokens


def test_a_look_needs_no_token() -> None:
    """A word stands in its place, which the API is never given to keep."""
    pasted = read_pasted(TEXT, {"known", "known too"}, {"token-3": "typed"})
    assert [each.get("access_token") for each in pasted.for_dry_run()] == [None, "word", "to-be-typed", "typed"]
    assert [each.field for each in pasted.missing] == ["token-2"]
    assert pasted.connections[2].get("access_token") is None


@pytest.mark.parametrize("other", [[], [Difference("Shop", "add", [])]])
def test_another_difference_has_another_digest(other: list[Difference]) -> None:
    """Whatever it is that differs."""

    def difference() -> Difference:
        return Difference("Shop", "change", [FieldChange("platforms", "web", "any")])

    assert digest_of([difference()]) == digest_of([difference()])
    assert digest_of([difference()]) != digest_of(other)
