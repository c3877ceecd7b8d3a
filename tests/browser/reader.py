"""The first administrator, in the browser."""

from playwright.sync_api import Locator, Page, expect

from tests.browser.console import Console
from tests.browser.watched_browser import StrictBrowser
from tests.patience import Patience

_PASSWORD = "a password of some length"


def log_in_as_first_admin(browser: StrictBrowser, console: Console) -> Page:
    """The front page, after the link of the first start."""
    page = browser.page(console.url)
    page.goto(console.login_link())
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password", exact=True).fill(_PASSWORD)
    page.get_by_label("Password again").fill(_PASSWORD)
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    return page


def reload_until_shown(page: Page, part: Locator) -> None:
    """For what follows from an answer of TikTok: the service records it after TikTok has counted the event."""
    patience = Patience(15)
    while not part.is_visible() and patience.lasts():
        page.wait_for_timeout(100)
        page.reload()
    expect(part).to_be_visible()
