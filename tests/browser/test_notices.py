"""Notices in the browser: recipients are added by the fields of their kind, tested, edited and removed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import check_looks
from tests.browser.admin_api import ask
from tests.browser.console import Console
from tests.browser.reader import log_in_as_first_admin
from tests.browser.screenshots import screenshot
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_process import SandboxThread, serving
from tests.integration.service_rig import TOKEN, fresh_batch

pytestmark = pytest.mark.slow

# Neither public nor allowed: no connection is ever made.
URL = "https://127.0.0.1:9/services/secret"


@pytest.fixture
def console(data_dir: Path) -> Iterator[Console]:
    """A service with a connection whose token is refused."""
    with SandboxThread(grants={TOKEN: None}) as sandbox, serving(data_dir, sandbox.url) as service:
        paused = {"name": "Outlet", "pixel_id": "PIXELOUTLET", "access_token": "revoked-token-0123456789"}
        ask(data_dir, "POST", "/api/connections", paused)
        yield Console(f"http://127.0.0.1:{service.port}", data_dir, sandbox, service)


def test_recipients_are_added_tested_and_removed(browser: StrictBrowser, console: Console) -> None:
    """Each kind shows its own fields; a test says at once what is wrong; an incident appears with its notices."""
    browser.tolerate("status of 422")
    page = log_in_as_first_admin(browser, console)
    page.get_by_role("link", name="Notices").click()
    expect(page.get_by_role("heading", name="Notices", exact=True)).to_be_visible()
    expect(page.get_by_label("SMTP server", exact=True)).to_be_hidden()
    page.get_by_label("Name", exact=True).fill("Pager")
    page.get_by_label("URL", exact=True).fill("http://127.0.0.1:9/")
    page.get_by_role("button", name="Add recipient").click()
    expect(page.get_by_role("alert")).to_contain_text("URL: must be https:// and a host")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Pager")
    page.get_by_label("URL", exact=True).fill(URL)
    page.get_by_role("button", name="Add recipient").click()
    expect(page.locator("#secret")).to_contain_text("whsec_")
    check_looks(page)
    screenshot(page, "notices-secret")
    page.get_by_label("Name", exact=True).fill("Operators")
    page.get_by_role("radio", name="Email by your SMTP server").check()
    expect(page.get_by_label("URL", exact=True)).to_be_hidden()
    page.get_by_label("To (one email address per line)").fill("ops@example.com")
    page.get_by_label("From", exact=True).fill("forwarder@example.com")
    page.get_by_label("SMTP server", exact=True).fill("127.0.0.1")
    check_looks(page)
    screenshot(page, "notices-new-email")
    page.get_by_role("button", name="Add recipient").click()
    expect(page.get_by_text("Operators is added. Send a test to it.")).to_be_visible()
    assert console.service.post(fresh_batch("e1")) == 202
    page.get_by_role("button", name="Send a test to Operators").click()
    expect(page.get_by_text("The test to Operators was not sent: the host has an address")).to_be_visible()
    for _ in range(60):
        page.goto("/notices")
        if page.get_by_text("Outlet: TikTok refuses the events").count() == 2:
            break
        page.wait_for_timeout(500)
    expect(page.get_by_role("cell", name="Connection paused or refused")).to_be_visible()
    page.get_by_text("Outlet: TikTok refuses the events").first.click()
    expect(page.get_by_text("Its events are kept and are not delivered.").first).to_be_visible()
    check_looks(page)
    screenshot(page, "notices")
    page.get_by_role("button", name="Edit Pager").click()
    expect(page.get_by_role("heading", name="Edit Pager")).to_be_visible()
    page.get_by_label("Input silent").uncheck()
    check_looks(page)
    screenshot(page, "notices-edit")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Pager is saved.")).to_be_visible()
    page.get_by_role("button", name="Remove Pager").click()
    page.get_by_role("button", name="Remove recipient").click()
    expect(page.get_by_text("Pager is removed and gets no more notices.")).to_be_visible()
