"""The steps to the first event in the browser: they tick by themselves, with a mouse and with a keyboard alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.accessibility import axe
from tests.browser.admin_api import ask
from tests.browser.console import Console
from tests.browser.keyboard import press, type_into
from tests.browser.reader import log_in_as_first_admin
from tests.browser.screenshots import screenshot
from tests.browser.watched_browser import NARROW, StrictBrowser
from tests.integration.service_process import SandboxThread, serving
from tests.integration.service_rig import KEY, SECRET, fresh_batch
from tiktok_sandbox.steps import Reset

pytestmark = pytest.mark.slow

GOOD_TOKEN, WRONG_TOKEN = "good-access-token-0123456789", "wrong-access-token-0123456789"
TITLES = ("Pixel and token", "Check", "Sender", "First event", "Go live")


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """A first start; TikTok knows one token."""
    with (
        SandboxThread(grants={GOOD_TOKEN: None}) as sandbox,
        serving(tmp_path / "data", sandbox.url) as service,
    ):
        yield Console(f"http://127.0.0.1:{service.port}", tmp_path / "data", sandbox, service)


def badge(page: Page) -> Locator:
    return page.locator("#state .state")


def expect_steps(page: Page, *states: str) -> None:
    """Wait until the steps have these states: nobody reloads the page."""
    for title, state in zip(TITLES, states, strict=True):
        step = page.locator("#setup li").filter(has=page.get_by_role("heading", name=title))
        expect(step).to_have_class(state, timeout=15_000)


def pictured(page: Page, name: str) -> None:
    """Accessible in both color schemes, and to be looked at."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        axe(page)
    screenshot(page, f"first-steps-{name}")


def fill_in(page: Page, token: str, code: str) -> None:
    page.goto("/connections/new")
    page.get_by_label("Pixel ID").fill("C9EXAMPLEPIXELID")
    page.get_by_label("Access Token").fill(token)
    page.get_by_label("Name", exact=True).fill("Shop")
    page.get_by_role("radio", name="Purchase for a new pixel").check()
    page.get_by_role("radio", name="None").check()
    page.locator("#topic-delivery > summary").click()
    page.get_by_label("Test event code").fill(code)


def test_steps_lead_from_a_wrong_token_to_a_live_connection(browser: StrictBrowser, console: Console) -> None:
    """TikTok's no is on the page within seconds, and each step is ticked without a reload."""
    page = log_in_as_first_admin(browser, console)
    fill_in(page, WRONG_TOKEN, "TEST12345")
    page.get_by_role("button", name="Save").click()
    expect(badge(page)).to_have_text("refused", timeout=5_000)
    expect(page.locator("#state")).to_contain_text("TikTok's message: Access token is incorrect or has been revoked.")
    expect_steps(page, "done", "failed", "ahead", "ahead", "ahead")
    pictured(page, "refused")

    page.locator("#setup").get_by_role("link", name="Change Access Token").click()
    page.get_by_label("Access Token").fill(GOOD_TOKEN)
    page.get_by_role("button", name="Save").click()
    expect(badge(page)).to_have_text("test", timeout=5_000)
    expect_steps(page, "done", "done", "next", "ahead", "ahead")
    pictured(page, "test")

    ask(console.data_dir, "POST", "/api/inputs", {"name": "web"})
    expect_steps(page, "done", "done", "done", "next", "ahead")
    page.get_by_role("button", name="Send a test purchase").click()
    expect(page.locator("#way")).to_contain_text("TikTok accepted it (code 0).", timeout=20_000)
    pictured(page, "purchase")
    page.get_by_role("link", name="Next steps").click()
    expect_steps(page, "done", "done", "done", "done", "next")
    pictured(page, "ready")

    page.get_by_role("button", name="Go live").click()
    expect(page.get_by_role("heading", name="Go live with Shop?")).to_be_visible()
    pictured(page, "go-live")
    page.get_by_role("button", name="Go live").click()
    expect(badge(page)).to_have_text("live")
    expect(page.get_by_role("heading", name="To the first event")).to_have_count(0)
    pictured(page, "live")


def test_steps_are_walked_without_a_mouse(browser: StrictBrowser, console: Console) -> None:
    """On a telephone's width; the focus stays where it is while the page redraws the steps."""
    page = log_in_as_first_admin(browser, console)
    page.set_viewport_size({"width": NARROW, "height": 844})
    fill_in(page, GOOD_TOKEN, "TEST12345")
    press(page, page.get_by_role("button", name="Save", exact=True).last)
    expect_steps(page, "done", "done", "next", "ahead", "ahead")
    sender = page.locator("#sender-step")
    sender.focus()
    page.wait_for_timeout(2_500)
    expect(sender).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Steps to the first event").locator("[aria-current]")).to_have_text("Sender")
    type_into(page, page.get_by_label("Name"), "web")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Copy these secrets now. They are not shown again.")).to_be_visible()
    pictured(page, "sender")
    press(page, page.locator(".crumbs").get_by_role("link", name="Shop"))
    expect_steps(page, "done", "done", "done", "next", "ahead")
    press(page, page.locator("#purchase-step"))
    expect(page.locator("#way")).to_contain_text("TikTok accepted it (code 0).", timeout=20_000)
    press(page, page.get_by_role("link", name="Next steps"))
    expect_steps(page, "done", "done", "done", "done", "next")
    press(page, page.locator("#live-step"))
    expect(page.get_by_role("heading", name="Go live with Shop?")).to_be_visible()
    press(page, page.get_by_role("button", name="Go live"))
    expect(badge(page)).to_have_text("live")


def test_steps_are_put_away_and_shown_again(browser: StrictBrowser, console: Console) -> None:
    """Who knows the way does not need them on the page."""
    page = log_in_as_first_admin(browser, console)
    fill_in(page, GOOD_TOKEN, "TEST12345")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Put away").click()
    expect(page.get_by_role("heading", name="To the first event")).to_have_count(0)
    pictured(page, "put-away")
    page.get_by_role("button", name="First steps").click()
    expect(page.get_by_role("heading", name="To the first event")).to_be_visible()


def test_connection_that_could_not_be_checked_shows_why(browser: StrictBrowser, console: Console) -> None:
    """The button asks again, and its answer ticks the step."""
    page = log_in_as_first_admin(browser, console)
    console.sandbox.ask(lambda sandbox: sandbox.script.for_requests(Reset()))
    fill_in(page, GOOD_TOKEN, "TEST12345")
    page.get_by_role("button", name="Save").click()
    expect(badge(page)).to_have_text("not checked")
    expect(page.locator("#state")).to_contain_text("TikTok closed the connection.", timeout=15_000)
    pictured(page, "not-checked")
    page.get_by_role("button", name="Ask TikTok").click()
    expect(badge(page)).to_have_text("test", timeout=15_000)
    expect_steps(page, "done", "done", "next", "ahead", "ahead")


def test_recording_connection_shows_what_would_have_been_sent(browser: StrictBrowser, console: Console) -> None:
    """Its badge and pages say that nothing is sent, and its event has every field; it needs no access token."""
    page = log_in_as_first_admin(browser, console)
    fill_in(page, "", "")
    page.get_by_label("Delivery", exact=True).select_option("record")
    pictured(page, "recording-form")
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(badge(page)).to_have_text("recording")
    expect(page.get_by_text("Its access token is kept encrypted.")).to_have_count(0)
    expect_steps(page, "done", "done", "next", "ahead", "ahead")
    ask(console.data_dir, "POST", "/api/inputs", {"name": "shop", "key": KEY, "secret": SECRET})
    assert console.service.post(fresh_batch("e1")) == 202
    expect_steps(page, "done", "done", "done", "done", "next")
    expect(page.locator("#totals .reasons .intended")).to_contain_text("recorded", ignore_case=True)
    pictured(page, "recording")
    page.locator("#setup").get_by_role("link", name="1 event was").click()
    page.locator("main").get_by_role("link", name="Purchase").first.click()
    expect(page.get_by_role("heading", name="Fields that would be sent to TikTok")).to_be_visible()
    pictured(page, "recording-event")
    page.goto("/")
    expect(page.locator("article.connection .state")).to_have_text("recording")
    pictured(page, "recording-overview")
    assert console.sandbox.ask(lambda sandbox: sandbox.requests()) == []
