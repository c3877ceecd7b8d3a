"""Connections in the browser: from the first start to the first delivered event, and a wrong token mended."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import axe
from tests.browser.console import Console
from tests.browser.reader import log_in_as_first_admin
from tests.browser.screenshots import screenshot
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_process import SandboxThread, serving
from tests.integration.service_rig import basic, fresh_batch

pytestmark = pytest.mark.slow

GOOD_TOKEN = "good-access-token-0123456789"
WRONG_TOKEN = "wrong-access-token-0123456789"


@contextmanager
def first_start(folder: Path, sandbox: SandboxThread) -> Iterator[Console]:
    """A service that knows nobody and has nothing."""
    with serving(folder / "data", sandbox.url) as service:
        yield Console(f"http://127.0.0.1:{service.port}", folder / "data", sandbox, service)


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """TikTok's stand-in knows one token."""
    with SandboxThread(grants={GOOD_TOKEN: None}) as sandbox, first_start(tmp_path, sandbox) as made:
        yield made


def connect(page: Page, token: str) -> None:
    """From the front page through the guided form."""
    page.get_by_role("button", name="Connect a pixel").click()
    page.get_by_label("Pixel ID").fill("C9EXAMPLEPIXELID")
    page.get_by_label("Access Token").fill(token)
    page.get_by_label("Name", exact=True).fill("Shop / Europe")
    page.get_by_role("radio", name="Purchase for a new pixel").check()
    page.get_by_role("radio", name="None").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Shop / Europe")).to_be_visible()


def check_accessibility(page: Page, name: str) -> None:
    """Accessible in both colours, and pictured."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        axe(page)
    screenshot(page, f"connections-{name}")


def send(page: Page, *event_ids: str) -> None:
    """As a server would, with what the page shows."""
    shown = {what: page.locator(f"#for-web-{what}").inner_text() for what in ("sdk", "key", "secret")}
    body = json.dumps(fresh_batch(*event_ids)).encode()
    headers = {"Content-Type": "application/json", **basic(shown["key"], shown["secret"])}
    request = urllib.request.Request(f"{shown['sdk']}/events", data=body, headers=headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        assert answer.status == 202


def make_input(page: Page) -> None:
    page.get_by_role("link", name="Add a sender").first.click()
    page.get_by_label("Name").fill("web")
    page.get_by_role("button", name="Add input").click()
    expect(page.get_by_text("Copy these secrets now. They are not shown again.")).to_be_visible()


def back_to_connection(page: Page) -> None:
    page.get_by_label("Pages").get_by_role("link", name="Connections").click()
    page.get_by_role("link", name="Shop / Europe").click()


def test_from_the_first_start_to_the_first_delivered_event(browser: StrictBrowser, console: Console) -> None:
    """Link, password, pixel, check, input, a real sender with the key and secret shown, and the event delivered."""
    page = log_in_as_first_admin(browser, console)
    page.get_by_role("button", name="Connect a pixel").click()
    check_accessibility(page, "new")
    page.go_back()
    connect(page, GOOD_TOKEN)
    check_accessibility(page, "made")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("#checked")).to_contain_text("Access token and pixel are valid.")
    check_accessibility(page, "checked")
    make_input(page)
    check_accessibility(page, "senders")
    send(page, "first-event")
    back_to_connection(page)
    expect(page.locator("#totals")).to_contain_text("1 delivered", timeout=20_000)
    expect(page.locator("#answer")).to_have_text("TikTok accepted the request (code 0).")
    check_accessibility(page, "delivered")
    assert console.sandbox.ask(lambda sandbox: sandbox.counts().delivered) == 1


def test_a_wrong_token_is_diagnosed_and_mended(browser: StrictBrowser, console: Console) -> None:
    """The check and the pause each say what is wrong and what to do; a new token, and what waited is delivered."""
    page = log_in_as_first_admin(browser, console)
    connect(page, WRONG_TOKEN)
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("#checked")).to_contain_text("TikTok rejected the access token.")
    make_input(page)
    send(page, "waits-for-a-good-token")
    back_to_connection(page)
    expect(page.locator("#state")).to_contain_text("The access token is incorrect or has been revoked.", timeout=20_000)
    expect(page.locator("#state .state")).to_have_text("refused")
    expect(page.locator("#switch")).to_contain_text("Resume")
    check_accessibility(page, "paused")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Access Token").fill(GOOD_TOKEN)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#totals")).to_contain_text("1 delivered", timeout=20_000)
    expect(page.locator("#state .state")).to_have_text("live")
    assert console.sandbox.ask(lambda sandbox: sandbox.counts().delivered) == 1


def test_a_newcomer_sees_a_test_purchase_delivered(browser: StrictBrowser, console: Console) -> None:
    """Without a terminal: test event code, input, button; the page follows it to TikTok."""
    page = log_in_as_first_admin(browser, console)
    connect(page, GOOD_TOKEN)
    page.get_by_role("button", name="Edit").click()
    page.locator("#topic-delivery > summary").click()
    page.get_by_label("Test event code").fill("TEST12345")
    page.get_by_role("button", name="Save").click()
    make_input(page)
    page.get_by_role("button", name="Send a test purchase").click()
    expect(page.locator("#way")).to_contain_text("TikTok accepted it (code 0).", timeout=20_000)
    check_accessibility(page, "purchase")


def test_what_a_sender_needs_is_copied(browser: StrictBrowser, console: Console) -> None:
    """The button takes the text beside it, and says so."""
    page = log_in_as_first_admin(browser, console)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/inputs")
    page.get_by_label("Name").fill("web")
    page.get_by_role("button", name="Add input").click()
    secret = page.locator("#for-web-secret").inner_text()
    button = page.locator('[data-copy="for-web-secret"]')
    button.click()
    expect(button).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == secret
    check_accessibility(page, "input")


def test_a_file_is_imported(browser: StrictBrowser, console: Console, tmp_path: Path) -> None:
    """Chosen, looked at, its token typed, applied."""
    file = tmp_path / "shop.toml"
    file.write_text('name = "Shop"\npixel_id = "C9"\naccess_token = "env:SHOP_TOKEN"\n')
    page = log_in_as_first_admin(browser, console)
    page.goto("/connections/import")
    page.get_by_label("Choose a file").set_input_files(file)
    expect(page.get_by_label("Or paste TOML")).to_have_value(file.read_text())
    page.get_by_role("button", name="Preview changes").click()
    expect(page.get_by_role("heading", name="1 of 1 would change")).to_be_visible()
    check_accessibility(page, "import")
    page.get_by_label("Access Token of Shop").fill(GOOD_TOKEN)
    page.get_by_role("button", name="Apply changes").click()
    expect(page.get_by_text("Imported: Shop.")).to_be_visible()
