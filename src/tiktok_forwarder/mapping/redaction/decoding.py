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

from tiktok_forwarder.mparticle.values import is_invisible, visible

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


def _unescaped(given: Decoded) -> Decoded:
    """Return the text with one layer of percent-encoding removed; what is no UTF-8 stays. The same object if none."""
    text = given.text
    characters: list[str] = []
    spans: list[tuple[int, int]] = []
    done = 0
    for run in _ESCAPES.finditer(text):
        begin = run.start()
        characters += text[done:begin]
        spans += [(place, place + 1) for place in range(done, begin)]
        for character, first, last in _utf8_characters(run[0]):
            characters.append(character)
            spans.append((begin + first, begin + last))
        done = run.end()
    if len(characters) + len(text) - done == len(text):
        return given
    characters += text[done:]
    spans += [(place, place + 1) for place in range(done, len(text))]
    return _composed(given, characters, spans)


def _utf8_characters(escapes: str) -> list[tuple[str, int, int]]:
    """Return the characters of a run of escapes with their places in it; what is no UTF-8 stays as it is written."""
    octets = bytes.fromhex(escapes.replace("%", ""))
    found: list[tuple[str, int, int]] = []
    place = 0
    while place < len(octets):
        character, length = _utf8_character(octets, place)
        begin = place * _ESCAPE_LENGTH
        if character:
            found.append((character, begin, begin + length * _ESCAPE_LENGTH))
        else:
            found += [(escapes[i], i, i + 1) for i in range(begin, begin + _ESCAPE_LENGTH)]
        place += length
    return found


def _utf8_character(octets: bytes, place: int) -> tuple[str, int]:
    for length in range(1, _MAX_UTF8_BYTES + 1):
        try:
            return octets[place : place + length].decode(), length
        except UnicodeDecodeError:
            continue
    return "", 1


def _with_at_signs(given: Decoded) -> Decoded:
    characters: list[str] = []
    spans: list[tuple[int, int]] = []
    done = 0
    for match in _AT_SIGN.finditer(given.text):
        characters += (*given.text[done : match.start()], "@")
        spans += [(place, place + 1) for place in range(done, match.start())]
        spans.append(match.span())
        done = match.end()
    characters += given.text[done:]
    spans += [(place, place + 1) for place in range(done, len(given.text))]
    return _composed(given, characters, spans)


def _visible(given: Decoded) -> Decoded:
    kept = [place for place, character in enumerate(given.text) if not is_invisible(character)]
    return _composed(given, [given.text[place] for place in kept], [(place, place + 1) for place in kept])


def _composed(given: Decoded, characters: Sequence[str], spans: Sequence[tuple[int, int]]) -> Decoded:
    """Return characters that were made of these spans of `given`."""
    return Decoded(
        "".join(characters),
        [given.starts[begin] for begin, _ in spans],
        [given.ends[end - 1] for _, end in spans],
    )
