"""Reads TOML that anyone may have written: bounded before the parser sees it, which takes its square for long keys."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

MAX_CHARACTERS: Final = 1_000_000
MAX_KEY_PARTS: Final = 16
MAX_DEPTH: Final = 32
MAX_DIGITS: Final = 400
_MAX_MESSAGE_CHARACTERS: Final = 300
_AT_END: Final = "(at end of document)"

# What may contain anything: strings of four kinds, and comments; the end of one may be missing.
_OPAQUE: Final = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+(?:""")?'
    r"|'''(?:[^']++|'(?!''))*+(?:''')?"
    r'|"(?:[^"\\\n]++|\\[^\n])*+"?'
    r"|'[^'\n]*+'?"
    r"|\#[^\n]*+",
    re.DOTALL,
)
_NO_LINE_END: Final = re.compile(r"[^\n]")
_LONG_KEY: Final = re.compile(rf"(?<![A-Za-z0-9_.-])(?:[A-Za-z0-9_-]++[ \t]*+\.[ \t]*+){{{MAX_KEY_PARTS}}}")
_LONG_NUMBER: Final = re.compile(rf"(?<![A-Za-z0-9_])[0-9](?:_?[0-9]){{{MAX_DIGITS}}}")
_BRACKET: Final = re.compile(r"[\[\]{}]")


class UnreadableToml(ValueError):  # named for what it is about
    """The text is no TOML, or beyond a bound; the message begins with the predicate and ends with line and column."""


def parse_toml(text: str) -> dict[str, Any]:
    """Return the text's root table. Raises `UnreadableToml`. Takes time linear in the text; up to a second."""
    if len(text) > MAX_CHARACTERS:
        raise UnreadableToml(
            f"has {len(text):,} characters; the limit is {MAX_CHARACTERS:,} {_place(text, MAX_CHARACTERS)}"
        )
    for offset, problem in _problems(_OPAQUE.sub(_filler, text)):
        raise UnreadableToml(f"{problem} {_place(text, offset)}")
    try:
        return tomllib.loads(text)
    except ValueError as error:
        message = str(error)
        if message.endswith(_AT_END):
            message = f"{message.removesuffix(_AT_END)}{_place(text, len(text))}"
        # It may name a key.
        if len(message) > _MAX_MESSAGE_CHARACTERS:
            message = f"{message[: _MAX_MESSAGE_CHARACTERS // 2]}…{message[-_MAX_MESSAGE_CHARACTERS // 2 :]}"
        raise UnreadableToml(f"is not valid TOML: {message}") from None


def _filler(match: re.Match[str]) -> str:
    """Return something as long that has the same lines: a string may be part of a key, a comment is nothing."""
    return _NO_LINE_END.sub(" " if match[0].startswith("#") else "k", match[0])


def _problems(text: str) -> Iterator[tuple[int, str]]:
    """Yield where the text exceeds a bound, and which."""
    key = _LONG_KEY.search(text)
    if key is not None:
        yield key.start(), f"Key with more than {MAX_KEY_PARTS} parts"
    number = _LONG_NUMBER.search(text)
    if number is not None:
        yield number.start(), f"Number with more than {MAX_DIGITS} digits"
    depth = 0
    for bracket in _BRACKET.finditer(text):
        depth = depth + 1 if bracket[0] in "[{" else max(0, depth - 1)
        if depth > MAX_DEPTH:
            yield bracket.start(), f"Nesting deeper than {MAX_DEPTH} levels"


def _place(text: str, offset: int) -> str:
    """Return the place as the parser's own messages do."""
    line_start = text.rfind("\n", 0, offset) + 1
    return f"(at line {text.count(chr(10), 0, offset) + 1}, column {offset - line_start + 1})"
