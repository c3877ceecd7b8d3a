"""Reads a loosely typed scalar of a batch as text or as a number.

mParticle's senders put numbers into text (Decimals of the Python SDK, 64-bit IDs of the outputs) and text where numbers
belong; blank, `null` and the wrong kind of value count as absent.
"""

import math
import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from typing import Final, NamedTuple

Number = int | float

# ASCII only: Python's own float() would also take underscores and other scripts' digits.
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_MAX_NUMBER_CHARACTERS: Final = 4096
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,15}", re.ASCII)
# Beyond this a double no longer holds every integer, so a JSON reader at the other end would round anyway.
EXACT_INTEGERS: Final = 2**53


def text_of(value: object) -> str | None:
    """Return stripped text, or a number or boolean as text; None if that leaves nothing."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    return None


def flag_text(value: object) -> str | None:
    """Return stripped text, or None if the value is not text (flags, `page_url`, `event_type`)."""
    return value.strip() or None if isinstance(value, str) else None


def number_of(value: object) -> Number | None:
    """Return a number, possibly infinite or NaN; None if it is absent or of the wrong kind."""
    if isinstance(value, float):
        return value
    if isinstance(value, str):
        return _number_in_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _exact(value)
    return None


def _exact(value: int) -> Number:
    if -EXACT_INTEGERS <= value <= EXACT_INTEGERS:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _number_in_text(text: str) -> Number | None:
    text = text.strip()
    if len(text) > _MAX_NUMBER_CHARACTERS:
        return None
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else None


# --- placeholders and invisible characters ---------------------------------------------------------------------------

# What pages and serializers write when they have no value.
_DUMMIES: Final = frozenset(
    """0 false true null (null) nil undefined none nan n/a unknown anonymous guest""".split()  # noqa: SIM905
) | {"[object object]"}
_LONGEST_DUMMY: Final = max(map(len, _DUMMIES))
_ZEROS: Final = re.compile(r"[0-]+")
_LETTER_OR_DIGIT: Final = re.compile(r"[^\W_]")
_WHITE_CONTROLS: Final = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85")
_VARIATION_SELECTORS: Final = re.compile("[\ufe00-\ufe0f]")


def is_dummy(text: str) -> bool:
    """Return whether the text stands for "nothing": a word such as `undefined`, the nil UUID, or marks only."""
    if len(text) <= _LONGEST_DUMMY and text.lower() in _DUMMIES:
        return True
    # The quick way for nearly every text; the last line is the rule.
    if text[:1].isalnum() and text[0] != "0":
        return False
    if len(text) > MAX_RAW_CHARACTERS:
        return False
    return _ZEROS.fullmatch(text) is not None or _LETTER_OR_DIGIT.search(text) is None


@cache
def invisible_characters() -> re.Pattern[str]:
    """Return what finds characters that cannot be seen: formats, controls that are no white space, variation selectors.

    Made when first needed, from the tables of this Python's Unicode version, in 20 ms.
    """
    # Two sets: one set with characters of both kinds would be searched like a list.
    return re.compile(f"[{_invisible_in(range(0x10000))}]+|[{_invisible_in(_HIGH_PLANES)}]+")


# Those with assigned characters other than letters.
_HIGH_PLANES: Final = (*range(0x10000, 0x20000), *range(0xE0000, 0xE1000))


def _invisible_in(codes: Iterable[int]) -> str:
    return "".join([re.escape(chr(code)) for code in codes if _is_invisible(chr(code))])


def _is_invisible(character: str) -> bool:
    if "\ufe00" <= character <= "\ufe0f":
        return True
    category = unicodedata.category(character)
    return category == "Cf" or (category == "Cc" and character not in _WHITE_CONTROLS)


def visible(text: str) -> str:
    """Return the text without invisible characters, which copies carry."""
    if text.isprintable() and (text.isascii() or _VARIATION_SELECTORS.search(text) is None):
        return text
    return invisible_characters().sub("", text)


MAX_RAW_CHARACTERS: Final = 16_384
"""A text that is longer is too long for every field, even without its invisible characters, which stay."""


def visible_text(value: object) -> str | None:
    """Return what `text_of` would, without invisible characters."""
    text = value.strip() if type(value) is str else text_of(value)
    if not text or len(text) > MAX_RAW_CHARACTERS or (text.isascii() and text.isprintable()):
        return text or None
    return visible(text).strip() or None


# --- times -----------------------------------------------------------------------------------------------------------

_SECONDS: Final = 10**8
_MILLISECONDS: Final = 10**11
_MICROSECONDS: Final = 10**14
_NANOSECONDS: Final = 10**17
_MAX_NUMBER_LENGTH: Final = 64


class Time(NamedTuple):
    """`milliseconds` since 1970, None if the value is no time; `warning` names what is wrong with it, if anything."""

    milliseconds: int | None
    warning: str | None = None


_ABSENT: Final = Time(None)
_INVALID: Final = Time(None, "invalid_timestamp")


def is_milliseconds(value: int) -> bool:
    """Return whether a number can only be meant as milliseconds since 1970: from the year 1973 on."""
    return _MILLISECONDS <= value < _MICROSECONDS


def time_of(value: object) -> Time:
    """Return a `_ms` time, which some senders write in another unit or as ISO 8601 text."""
    if type(value) is int and is_milliseconds(value):
        return Time(value)
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return _ABSENT
        return _scaled(text) if _NUMBER.fullmatch(text) else _iso_time(text)
    if isinstance(value, int) and not isinstance(value, bool):
        return _scaled(str(value)) if value.bit_length() < _MAX_NUMBER_LENGTH * 3 else _INVALID
    # The shortest decimal that gives the same double is what the sender wrote.
    return _scaled(repr(value)) if isinstance(value, float) else _ABSENT


def _scaled(number: str) -> Time:
    rough = float(number)
    if not 1 <= rough < math.inf:
        return _INVALID
    # A fraction of a text without a bound could have as many digits as an exponent says.
    given = Fraction(number if len(number) <= _MAX_NUMBER_LENGTH else rough)
    if given < 1:
        return _INVALID
    if _SECONDS <= given < _MILLISECONDS:
        given, guessed = given * 1000, True
    elif given >= _NANOSECONDS:
        given, guessed = given / 10**6, True
    elif given >= _MICROSECONDS:
        given, guessed = given / 1000, True
    else:
        guessed = False
    return Time(math.floor(given), "timestamp_unit_guessed" if guessed else None)


def _iso_time(text: str) -> Time:
    try:
        given = datetime.fromisoformat(text)
        since = (given if given.tzinfo is not None else given.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        return _INVALID
    milliseconds = since // timedelta(milliseconds=1)
    return Time(milliseconds) if milliseconds >= 1 else _INVALID


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
