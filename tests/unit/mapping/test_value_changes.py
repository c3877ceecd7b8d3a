"""Differences between two values with parts, as people see them."""

from tiktok_forwarder.mapping.explanation.differences import ValueChange, value_changes


def test_parts_that_differ_are_named_by_their_path() -> None:
    """A part that only one of them has is compared with nothing."""
    before = {"a": 1, "b": [{"c": "x"}, {"c": "y"}], "gone": True}
    after = {"a": 1, "b": [{"c": "x"}, {"c": "z"}, {"c": "new"}]}
    assert value_changes(before, after) == [
        ValueChange("b[1].c", '"y"', '"z"'),
        ValueChange("gone", "true", "nothing"),
        ValueChange("b[2].c", "nothing", '"new"'),
    ]


def test_numbers_are_compared_by_value() -> None:
    """45 is 45.0, and 1 is not true."""
    assert value_changes({"a": 45}, {"a": 45.0}) == []
    assert value_changes({"a": 1}, {"a": True}) == [ValueChange("a", "1", "true")]
