"""Texts as they read after percent-decoding, with the place in the original that each character came from.

Redirects encode addresses again and again, so an email address may be hidden behind several layers. What is found in
the decoded text is replaced in the original one, which must stay as it is everywhere else.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from tiktok_forwarder.mparticle.values import invisible_characters, visible

_MAX_LAYERS: Final = 4
_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+", re.ASCII)
_ESCAPE_LENGTH: Final = 3
# HTML's and the full-width form of @.
_AT_SIGN: Final = re.compile("&#0*64;|&#[xX]0*40;|&commat;|\uff20", re.ASCII)
_MAX_UTF8_BYTES: Final = 4


class Decoded(Struct, frozen=True, gc=False):
    """A decoded text without invisible characters: character `i` stands for `original[starts[i]:ends[i]]`."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


def may_be_encoded(text: str) -> bool:
    """Return whether the text may read differently after decoding, or holds an @."""
    return "@" in text or "%" in text or "&" in text or "\uff20" in text


def may_be_encoded_in(encoded: bytes) -> bool:
    """Return the same of a text in UTF-8, or True if it has another character that begins as the full-width @ does."""
    return 0x40 in encoded or 0x25 in encoded or 0x26 in encoded or 0xEF in encoded


def has_at_sign(text: str) -> bool:
    """Return whether the decoded text has an @. Cheap for ordinary texts."""
    if "@" in text or "\uff20" in text:
        return True
    if "%" not in text:
        return "&" in text and _AT_SIGN.search(text) is not None
    text = plainly_decoded(text)
    return "@" in text or _AT_SIGN.search(text) is not None


# A URL is inspected several times.
@lru_cache(maxsize=4)
def plainly_decoded(text: str) -> str:
    """Return what `decode` reads, without the places, nor the signs for an @; what is no UTF-8 is replaced."""
    for _ in range(_MAX_LAYERS):
        decoded = unquote(text) if "%" in text else text
        if decoded == text:
            break
        text = decoded
    return text


def plainly_seen(text: str) -> str:
    """Return what `decode` reads, without the places; a U+FFFD stands for each part that is no UTF-8."""
    return visible(_AT_SIGN.sub("@", plainly_decoded(text)))


def decode(text: str) -> Decoded:
    decoded = Decoded(text, range(len(text)), range(1, len(text) + 1))
    for _ in range(_MAX_LAYERS):
        layer = _unescaped(decoded) if "%" in decoded.text else decoded
        if layer is decoded:
            break
        decoded = layer
    if _AT_SIGN.search(decoded.text) is not None:
        decoded = _with_at_signs(decoded)
    return decoded if visible(decoded.text) == decoded.text else _visible(decoded)


class _Composer:
    """Composes a decoded text of parts of another one; stretches are copied whole, which costs next to nothing."""

    def __init__(self, given: Decoded) -> None:
        self._given = given
        self._pieces: list[str] = []
        self._starts: list[int] = []
        self._ends: list[int] = []

    def copy(self, begin: int, end: int) -> None:
        """Add a stretch unchanged."""
        if begin == end:
            return
        self._pieces.append(self._given.text[begin:end])
        self._starts += self._given.starts[begin:end]
        self._ends += self._given.ends[begin:end]

    def replace(self, text: str, begin: int, length: int) -> None:
        """Add characters that each stand for `length` characters, the first of which is at `begin`."""
        self._pieces.append(text)
        if len(text) == 1:
            self._starts.append(self._given.starts[begin])
            self._ends.append(self._given.ends[begin + length - 1])
            return
        end = begin + length * len(text)
        self._starts += self._given.starts[begin:end:length]
        self._ends += self._given.ends[begin + length - 1 : end : length]

    def composed(self) -> Decoded:
        return Decoded("".join(self._pieces), self._starts, self._ends)


def _unescaped(given: Decoded) -> Decoded:
    """Return the text with one layer of percent-encoding removed; what is no UTF-8 stays. The same object if none."""
    composer = _Composer(given)
    done = 0
    for run in _ESCAPES.finditer(given.text):
        begin, end = run.span()
        composer.copy(done, begin)
        octets = bytes.fromhex(run[0].replace("%", ""))
        if octets.isascii():
            composer.replace(octets.decode(), begin, _ESCAPE_LENGTH)
        else:
            _add_characters(composer, begin, octets)
        done = end
    composer.copy(done, len(given.text))
    decoded = composer.composed()
    return decoded if len(decoded.text) < len(given.text) else given


def _add_characters(composer: _Composer, begin: int, octets: bytes) -> None:
    """Add the characters of a run of escapes; what is no UTF-8 stays as it is written."""
    place = 0
    while place < len(octets):
        character, length = _utf8_character(octets, place)
        start = begin + place * _ESCAPE_LENGTH
        if character:
            composer.replace(character, start, length * _ESCAPE_LENGTH)
        else:
            composer.copy(start, start + _ESCAPE_LENGTH)
        place += length


def _utf8_character(octets: bytes, place: int) -> tuple[str, int]:
    for length in range(1, _MAX_UTF8_BYTES + 1):
        try:
            return octets[place : place + length].decode(), length
        except UnicodeDecodeError:
            continue
    return "", 1


def _with_at_signs(given: Decoded) -> Decoded:
    composer = _Composer(given)
    done = 0
    for match in _AT_SIGN.finditer(given.text):
        composer.copy(done, match.start())
        composer.replace("@", match.start(), len(match[0]))
        done = match.end()
    composer.copy(done, len(given.text))
    return composer.composed()


def _visible(given: Decoded) -> Decoded:
    composer = _Composer(given)
    done = 0
    for match in invisible_characters().finditer(given.text):
        composer.copy(done, match.start())
        done = match.end()
    composer.copy(done, len(given.text))
    return composer.composed()
