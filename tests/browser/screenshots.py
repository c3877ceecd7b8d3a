"""Pictures of whole pages, to be looked at: `tests/browser/screenshots/`, which git ignores."""

from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Page

from tests.browser.watched_browser import NARROW, WIDE

_FOLDER = Path(__file__).parent / "screenshots"
_HEIGHTS = {WIDE: 800, NARROW: 844}
Scheme = Literal["light", "dark"]
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")


def screenshot(page: Page, name: str, scheme: Scheme = "light") -> list[Path]:
    """Write `<name>-1280.png` and `<name>-390.png`, the page on a desktop and on a telephone; dark ones say so.

    The page keeps its state, and has its size back afterwards.
    """
    size = page.viewport_size
    page.emulate_media(color_scheme=scheme)
    name = name if scheme == "light" else f"{name}-{scheme}"
    written = [_picture(page, name, width, height) for width, height in _HEIGHTS.items()]
    if size is not None:
        page.set_viewport_size(size)
    return written


def _picture(page: Page, name: str, width: int, height: int) -> Path:
    file = _FOLDER / f"{name}-{width}.png"
    page.set_viewport_size({"width": width, "height": height})
    page.screenshot(path=file, full_page=True, animations="disabled")
    return file
