"""What is typed and not saved: kept over the end of a session, a restart and a mistake, for the same user only."""

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.browser.accessibility import axe
from tests.browser.admin_api import ask
from tests.browser.console import Console
from tests.browser.reader import log_in_as_first_admin
from tests.browser.screenshots import SCHEMES, screenshot
from tests.browser.sessions import PASSWORD, welcomed
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_process import ServiceProcess

pytestmark = pytest.mark.slow

TYPED = "Newsletter Signup"
STORED = "JSON.stringify({...sessionStorage, ...localStorage})"


@pytest.fixture(autouse=True)
def tolerated(browser: StrictBrowser) -> None:
    """The preview asks at any time: also when its session has ended, or its service."""
    browser.tolerate("status of 401", "ERR_CONNECTION_REFUSED", "htmx:")


def lose_the_session(console: Console, name: str = "anna") -> None:
    """As when the password is set elsewhere, which ends every session of the user."""
    link = ask(console.data_dir, "POST", f"/api/users/{name}/link")
    welcomed(console.url, link["path"], name)


def log_in(page: Page, name: str = "anna") -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def shop(console: Console) -> str:
    [connection] = ask(console.data_dir, "GET", "/api/connections")
    return str(connection["id"])


def type_mapping(page: Page, console: Console) -> None:
    """A new mapping, as far as its name: the server has drawn the card, and has stored nothing."""
    page.goto(f"/connections/{shop(console)}/mappings/Subscribe")
    page.get_by_role("button", name="Add New Mapping").click()
    page.get_by_label("Event name").fill(TYPED)
    page.get_by_label("Currency: source", exact=True).select_option("Static value")
    page.get_by_label("Currency: source, the value").fill("EUR")
    # The last question of the preview, so that none is on its way when the session ends.
    expect(page.locator("#preview")).to_contain_text('"currency": "EUR"')


def check_looks_of(page: Page, name: str) -> None:
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        axe(page)
        screenshot(page, name, scheme)


def test_session_that_ends_in_a_mapping_loses_nothing(console: Console, browser: StrictBrowser) -> None:
    """The login page shows why; after the login the draft is there and saves. What the tab stores is unreadable."""
    page = log_in_as_first_admin(browser, console)
    type_mapping(page, console)
    lose_the_session(console)
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Your session ended because your password was changed.")
    expect(page.get_by_text("What you typed is kept in this tab")).to_be_visible()
    stored = page.evaluate(STORED)
    assert "draft /connections/" in stored and TYPED not in stored and "EUR" not in stored
    check_looks_of(page, "login-with-draft")
    log_in(page)
    expect(page.get_by_role("status").first).to_contain_text("Your unsaved changes from")
    expect(page.get_by_label("Event name")).to_have_value(TYPED)
    expect(page.get_by_label("Currency: source, the value")).to_have_value("EUR")
    expect(page.locator("#preview")).to_contain_text("would be sent")
    check_looks_of(page, "restored-draft")
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.get_by_role("status").first).to_contain_text("The mappings to Subscribe are saved")
    [connection] = ask(console.data_dir, "GET", "/api/connections")
    [mapping] = connection["settings"]["custom_mappings"]
    assert (mapping["event_name"], mapping["properties"]) == (TYPED, {"currency": {"static": "EUR"}})
    assert "draft" not in page.evaluate(STORED)


def test_part_that_asks_after_the_session_ended_loses_nothing(console: Console, browser: StrictBrowser) -> None:
    """The preview asks while one types: the browser is led to the login and back, in the middle of a word."""
    page = log_in_as_first_admin(browser, console)
    type_mapping(page, console)
    page.get_by_label("Event name").press("End")
    lose_the_session(console)
    page.keyboard.type(" 2")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(page)
    expect(page.get_by_label("Event name")).to_have_value(f"{TYPED} 2")


def test_access_token_is_never_kept(console: Console, browser: StrictBrowser) -> None:
    """The other settings return, and the notice names what is missing."""
    page = log_in_as_first_admin(browser, console)
    page.goto(f"/connections/{shop(console)}/edit")
    page.get_by_label("Pixel ID").fill("PIXELOTHER")
    page.get_by_label("Access Token").fill("secret-token-0123456789")
    lose_the_session(console)
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert "secret-token" not in page.evaluate(STORED) and "PIXELOTHER" not in page.evaluate(STORED)
    log_in(page)
    expect(page.get_by_role("status").first).to_contain_text("access tokens and pasted texts are not kept")
    expect(page.get_by_label("Pixel ID")).to_have_value("PIXELOTHER")
    expect(page.get_by_label("Access Token")).to_have_value("")
    page.get_by_role("button", name="Discard these changes").click()
    expect(page.get_by_label("Pixel ID")).to_have_value("PIXELSHOP")
    assert "draft" not in page.evaluate(STORED)


def test_draft_is_not_shown_to_another_user(console: Console, browser: StrictBrowser) -> None:
    """It is removed when someone else logs in with the same browser, and stays away when its user returns."""
    page = log_in_as_first_admin(browser, console)
    ask(console.data_dir, "POST", "/api/users", {"name": "ben", "role": "admin"})
    type_mapping(page, console)
    lose_the_session(console)
    page.get_by_role("button", name="Save", exact=True).last.click()
    lose_the_session(console, "ben")
    log_in(page, "ben")
    expect(page.get_by_role("heading", name="Subscribe")).to_be_visible()
    expect(page.get_by_label("Event name")).to_have_count(0)
    assert "draft" not in page.evaluate(STORED)


def test_restart_of_the_service_ends_no_session(console: Console, browser: StrictBrowser) -> None:
    """No one has to log in again, and an open form saves."""
    page = log_in_as_first_admin(browser, console)
    type_mapping(page, console)
    assert console.service.end() == 0
    again = ServiceProcess(console.data_dir, console.sandbox.url, port=str(console.service.port))
    try:
        page.get_by_role("button", name="Save", exact=True).last.click()
        expect(page.get_by_role("status").first).to_contain_text("The mappings to Subscribe are saved")
    finally:
        page.goto("about:blank")
        again.end()


def test_form_that_found_no_service_is_there_again(console: Console, browser: StrictBrowser) -> None:
    """The browser's own error page, then back: what was typed is restored."""
    page = log_in_as_first_admin(browser, console)
    type_mapping(page, console)
    where = page.url
    assert console.service.end() == 0
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.get_by_label("Event name")).to_have_count(0)
    again = ServiceProcess(console.data_dir, console.sandbox.url, port=str(console.service.port))
    try:
        page.goto(where)
        expect(page.get_by_label("Event name")).to_have_value(TYPED)
    finally:
        page.goto("about:blank")
        again.end()


def test_leaving_changed_work_asks(console: Console, browser: StrictBrowser) -> None:
    """A stay keeps the page; leaving by Discard or Cancel does not ask, and neither does a form without changes."""
    page = log_in_as_first_admin(browser, console)
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.goto(f"/connections/{shop(console)}/edit")
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("heading", name="Shop")).to_be_visible()
    type_mapping(page, console)
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_label("Event name")).to_have_value(TYPED)
    assert asked == ["beforeunload"]
    page.get_by_role("button", name="Discard changes").click()
    expect(page.get_by_text("No custom mappings to Subscribe yet.")).to_be_visible()
    assert asked == ["beforeunload"]
    assert "draft" not in page.evaluate(STORED)


def test_refused_form_stays_unsaved_work(console: Console, browser: StrictBrowser) -> None:
    """The server answers with what was typed and its problems; leaving that asks, and a reload has it again."""
    browser.tolerate("status of 422")
    page = log_in_as_first_admin(browser, console)
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.goto("/inputs")
    page.get_by_label("Name").fill("shop")
    page.get_by_label("Browser").check()
    page.get_by_label("Origins of the pages").fill("https://shop.example.com")
    page.get_by_role("button", name="Add input").click()
    expect(page.get_by_role("alert")).to_contain_text("exists")
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert asked == ["beforeunload"]
    page.goto("/inputs")
    expect(page.get_by_label("Origins of the pages")).to_have_value("https://shop.example.com")
    page.get_by_label("Name").fill("pages")
    page.get_by_role("button", name="Add input").click()
    expect(page.get_by_role("heading", name="pages", exact=True)).to_be_visible()
    assert "draft" not in page.evaluate(STORED)


def test_logging_out_removes_the_drafts_of_all_tabs(console: Console, browser: StrictBrowser) -> None:
    """And the other tab reads on the login page that this was the reason."""
    page = log_in_as_first_admin(browser, console)
    type_mapping(page, console)
    assert "draft" in page.evaluate(STORED)
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Log out").click()
    expect(other.get_by_role("heading", name="Log in")).to_be_visible()
    page.wait_for_timeout(500)
    assert "draft" not in page.evaluate(STORED)
    page.goto("/account")
    expect(page.get_by_role("status")).to_contain_text("You logged out, on this page or on another one")
    log_in_again = page.get_by_text("What you typed is kept in this tab")
    expect(log_in_again).to_be_hidden()
