"""Reads a loosely typed scalar of a batch as text or as a number.

mParticle's senders put numbers into text (Decimals of the Python SDK, 64-bit IDs of the outputs) and text where numbers
belong; blank, `null` and the wrong kind of value count as absent.
"""

import math
import re
from typing import Final

Number = int | float

# ASCII only: Python's own float() would also take underscores and other scripts' digits.
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,15}", re.ASCII)
_NON_FINITE: Final = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE | re.ASCII)
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
    if _WHOLE.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    return float(text) if _NON_FINITE.fullmatch(text) else None


def milliseconds_of(value: object) -> int | None:
    """Return a `_ms` time as whole milliseconds, rounded down; None if it is not a finite number."""
    if type(value) is int and -EXACT_INTEGERS < value < EXACT_INTEGERS:
        return value
    number = number_of(value)
    return math.floor(number) if number is not None and math.isfinite(number) else None
