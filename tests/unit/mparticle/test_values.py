"""What loosely typed scalars mean."""

import math

import pytest

from tiktok_forwarder.mparticle.values import flag_text, is_dummy, number_of, text_of, time_of, visible


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


def test_names_of_numbers_are_no_numbers() -> None:
    """A text that says NaN or Infinity is a word; as JSON numbers they are numbers that are not finite."""
    assert [number_of(text) for text in ("NaN", "Infinity", "-inf", "nan")] == [None, None, None, None]
    assert number_of(-math.inf) == -math.inf
    not_a_number = number_of(math.nan)
    assert not_a_number is not None
    assert math.isnan(not_a_number)


@pytest.mark.parametrize(
    "text",
    [
        *("0", "False", "TRUE", "null", "(null)", "nil", "undefined", "None", "NaN", "n/a", "unknown", "Anonymous"),
        *("guest", "[object Object]", "00000000-0000-0000-0000-000000000000", "000", "---", "***", "…", "_"),
    ],
)
def test_what_stands_for_nothing_is_a_dummy(text: str) -> None:
    """Pages and serializers write these words when they have no value, or only zeros or marks."""
    assert is_dummy(text)


@pytest.mark.parametrize("text", ["1", "a", "guest1", "00000000-0000-0000-0000-000000000001", "0.5", "é", "٣", "no ne"])
def test_any_other_text_is_no_dummy(text: str) -> None:
    """A letter or a digit other than zero makes a value, whatever the script."""
    assert not is_dummy(text)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain", "plain"),
        ("a\u200bb\ufeffc", "abc"),
        ("\u202d+1\u202c", "+1"),
        ("x\u00ady", "xy"),
        ("5\ufe0f5", "55"),
        ("a\x00b\x7fc\x9bd", "abcd"),
        ("a\tb\nc\x1cd\x85e", "a\tb\nc\x1cd\x85e"),
        ("ü\u0301", "ü\u0301"),
    ],
)
def test_invisible_characters_are_taken_out(text: str, seen: str) -> None:
    """Formats, variation selectors and controls go; white space and marks on letters stay."""
    assert visible(text) == seen


@pytest.mark.parametrize(
    ("value", "milliseconds", "warning"),
    [
        (1735689600123, 1735689600123, None),
        ("1735689600123", 1735689600123, None),
        (1735689600123.9, 1735689600123, None),
        (1, 1, None),
        (99_999_999, 99_999_999, None),
        (100_000_000, 100_000_000_000, "timestamp_unit_guessed"),
        (1735689600.1239, 1735689600123, "timestamp_unit_guessed"),
        ("99999999999", 99_999_999_999_000, "timestamp_unit_guessed"),
        (100_000_000_000, 100_000_000_000, None),
        (99_999_999_999_999, 99_999_999_999_999, None),
        (100_000_000_000_000, 100_000_000_000, "timestamp_unit_guessed"),
        (99_999_999_999_999_999, 99_999_999_999_999, "timestamp_unit_guessed"),
        (100_000_000_000_000_000, 100_000_000_000, "timestamp_unit_guessed"),
        (1735689600123999999, 1735689600123, "timestamp_unit_guessed"),
        ("2025-01-01T01:00:00.250+01:00", 1735689600250, None),
        ("2025-01-01 00:00:00", 1735689600000, None),
        ("2025-01-01", 1735689600000, None),
        ("1970-01-01T00:00:00Z", None, "invalid_timestamp"),
        ("0001-01-01T00:00:00+14:00", None, "invalid_timestamp"),
        *((value, None, "invalid_timestamp") for value in (0, -1, 0.9, "0.5", "yesterday", "1e-400", "1e999", 10**400)),
        *((value, None, "invalid_timestamp") for value in (math.inf, math.nan, "NaN", -math.inf)),
        *((value, None, None) for value in ("", "  ", None, True, [1])),
        ("0." + "9" * 40, None, "invalid_timestamp"),
        ("1." + "0" * 5000, 1, None),
    ],
)
def test_times(value: object, milliseconds: int | None, warning: str | None) -> None:
    """Times may be text, dates, seconds, micro- or nanoseconds; what is none is said, unless nothing was given."""
    assert time_of(value) == (milliseconds, warning)
