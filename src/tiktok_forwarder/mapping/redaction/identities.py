"""Removes the user's own identities from page URLs: forms that are sent by GET put them there.

An ordinary URL costs a search for each of them; only one that may hold a value is decoded and taken apart.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from tiktok_forwarder.mapping.phones import normal_phone, phone_digits
from tiktok_forwarder.mapping.redaction.decoding import Decoded, decode, plainly_decoded
from tiktok_forwarder.mapping.redaction.emails import REDACTED
from tiktok_forwarder.mapping.redaction.memory import TextMemory
from tiktok_forwarder.mapping.texts import MAX_CHARACTERS
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.mparticle.identities import identities_by_type
from tiktok_forwarder.mparticle.values import is_dummy, visible

_MIN_LENGTH: Final = 4
_MIN_DIGITS: Final = 7
_HOST: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", re.ASCII)
_DIVIDERS: Final = re.compile(r"[/?&;#]")
_NOT_DIGITS: Final = re.compile(r"[^0-9]+")
_DIGIT: Final = re.compile(r"[0-9]")
_LAST_DIGITS: Final = 3
QUIET_ESCAPE: Final = (
    "%(?:2[0-247-9A-CFa-cf]|[Cc][3-9A-Fa-f]|[89ABab][0-9A-Fa-f]|3[A-Fa-f]|5[B-Eb-e]|60|7[B-Db-d]|[Dd][01]|[Ee][3-9])"
)
"""Escapes of white space, of punctuation that no plain value has, and of letters that are not ASCII from blocks without
invisible characters: none of these can be, or hide, a character of a plain value or of an address."""
_HAS_QUIET_ESCAPES: Final = re.compile(f"[^%]*+(?:{QUIET_ESCAPE}[^%]*+)*+").fullmatch
_ESCAPE: Final = re.compile("%..")
# Lines that a URL without an @ contains as they are, or does not contain: plain values, and addresses. Of phone numbers
# it contains the digits at least.
_PLAIN_LINES: Final = re.compile(r"(?:(?:[a-z0-9._~-]*+|\+[0-9]*+|[^\n@]*+@[^\n]*+)(?:\n|\Z))*+")


class IdentityValues(Struct, gc=False):
    """What to look for: the values of a batch as they were given, and which of them are phone numbers.

    `region` is the country of numbers without a country code. `lowered` are the values in lower case in one text,
    `lines` its lines. `exact` and `numbers` are made when one of the values may have been found; `exact` has a space
    for each plus, as a form that is sent by GET mixes both. `cleaned` remembers the batch's URLs, `plain` whether the
    values are.
    """

    texts: Sequence[str]
    phones: Sequence[str]
    region: str | None
    lowered: str
    lines: Sequence[str]
    exact: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    cleaned: TextMemory | None = None
    plain: bool | None = None

    def are_plain(self) -> bool:
        """Return whether a URL in which something is encoded contains each value as it is, or a number's digits."""
        if self.plain is None:
            self.plain = _PLAIN_LINES.fullmatch(self.lowered) is not None and (
                self.lowered.count("+") == "".join(self.phones).count("+")
            )
        return self.plain

    def prepare(self) -> None:
        """Make `exact` and `numbers`, once."""
        if self.exact or self.numbers:
            return
        self.exact = frozenset(_with_spaces(text.lower()) for text in self.texts if _is_distinct(text))
        phones = [phone for phone in self.phones if len(phone) <= MAX_CHARACTERS]
        found = [_NOT_DIGITS.sub("", phone) for phone in phones]
        found += [number[1:] for phone in phones if (number := normal_phone(phone, self.region, [])) is not None]
        self.numbers = frozenset(number for number in found if len(number) >= _MIN_DIGITS)


def identity_values(texts: Sequence[str], phones: Sequence[str], region: str | None) -> IdentityValues:
    # A value of several lines is in no URL unless each line is.
    lowered = "\n".join(texts).lower()
    return IdentityValues(texts, phones, region, lowered, lowered.split("\n") if texts else ())


def identity_values_of(batch: Batch) -> IdentityValues:
    """Return the values of a batch for what people read of it: those that look like phone numbers count as such."""
    texts: list[str] = []
    identities_by_type(batch.user_identities, texts)
    texts = [text for text in texts if len(text) <= MAX_CHARACTERS]
    return identity_values(texts, [text for text in texts if phone_digits(text) is not None], None)


def may_reveal(urls: str, values: IdentityValues) -> bool:
    """Return whether URLs in ASCII without spaces may contain an email address, or one of these values.

    Cheap, and never wrong when it says no.
    """
    return ("%" in urls and _HAS_QUIET_ESCAPES(urls) is None) or may_reveal_quietly(urls, values)


def may_reveal_quietly(urls: str, values: IdentityValues) -> bool:
    """Return the same of URLs without escapes, or with quiet ones only."""
    if "@" in urls or ("&" in urls and ("&#" in urls or "&commat" in urls)):
        return True
    if ("%" in urls or "+" in urls) and not values.are_plain():
        return True
    lowered = urls.lower()
    for line in values.lines:
        if line in lowered:
            return True
    for phone in values.phones:
        # However a number is written, it ends with the same digits.
        end = phone[-_LAST_DIGITS:]
        if not end.isdigit() or (end[0] in lowered and end[1] in lowered and end[-1] in lowered):
            # No escape of a digit is left here.
            digits = _NOT_DIGITS.sub("", _ESCAPE.sub("", urls) if "%" in urls else urls)
            if len(digits) >= _MIN_DIGITS and (end in digits or not end.isdigit()):
                return True
    return False


def _may_hold_encoded(url: str, values: IdentityValues) -> bool:
    """Return the same of a URL in which something may be encoded."""
    decoded = _with_spaces(visible(plainly_decoded(url)).lower())
    if any(text in decoded for text in values.exact):
        return True
    return bool(values.numbers) and len(_DIGIT.findall(decoded)) >= _MIN_DIGITS


def holds_identity(text: str, values: IdentityValues) -> bool:
    """Return whether a value stands anywhere in a text, such as a name that a page made of it."""
    if text.isascii() and " " not in text and not may_reveal(text, values):
        return False
    values.prepare()
    lowered = _with_spaces(text.lower())
    digits = _NOT_DIGITS.sub("", text)
    return any(value in lowered for value in values.exact) or any(number in digits for number in values.numbers)


def without_identities(url: str, values: IdentityValues) -> str:
    """Return the URL with each part that is one of the values replaced."""
    values.prepare()
    if not _may_hold_encoded(url, values):
        return url
    if values.cleaned is None:
        values.cleaned = TextMemory(lambda text: _without_identities(text, values))
    return values.cleaned(url)


def _without_identities(url: str, values: IdentityValues) -> str:
    host = _HOST.match(url)
    start = host.end() if host is not None else 0
    pieces = [url[:start]]
    for divider in _DIVIDERS.finditer(url, start):
        pieces += (_without(url[start : divider.start()], values), divider[0])
        start = divider.end()
    pieces.append(_without(url[start:], values))
    return "".join(pieces)


def _is_distinct(text: str) -> bool:
    least = _MIN_LENGTH if _NOT_DIGITS.search(text) is not None else _MIN_DIGITS
    return least <= len(text) <= MAX_CHARACTERS and not is_dummy(text)


def _without(part: str, values: IdentityValues) -> str:
    if len(part) < _MIN_LENGTH:
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


def _with_spaces(text: str) -> str:
    return text.replace("+", " ")


def _is_value(text: str, values: IdentityValues) -> bool:
    if len(text) < _MIN_LENGTH:
        return False
    if _with_spaces(text.lower()) in values.exact:
        return True
    return bool(values.numbers) and len(text) >= _MIN_DIGITS and phone_digits(text) in values.numbers
