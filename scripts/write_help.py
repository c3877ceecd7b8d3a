"""Writes the console's help page from docs/glossary.md: the console asks no other host, and a term is explained once.

`make docs` runs it. A test compares the page with the one in the repository.
"""

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[1]
_GLOSSARY: Final = _ROOT / "docs" / "glossary.md"
HELP: Final = _ROOT / "src" / "tiktok_forwarder" / "console" / "templates" / "help" / "glossary.html"
_NOTICE: Final = "{# Generated from docs/glossary.md by `make docs`. #}\n"
_CELLS: Final = re.compile(r"(?<!\\)\|")
_CODE: Final = re.compile(r"`([^`]+)`")
_LINK: Final = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


def anchor_of(heading: str) -> str:
    """Return the ID of a heading, as in the glossary's own links."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def glossary_page() -> str:
    """Return the template: a list of the sections, and each with its texts and its table."""
    _, *sections = re.split(r"^## ", _GLOSSARY.read_text(), flags=re.MULTILINE)
    titles = [section.partition("\n")[0] for section in sections]
    contents = "".join(f'<li><a href="#{anchor_of(title)}">{escape(title)}</a></li>\n' for title in titles)
    return f'{_NOTICE}<ul class="reasons">\n{contents}</ul>\n{"".join(map(_section, sections))}'


def _section(text: str) -> str:
    title, _, rest = text.partition("\n")
    anchor = anchor_of(title)
    blocks = "".join(_block(lines) for is_text, lines in _paragraphs(rest) if is_text)
    return f'<section aria-labelledby="{anchor}">\n<h2 id="{anchor}">{escape(title)}</h2>\n{blocks}</section>\n'


def _paragraphs(text: str) -> Iterator[tuple[bool, list[str]]]:
    for has_text, lines in groupby(text.splitlines(), key=lambda line: bool(line.strip())):
        yield has_text, list(lines)


def _block(lines: list[str]) -> str:
    if not lines[0].startswith("|"):
        return f"<p>{_inline(' '.join(lines))}</p>\n"
    head, _, *rows = [[cell.strip() for cell in _CELLS.split(line.strip().strip("|"))] for line in lines]
    names = "".join(f'<th scope="col">{_inline(cell.capitalize())}</th>' for cell in head)
    body = "".join(map(_row, rows))
    return f'<table class="terms">\n<thead><tr>{names}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n'


def _row(cells: list[str]) -> str:
    first, *others = (_inline(cell) for cell in cells)
    rest = "".join(f"<td>{cell}</td>" for cell in others)
    return f'<tr id="term-{anchor_of(cells[0])}"><th scope="row">{first}</th>{rest}</tr>\n'


def _inline(text: str) -> str:
    """Format code and links. Pages of the documentation are not served, so links to them become plain text."""

    def link(found: re.Match[str]) -> str:
        words, target = found.groups()
        return f'<a href="{target}">{words}</a>' if target.startswith("#") else words

    return _LINK.sub(link, _CODE.sub(r"<code>\1</code>", escape(text, quote=False)))


if __name__ == "__main__":
    HELP.parent.mkdir(parents=True, exist_ok=True)
    HELP.write_text(glossary_page())
