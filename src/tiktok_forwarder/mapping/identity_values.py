"""Removes the user's own identities from page URLs: forms that are sent by GET put them there.

The values of a batch make a set once. An ordinary URL costs a search for each of them; only one with escapes, or with
digits like those of a phone number, is taken apart.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from tiktok_forwarder.mapping.decoding import Decoded, decode
from tiktok_forwarder.mapping.phones import phone_digits
from tiktok_forwarder.mapping.redaction import REDACTED
from tiktok_forwarder.mparticle.values import is_dummy

_MIN_LENGTH: Final = 4
_MIN_DIGITS: Final = 7
_HOST: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", re.ASCII)
_DIVIDERS: Final = re.compile(r"[/?&;#]")
_NOT_DIGITS: Final = re.compile(r"[^0-9]+")
# Whether a part can be a phone number that is written otherwise than in the identity.
_PHONE_LIKE: Final = re.compile(r"[0-9](?:[^0-9A-Za-z/?&;#=_]*[0-9]){6}", re.ASCII)


class IdentityValues(Struct, frozen=True, gc=False):
    """What to look for: texts in lower case, and the digits of phone numbers."""

    texts: frozenset[str]
    phone_digits: frozenset[str]


def identity_values(texts: Sequence[str], phones: Sequence[str]) -> IdentityValues:
    """Return the values of a batch that are long enough not to be found by chance."""
    digits = (_NOT_DIGITS.sub("", phone) for phone in phones)
    return IdentityValues(
        frozenset(text.lower() for text in texts if _is_distinct(text)),
        frozenset(number for number in digits if len(number) >= _MIN_DIGITS),
    )


def _is_distinct(text: str) -> bool:
    return len(text) >= (_MIN_DIGITS if _NOT_DIGITS.search(text) is None else _MIN_LENGTH) and not is_dummy(text)


def without_identities(url: str, values: IdentityValues) -> str:
    """Return the URL with each part that is one of the values replaced."""
    if not _may_hold(url, values):
        return url
    host = _HOST.match(url)
    start = host.end() if host is not None else 0
    pieces = [url[:start]]
    for divider in _DIVIDERS.finditer(url, start):
        pieces += (_without(url[start : divider.start()], values), divider[0])
        start = divider.end()
    pieces.append(_without(url[start:], values))
    return "".join(pieces)


def _may_hold(url: str, values: IdentityValues) -> bool:
    if "%" in url or "+" in url or not url.isascii():
        return bool(values.texts or values.phone_digits)
    lowered = url.lower()
    for text in values.texts:
        if text in lowered:
            return True
    return bool(values.phone_digits) and _PHONE_LIKE.search(url) is not None


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
    if lowered in values.texts or ("+" in lowered and lowered.replace("+", " ") in values.texts):
        return True
    return bool(values.phone_digits) and phone_digits(text) in values.phone_digits
