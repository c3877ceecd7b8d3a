"""Removes email addresses and user information from texts: shops do put them into page URLs."""

import re
import string
import unicodedata
from typing import Final

from tiktok_forwarder.mapping.redaction.decoding import Decoded, decode, has_at_sign, may_be_encoded, plainly_seen
from tiktok_forwarder.mapping.redaction.memory import remembering

REDACTED: Final = "redacted"
EMAIL_REDACTED: Final = "email_redacted"
"""The warning."""
_MAX_LOCAL_PART_LENGTH: Final = 64
_MAX_DOMAIN_LENGTH: Final = 253
_MIN_LABELS: Final = 2
_MIN_LAST_LABEL_LENGTH: Final = 2
_DOMAIN_CHARACTERS: Final = f"{string.ascii_letters}{string.digits}-."
_LOCAL_CHARACTERS: Final = f"{_DOMAIN_CHARACTERS}_%+'"
# An @ that may be an address's. U+FFFD may stand for a letter.
_SEPARATOR: Final = re.compile(r"(?<=[^\s@])@(?=[^\s@.][^\s@]*\.(?:[^\W\d_]|\ufffd)[^\s@.])")
_USER_INFORMATION: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s]*@", re.ASCII)


def without_user_information(url: str) -> str:
    """Return the URL without `user:password@` before its host."""
    return _USER_INFORMATION.sub(r"\1", url, count=1) if "@" in url and _USER_INFORMATION.match(url) else url


def redacted(text: str) -> str:
    """Return the text with each email address replaced, however it is encoded. Takes time linear in the text."""
    if not may_be_encoded(text) or not has_at_sign(text):
        return text
    # Most texts with an @ have no address; finding the places of their characters takes several times as long.
    return _remembered(text) if _SEPARATOR.search(plainly_seen(text)) is not None else text


def holds_address(text: str) -> bool:
    """Return whether the text contains an email address, however it is encoded."""
    return redacted(text) != text


def _redacted(text: str) -> str:
    decoded = decode(text)
    pieces: list[str] = []
    done = 0
    for first, last in _addresses(decoded):
        pieces += (text[done : decoded.starts[first]], REDACTED)
        done = decoded.ends[last - 1]
    return "".join((*pieces, text[done:])) if pieces else text


# Each connection looks at a batch's texts, and so does each event at those that its batch shares.
_remembered: Final = remembering(_redacted)


def _addresses(decoded: Decoded) -> list[tuple[int, int]]:
    """Return the places of email addresses: the first and the one behind the last of their characters."""
    text = decoded.text
    found: list[tuple[int, int]] = []
    floor = 0
    for separator in _SEPARATOR.finditer(text):
        begin = _local_part_start(text, separator.start(), floor)
        end = _domain_end(text, separator.end()) if begin < separator.start() else None
        if end is not None:
            found.append((begin, end))
            floor = end
    return found


def _local_part_start(text: str, separator: int, floor: int) -> int:
    part = text[max(floor, separator - _MAX_LOCAL_PART_LENGTH) : separator]
    rest = part.rstrip(_LOCAL_CHARACTERS)
    while rest and not rest[-1].isascii() and _is_word(rest[-1]):
        rest = rest[:-1].rstrip(_LOCAL_CHARACTERS)
    return separator - len(part) + len(rest)


def _domain_end(text: str, start: int) -> int | None:
    """Return the end of the longest domain that begins here, None if there is none. Labels are never split."""
    part = text[start : start + _MAX_DOMAIN_LENGTH + 1]
    rest = part.lstrip(_DOMAIN_CHARACTERS)
    while rest and not rest[0].isascii() and _is_word(rest[0]):
        rest = rest[1:].lstrip(_DOMAIN_CHARACTERS)
    end: int | None = None
    length = 0
    for number, label in enumerate(part[: len(part) - len(rest)].split("."), 1):
        length += len(label)
        if not label or length > _MAX_DOMAIN_LENGTH:
            break
        if number >= _MIN_LABELS and len(label) >= _MIN_LAST_LABEL_LENGTH and label[0].isalpha():
            end = start + length
        length += 1
    return end


def _is_word(character: str) -> bool:
    """Return whether it is a letter, mark or digit of any script."""
    category = unicodedata.category(character)
    return category[0] in "LM" or category == "Nd"
