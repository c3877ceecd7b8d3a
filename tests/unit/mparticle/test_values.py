"""What loosely typed scalars mean."""

import math

import pytest

from tiktok_forwarder.mparticle.values import flag_text, milliseconds_of, number_of, text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" a b ", "a b"),
        ("\u3000x\u00a0", "x"),
        ("", None),
        ("  ", None),
        (None, None),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-5, "-5"),
        (10**30, "1" + "0" * 30),
        (2.0, "2"),
        (2.5, "2.5"),
        (1e22, "10000000000000000000000"),
        (math.nan, None),
        (math.inf, None),
        ([], None),
        ({"a": 1}, None),
    ],
)
def test_text_of(value: object, text: str | None) -> None:
    """Text is stripped; numbers and booleans become text, whole ones without a point; all else is absent."""
    assert text_of(value) == text


@pytest.mark.parametrize("value", [5, True, None, [], {}, " "])
def test_flags_take_text_only(value: object) -> None:
    """A number in a flag is not a page address."""
    assert flag_text(value) is None


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5),
        (5.5, 5.5),
        (" 24 ", 24),
        ("-1.50", -1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("+7", 7),
        ("1e400", math.inf),
        (10**400, math.inf),
        (-(10**400), -math.inf),
        ("Infinity", math.inf),
        ("", None),
        ("1_000", None),
        ("1,000", None),
        ("٣", None),
        ("0x10", None),
        ("$5", None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_number_of(value: object, number: float | None) -> None:
    """Numbers may stand in ASCII text; what is beyond a double is infinite; all else is absent."""
    assert number_of(value) == number


def test_not_a_number_in_text_is_a_number_that_is_none() -> None:
    """It is given, but non-finite."""
    number = number_of("NaN")
    assert number is not None
    assert math.isnan(number)


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [(1735689600123, 1735689600123), ("1735689600123", 1735689600123), (1.9, 1), (-1.5, -2), ("", None), ("x", None)],
)
def test_milliseconds_of(value: object, milliseconds: int | None) -> None:
    """Times may stand in text, as the outputs have them, and are rounded down."""
    assert milliseconds_of(value) == milliseconds


def test_milliseconds_of_non_finite_numbers_are_absent() -> None:
    """No time is infinitely late."""
    assert [milliseconds_of(value) for value in (math.inf, math.nan, "1e999")] == [None, None, None]
