"""Removes email addresses and user information from texts: shops do put them into page URLs."""

import re
from typing import Final

REDACTED: Final = "redacted"
_MAX_LOCAL_PART_LENGTH: Final = 64
_LOCAL: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+-")
_SEPARATOR: Final = re.compile("@|%40")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}(?:@|%40)[A-Za-z0-9.-]{1,253}\.[A-Za-z]{2,63}", re.ASCII)
_AUTHORITY: Final = re.compile(r"(?<=://)[^/?#\s]*")


def may_hold_address(text: str) -> bool:
    return "@" in text or "%40" in text


def redacted(text: str) -> str:
    """Return the text without user information before hosts and with each email address replaced.

    Takes time linear in the text.
    """
    if not may_hold_address(text):
        return text
    if "://" in text and "@" in text:
        text = _AUTHORITY.sub(lambda match: match[0].rpartition("@")[2], text)
    return _without_addresses(text)


def _without_addresses(text: str) -> str:
    """Return what `_ADDRESS.sub` would, but searching around separators only: it would try every character."""
    pieces: list[str] = []
    done = 0
    separator = _SEPARATOR.search(text)
    while separator is not None:
        address = _ADDRESS.match(text, _local_part_start(text, separator.start(), done))
        resume = separator.end()
        if address is not None:
            pieces += (text[done : address.start()], REDACTED)
            done = resume = address.end()
        separator = _SEPARATOR.search(text, resume)
    return "".join((*pieces, text[done:])) if pieces else text


def _local_part_start(text: str, separator: int, floor: int) -> int:
    start = separator
    earliest = max(floor, separator - _MAX_LOCAL_PART_LENGTH)
    while start > earliest and text[start - 1] in _LOCAL:
        start -= 1
    return start
