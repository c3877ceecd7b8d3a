"""Removes email addresses and user information from texts: shops do put them into page URLs."""

import re
import unicodedata
from typing import Final

from tiktok_forwarder.mapping.redaction.decoding import Decoded, decode, has_at_sign, may_be_encoded

REDACTED: Final = "redacted"
EMAIL_REDACTED: Final = "email_redacted"
"""The warning."""
_MAX_LOCAL_PART_LENGTH: Final = 64
_MAX_DOMAIN_LENGTH: Final = 253
_MIN_LABELS: Final = 2
_MIN_LAST_LABEL_LENGTH: Final = 2
_ASCII_WORD: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_LOCAL_MARKS: Final = frozenset("._%+'-")
_USER_INFORMATION: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s]*@", re.ASCII)


def without_user_information(url: str) -> str:
    """Return the URL without `user:password@` before its host."""
    return _USER_INFORMATION.sub(r"\1", url, count=1) if "@" in url and _USER_INFORMATION.match(url) else url


def redacted(text: str) -> str:
    """Return the text with each email address replaced, however it is encoded. Takes time linear in the text."""
    if not may_be_encoded(text) or not has_at_sign(text):
        return text
    decoded = decode(text)
    pieces: list[str] = []
    done = 0
    for first, last in _addresses(decoded):
        pieces += (text[done : decoded.starts[first]], REDACTED)
        done = decoded.ends[last - 1]
    return "".join((*pieces, text[done:])) if pieces else text


def holds_address(text: str) -> bool:
    """Return whether the text contains an email address, however it is encoded."""
    return may_be_encoded(text) and has_at_sign(text) and bool(_addresses(decode(text)))


def _addresses(decoded: Decoded) -> list[tuple[int, int]]:
    """Return the places of email addresses: the first and the one behind the last of their characters."""
    text = decoded.text
    found: list[tuple[int, int]] = []
    floor = 0
    separator = text.find("@")
    while separator >= 0:
        begin = _local_part_start(text, separator, floor)
        end = _domain_end(text, separator + 1) if begin < separator else None
        if end is not None:
            found.append((begin, end))
            floor = end
        separator = text.find("@", end or separator + 1)
    return found


def _local_part_start(text: str, separator: int, floor: int) -> int:
    start = separator
    earliest = max(floor, separator - _MAX_LOCAL_PART_LENGTH)
    while start > earliest and (text[start - 1] in _LOCAL_MARKS or _is_word(text[start - 1])):
        start -= 1
    return start


def _domain_end(text: str, start: int) -> int | None:
    """Return the end of the longest domain that begins here, None if there is none. Labels are never split."""
    end: int | None = None
    label = start
    labels = 0
    while True:
        place = label
        while (
            place < len(text) and place - start <= _MAX_DOMAIN_LENGTH and (text[place] == "-" or _is_word(text[place]))
        ):
            place += 1
        if place == label or place - start > _MAX_DOMAIN_LENGTH:
            return end
        labels += 1
        if labels >= _MIN_LABELS and place - label >= _MIN_LAST_LABEL_LENGTH and text[label].isalpha():
            end = place
        if place == len(text) or text[place] != ".":
            return end
        label = place + 1


def _is_word(character: str) -> bool:
    """Return whether it is a letter, mark or digit of any script."""
    if character.isascii():
        return character in _ASCII_WORD
    category = unicodedata.category(character)
    return category[0] in "LM" or category == "Nd"
