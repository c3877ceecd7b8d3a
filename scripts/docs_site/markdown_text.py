"""Markdown as it is written in this repository: fences, headings, links, and the indentation of lists.

The pages are written for renderers of CommonMark, such as those of repository hosts. Zensical reads them with
Python-Markdown, which wants the contents of list items indented by four, and a blank line between blocks.
"""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pymdownx.slugs import slugify

COMMONMARK: Final = MarkdownIt("commonmark").enable("table")
_FENCE: Final = re.compile(r" *(`{3,}|~{3,})")
_HEADING: Final = re.compile(r"(#{1,6}) +(.+)")
_LINK: Final = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
_MARKER: Final = re.compile(r" *(?:[-*+]|\d{1,9}[.)]) +")
_MARKUP: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)|[*`]")
_INDENTATION: Final = 4
_slug_of: Final = slugify(case="lower")


def prose_lines(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each line with its end, and whether it is outside of the blocks of code."""
    fence = ""
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        is_prose = not fence and not found
        if found and not fence:
            fence = found[1]
        elif found and found[1].startswith(fence):
            fence = ""
        yield line, is_prose


def heading_of(line: str) -> tuple[int, str] | None:
    """Return level and text of a heading."""
    found = _HEADING.match(line)
    return (len(found[1]), found[2].strip()) if found else None


def anchor_of(heading: str) -> str:
    """Return the ID that repository hosts and the site give a heading."""
    return str(_slug_of(plain_text(heading), "-"))


def plain_text(text: str) -> str:
    """Return a text without its links and marks."""
    return _MARKUP.sub(lambda found: found[1] or "", text)


def with_links(text: str, new_target: Callable[[str], str]) -> str:
    """Replace the target of each link and image outside of code."""
    return "".join(
        _LINK.sub(lambda found: new_target(found[0]), line) if is_prose else line
        for line, is_prose in prose_lines(text)
    )


def first_paragraph(text: str) -> str:
    """Return the plain text of the first paragraph, on one line; that of an item if the page begins with a list."""
    for token, inline in pairwise(COMMONMARK.parse(text)):
        if token.type == "paragraph_open":
            return " ".join(plain_text(inline.content).split())
    return ""


def indented_for_python_markdown(text: str) -> str:
    """Indent the contents of lists by four, and put a blank line between blocks."""
    lines = text.split("\n")
    shifts, starts = [0] * len(lines), set[int]()
    outer: list[Token] = []
    for token in COMMONMARK.parse(text):
        if token.type == "list_item_open":
            _shift_contents(token, outer, lines, shifts)
            outer.append(token)
        elif token.type == "list_item_close":
            outer.pop()
        elif token.level == 0 and token.nesting >= 0:
            starts.add(_lines_of(token)[0])
    indented = [" " * shift + line if line else line for shift, line in zip(shifts, lines, strict=True)]
    return "\n".join(
        f"\n{line}" if number in starts and number and lines[number - 1].strip() else line
        for number, line in enumerate(indented)
    )


def _shift_contents(item: Token, outer: list[Token], lines: list[str], shifts: list[int]) -> None:
    """Add what is missing to the indentation of the item's lines but the first."""
    begin, end = _lines_of(item)
    indentation = _content_column(item, lines) - (_content_column(outer[-1], lines) if outer else 0)
    for number in range(begin + 1, end):
        shifts[number] += max(_INDENTATION - indentation, 0)


def _content_column(item: Token, lines: list[str]) -> int:
    line = lines[_lines_of(item)[0]]
    marker = _MARKER.match(line)
    return len(marker[0] if marker else line)


def _lines_of(token: Token) -> tuple[int, int]:
    """Return the first line of a block, and the one after its last; the parser gives them to all blocks."""
    begin, end = token.map or (0, 0)
    return begin, end
