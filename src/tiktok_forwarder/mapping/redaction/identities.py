"""Removes the user's own identities from page URLs: forms that are sent by GET put them there.

An ordinary URL costs a search for each of them; only one that may hold a value is taken apart.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from tiktok_forwarder.mapping.phones import normal_phone, phone_digits
from tiktok_forwarder.mapping.redaction.decoding import Decoded, decode
from tiktok_forwarder.mapping.redaction.emails import REDACTED
from tiktok_forwarder.mparticle.values import is_dummy

_MIN_LENGTH: Final = 4
_MIN_DIGITS: Final = 7
_HOST: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", re.ASCII)
_DIVIDERS: Final = re.compile(r"[/?&;#]")
_NOT_DIGITS: Final = re.compile(r"[^0-9]+")
_NO_DIGITS: Final = bytes(byte for byte in range(256) if byte not in b"0123456789")


class IdentityValues(Struct, gc=False):
    """What to look for: texts in lower case, and the digits of phone numbers.

    `exact` has those that are long enough not to be found by chance, once one of them may have been found.
    """

    texts: Sequence[str]
    phone_digits: Sequence[str]
    exact: frozenset[str] | None = None


def identity_values(texts: Sequence[str], phones: Sequence[str], region: str | None) -> IdentityValues:
    """Return the values of a batch; of phone numbers as they are written and in E.164 form.

    `region` is the country of numbers without a country code.
    """
    digits: list[str] = []
    for phone in phones:
        number = normal_phone(phone, region, [])
        if number is not None:
            digits.append(number[1:])
        if number != phone:
            digits.append(_NOT_DIGITS.sub("", phone))
    return IdentityValues(
        [text.lower() for text in texts if len(text) >= _MIN_LENGTH],
        [number for number in digits if len(number) >= _MIN_DIGITS],
    )


def may_hold_identity(urls: str, values: IdentityValues) -> bool:
    """Return whether one of the values may stand in one of these URLs. Cheap, and never wrong when it says no."""
    lowered = urls.lower()
    for text in values.texts:
        if text in lowered:
            return True
    if "%" in urls or "+" in urls or not urls.isascii():
        return bool(values.texts or values.phone_digits)
    if values.phone_digits:
        digits = urls.encode().translate(None, _NO_DIGITS).decode()
        for number in values.phone_digits:
            if number in digits:
                return True
    return False


def without_identities(url: str, values: IdentityValues) -> str:
    """Return the URL with each part that is one of the values replaced."""
    if not may_hold_identity(url, values):
        return url
    if values.exact is None:
        values.exact = frozenset(text for text in values.texts if _is_distinct(text))
    host = _HOST.match(url)
    start = host.end() if host is not None else 0
    pieces = [url[:start]]
    for divider in _DIVIDERS.finditer(url, start):
        pieces += (_without(url[start : divider.start()], values), divider[0])
        start = divider.end()
    pieces.append(_without(url[start:], values))
    return "".join(pieces)


def _is_distinct(text: str) -> bool:
    return (len(text) >= _MIN_DIGITS or _NOT_DIGITS.search(text) is not None) and not is_dummy(text)


def _without(part: str, values: IdentityValues) -> str:
    if not part:
        return part
    decoded = decode(part)
    found = _found(decoded.text, 0, values)
    spans = [found] if found is not None else [span for span in _pieces(decoded, values) if span is not None]
    pieces: list[str] = []
    done = 0
    for first, last in spans:
        pieces += (part[done : decoded.starts[first]], REDACTED)
        done = decoded.ends[last - 1]
    return "".join((*pieces, part[done:])) if spans else part


def _pieces(decoded: Decoded, values: IdentityValues) -> Iterator[tuple[int, int] | None]:
    start = 0
    for divider in _DIVIDERS.finditer(decoded.text):
        yield _found(decoded.text[start : divider.start()], start, values)
        start = divider.end()
    if start:
        yield _found(decoded.text[start:], start, values)


def _found(text: str, start: int, values: IdentityValues) -> tuple[int, int] | None:
    """Return the place of a value: the whole text, or what is behind its first or its last equals sign."""
    for begin in dict.fromkeys((0, text.find("=") + 1, text.rfind("=") + 1)):
        if _is_value(text[begin:], values):
            return start + begin, start + len(text)
    return None


def _is_value(text: str, values: IdentityValues) -> bool:
    lowered = text.lower()
    exact = values.exact or ()
    if lowered in exact or ("+" in lowered and lowered.replace("+", " ") in exact):
        return True
    return bool(values.phone_digits) and phone_digits(text) in values.phone_digits
