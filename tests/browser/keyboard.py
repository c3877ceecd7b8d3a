"""A page used without a mouse."""

from playwright.sync_api import Locator, Page

_MAX_STOPS = 150
# Time for a part of the page that a choice replaces.
_SETTLE_MS = 200


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until this has the focus."""
    for _ in range(_MAX_STOPS):
        if wanted.count() == 1 and wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} is not reached by Tab")


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    """Go to a button, link or box and press it."""
    tab_to(page, wanted)
    page.keyboard.press(key)


def type_into(page: Page, field: Locator, text: str) -> None:
    """Go to a field and replace its text."""
    tab_to(page, field)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def choose(page: Page, field: Locator, option: str) -> None:
    """Go to a closed list and press an arrow key until it shows the option."""
    tab_to(page, field)
    count = field.locator("option").count()
    page.keyboard.press("Home")
    for _ in range(count):
        page.wait_for_timeout(_SETTLE_MS)
        if field.locator("option:checked").inner_text() == option:
            return
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"{field} has no {option}")
