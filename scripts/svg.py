"""What the charts of this folder share: an SVG document of text and shapes, without scripts or outside files."""

from collections.abc import Iterable
from html import escape


def document(width: int, height: int, lines: Iterable[str], *, title: str = "", font_size: int = 12) -> str:
    """Return the document on a white ground. `title` is what a screen reader reads."""
    named = (f'role="img" aria-label="{escape(title)}" ', f"<title>{escape(title)}</title>") if title else ("", "")
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {named[0]}viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="{font_size}" fill="#333">',
        *filter(None, named[1:]),
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    return "\n".join([*head, *lines, "</svg>"]) + "\n"


def text(x: float, y: float, content: str, anchor: str = "") -> str:
    """Return a line of text. `anchor` is `middle` or `end`; the default is the start."""
    at = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:.4g}" y="{y:.4g}"{at}>{escape(content)}</text>'
