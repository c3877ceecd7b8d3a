"""Errors are not larger than what they are about."""

import pytest

from tiktok_forwarder.domain.errors import ConfigurationError


@pytest.mark.parametrize(("problems", "shown", "last"), [(101, 101, "problem 100"), (102, 101, "and 2 more problems")])
def test_first_100_problems_are_named(problems: int, shown: int, last: str) -> None:
    """The others are counted."""
    error = ConfigurationError([f"problem {number}" for number in range(problems)])
    assert len(error.problems) == shown
    assert error.problems[-1] == last


def test_problem_has_at_most_1000_characters() -> None:
    """It may name a key that someone pasted; what is left out is its middle."""
    error = ConfigurationError(["k" * 1000, "a" * 501 + "b" * 500])
    assert error.problems == ("k" * 1000, "a" * 500 + "…" + "b" * 500)


def test_number_of_further_problems_stays_when_they_get_a_label() -> None:
    """The problems of a connection of many are named with its place."""
    error = ConfigurationError([f"problem {number}" for number in range(500)])
    again = ConfigurationError([f"connections[0]: {problem}" for problem in error.problems])
    assert again.problems[-1] == "connections[0]: and 400 more problems"
