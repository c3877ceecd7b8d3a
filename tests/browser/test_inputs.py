"""Inputs in the browser: a web page's is added with its origins, sends, and is kept from purchases."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import check_looks
from tests.browser.admin_api import ask
from tests.browser.console import Console
from tests.browser.reader import log_in_as_first_admin
from tests.browser.screenshots import screenshot
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_process import SandboxThread, serving
from tests.integration.service_rig import fresh_batch

pytestmark = pytest.mark.slow

TOKEN = "good-access-token-0123456789"
SHOP = "https://shop.example.com"


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """A service with one connection and no input."""
    with (
        SandboxThread(grants={TOKEN: None}) as sandbox,
        serving(tmp_path / "data", sandbox.url) as service,
    ):
        settings = {"name": "Shop", "pixel_id": "C9EXAMPLEPIXELID", "access_token": TOKEN}
        ask(tmp_path / "data", "POST", "/api/connections", settings)
        yield Console(f"http://127.0.0.1:{service.port}", tmp_path / "data", sandbox, service)


def test_browser_input_is_added_used_and_kept_from_purchases(browser: StrictBrowser, console: Console) -> None:
    """The origins are asked for when the kind is chosen; the input's figures show what came of its events."""
    browser.tolerate("status of 422")
    page = log_in_as_first_admin(browser, console)
    page.goto("/inputs")
    page.get_by_label("Name").fill("web")
    expect(page.get_by_label("Origins of the pages")).to_be_hidden()
    page.get_by_role("radio", name="Browser web pages").check()
    page.get_by_label("Origins of the pages").fill("shop.example.com")
    check_looks(page)
    screenshot(page, "inputs-new")
    page.get_by_role("button", name="Add input").click()
    expect(page.get_by_role("alert")).to_contain_text("Origins: must be a scheme and an ASCII host")
    expect(page.get_by_label("Origins of the pages")).to_have_value("shop.example.com")
    page.get_by_label("Origins of the pages").fill(f"{SHOP}\nhttps://m.example.com")
    page.get_by_role("button", name="Add input").click()
    expect(page.get_by_role("heading", name="web", exact=True)).to_be_visible()
    key = page.locator("#for-web-key").inner_text()
    assert f'data-key="{key}"' in page.locator("#for-web-script").inner_text()
    page.get_by_label("Drop purchases from this input").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Purchases from this input are dropped.")).to_be_visible()
    answer = page.request.post(
        f"{console.url}/v3/JS/{key}/events", data=json.dumps(fresh_batch("m1")), headers={"Origin": SHOP}
    )
    assert answer.status == 202
    foreign = page.request.post(
        f"{console.url}/v3/JS/{key}/events",
        data=json.dumps(fresh_batch("m2")),
        headers={"Origin": "https://evil.example"},
    )
    assert foreign.status == 403
    expect_figures(page, {"Events received": "1", "Purchases not allowed": "1", "Requests refused": "1"})
    check_looks(page)
    screenshot(page, "inputs-browser")


def expect_figures(page: Page, figures: dict[str, str]) -> None:
    """The page shows them after a while: they are written about once a second."""
    for _ in range(50):
        page.goto("/inputs/web?period=day")
        shown = page.locator("dl.figures > div")
        found = {each.locator("dt").inner_text(): each.locator("dd").inner_text() for each in shown.all()}
        if figures.items() <= found.items():
            return
        page.wait_for_timeout(200)
    raise AssertionError(found)
