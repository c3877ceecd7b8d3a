"""Coming into the console for the first time, going, and coming back."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import axe
from tests.browser.console import Console
from tests.browser.screenshots import screenshot
from tests.browser.watched_browser import StrictBrowser

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"


def welcome(page: Page, link: str, name: str = "Dana") -> None:
    page.goto(link)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Set password and continue").click()


def test_the_first_link_leads_to_the_overview(console: Console, browser: StrictBrowser) -> None:
    """A password of one's own, then the front page; the link is used up."""
    page = browser.page(console.url)
    link = console.login_link()
    page.goto(link)
    axe(page)
    screenshot(page, "welcome")
    welcome(page, link)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_role("link", name="Shop")).to_be_visible()
    browser.tolerate("status of 401")
    stranger = browser.page(console.url)
    stranger.goto(link)
    expect(stranger.get_by_role("alert")).to_contain_text("This link has been used")


def test_login_works_when_a_link_from_another_site_led_there(console: Console, browser: StrictBrowser) -> None:
    """The browser withholds the session's cookie from the link and sends it with the form, which is taken."""
    page = browser.page(console.url)
    welcome(page, console.login_link())
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.goto(f'data:text/html,<a href="{console.url}/account">a message</a>')
    page.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.get_by_label("Name").fill("Dana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()


def test_logging_out_and_in_with_the_keyboard(console: Console, browser: StrictBrowser) -> None:
    """Back to the page one wanted; a wrong password is told, and how long to wait."""
    page = browser.page(console.url)
    welcome(page, console.login_link())
    page.get_by_role("button", name="Log out").press("Enter")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto("/account")
    axe(page)
    screenshot(page, "login")
    browser.tolerate("status of 401", "status of 429")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("dana")
    page.keyboard.press("Tab")
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Wrong name or password.")
    page.wait_for_timeout(1100)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()


def test_a_new_password_ends_other_sessions(console: Console, browser: StrictBrowser) -> None:
    """The one it was changed in goes on."""
    page, other = browser.page(console.url), browser.page(console.url)
    welcome(page, console.login_link())
    other.goto("/login")
    other.get_by_label("Name").fill("Dana")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Log in").click()
    expect(other.get_by_role("heading", name="Overview")).to_be_visible()
    page.get_by_role("link", name="Dana").click()
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill("another good password")
    page.get_by_label("New password again").fill("another good password")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("status")).to_have_text("Your password is changed. Your other sessions have ended.")
    other.reload()
    expect(other.get_by_role("heading", name="Log in")).to_be_visible()


def test_a_viewer_has_no_way_to_change_anything(console: Console, browser: StrictBrowser) -> None:
    """No page of access in the bar, and none by its address."""
    admin, viewer = browser.page(console.url), browser.page(console.url)
    welcome(admin, console.login_link())
    admin.get_by_role("link", name="Access").click()
    admin.get_by_label("Name").first.fill("Vera")
    admin.get_by_role("button", name="Add user").click()
    link = admin.locator("#link").text_content() or ""
    viewer.goto(link)
    viewer.get_by_label("Password", exact=True).fill(PASSWORD)
    viewer.get_by_label("Password again").fill(PASSWORD)
    viewer.get_by_role("button", name="Set password and continue").click()
    expect(viewer.get_by_role("heading", name="Overview")).to_be_visible()
    expect(viewer.get_by_role("link", name="Access")).to_have_count(0)
    browser.tolerate("status of 403")
    viewer.goto("/access")
    expect(viewer.get_by_role("alert")).to_contain_text("This page is for administrators.")
