"""The head of every page: the menu at the side or behind a button, the logo, and the way to the help."""

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import axe
from tests.browser.populated import Populated
from tests.browser.screenshots import SCHEMES
from tests.browser.sessions import become
from tests.browser.watched_browser import NARROW, WIDE, StrictBrowser

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("populated")]


def test_menu_is_beside_the_page_on_a_desktop(populated: Populated, browser: StrictBrowser) -> None:
    """Nothing has to be opened, the page in it is marked, and it stays while the page is scrolled."""
    page = browser.page(populated.url, WIDE)
    become(page, populated.url, populated.cookies["administrator"])
    page.goto("/activity")
    menu, main = page.get_by_role("navigation", name="Pages", exact=True), page.get_by_role("main")
    expect(page.get_by_role("button", name="Menu")).to_be_hidden()
    expect(menu.get_by_role("link", name="Activity")).to_have_attribute("aria-current", "page")
    beside, beyond = menu.bounding_box(), main.bounding_box()
    assert beside is not None and beyond is not None and beside["x"] + beside["width"] <= beyond["x"]
    page.mouse.wheel(0, 2000)
    expect(page.get_by_role("heading", level=1)).not_to_be_in_viewport()
    expect(menu.get_by_role("link", name="Overview")).to_be_in_viewport()


def test_menu_opens_with_the_keyboard_on_a_telephone(populated: Populated, browser: StrictBrowser) -> None:
    """The page begins with its contents; Enter opens the menu, Escape closes it, and it works without scripts."""
    page = browser.page(populated.url, NARROW)
    become(page, populated.url, populated.cookies["administrator"])
    page.goto("/activity")
    menu, button = page.get_by_role("navigation", name="Pages", exact=True), page.get_by_role("button", name="Menu")
    expect(menu).to_be_hidden()
    heading = page.get_by_role("heading", level=1).bounding_box()
    assert heading is not None and heading["y"] < 150
    button.press("Enter")
    expect(menu).to_be_visible()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        axe(page)
        page.screenshot(path=f"tests/browser/screenshots/menu-{scheme}-390.png")
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    button.click()
    menu.get_by_role("link", name="Inputs").click()
    expect(page.get_by_role("heading", name="Inputs", exact=True)).to_be_visible()


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_login_page_has_the_logo_and_the_help(width: int, populated: Populated, browser: StrictBrowser) -> None:
    """Who cannot log in finds out why: the help is open to everyone, and asks no other host."""
    page = browser.page(populated.url, width)
    page.goto("/login")
    logo = page.locator(".brand img")
    expect(logo).to_be_visible()
    assert logo.evaluate("image => image.complete && image.naturalWidth > 0")
    expect(page.get_by_role("link", name="tiktok-forwarder")).to_be_visible()
    page.get_by_role("link", name="Help").click()
    expect(page.get_by_role("heading", name="Help", exact=True)).to_be_visible()
    page.get_by_role("link", name="Drop reasons").first.click()
    expect(page.get_by_role("heading", name="Drop reasons")).to_be_in_viewport()


def test_icons_are_drawn(populated: Populated, browser: StrictBrowser) -> None:
    """Each use of the one icon file has a shape, in the color of the words beside it."""
    page = browser.page(populated.url)
    become(page, populated.url, populated.cookies["administrator"])
    page.goto("/")
    boxes = page.evaluate("[...document.querySelectorAll('.bar nav .icon use')].map(each => each.getBBox().width)")
    assert len(boxes) == 8 and min(boxes) > 5
