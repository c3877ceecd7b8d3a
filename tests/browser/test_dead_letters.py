"""Dead letters in the browser: looked at, replayed once TikTok takes them, and discarded."""

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import axe
from tests.browser.admin_api import ask
from tests.browser.console import Console
from tests.browser.reader import log_in_as_first_admin
from tests.browser.screenshots import screenshot
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_process import ServiceProcess
from tests.integration.service_rig import fresh_batch

pytestmark = pytest.mark.slow


def test_dead_letters_are_replayed_once_tiktok_takes_them(browser: StrictBrowser, console: Console) -> None:
    """Refused, looked at, still refused, then taken: each time the page says how it went, without a reload."""
    for event_id in ("bad-1", "bad-2"):
        console.sandbox.ask(lambda sandbox, each=event_id: sandbox.script.poison(each))  # type: ignore[misc]
    page = log_in_as_first_admin(browser, console)
    assert console.service.post(fresh_batch("good", "bad-1", "bad-2")) == 202
    expect(page.get_by_role("link", name="2", exact=True)).to_be_visible(timeout=15_000)
    page.get_by_role("link", name="Dead letters").click()
    expect(page.get_by_role("heading", name="Refused: 2")).to_be_visible()
    axe(page)
    screenshot(page, "dead-letters")
    page.get_by_role("button", name="View").click()
    page.get_by_role("link", name="PlaceAnOrder").first.click()
    expect(page.get_by_text("A parameter is wrong.")).to_be_visible()
    axe(page)
    screenshot(page, "dead-letter")

    page.goto("/dead-letters")
    page.get_by_role("button", name="Replay…").click()
    expect(page.get_by_role("heading", name="Replay 2 dead letters?")).to_be_visible()
    axe(page)
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("2 of 2 became dead letters again.")).to_be_visible(timeout=15_000)

    console.sandbox.ask(lambda sandbox: sandbox.script.clear())
    page.get_by_role("link", name="Go to dead letters").click()
    page.get_by_role("button", name="Replay…").click()
    page.get_by_role("button", name="Replay").click()
    finished = "Replay finished. No event is waiting and none became a dead letter again."
    expect(page.get_by_text(finished)).to_be_visible(timeout=15_000)
    axe(page)
    screenshot(page, "replay")
    page.get_by_role("link", name="Go to dead letters").click()
    expect(page.get_by_role("heading", name="No dead letters")).to_be_visible()


def test_progress_of_a_replay_outlasts_a_restart(browser: StrictBrowser, console: Console) -> None:
    """The open page goes on where it was, without a login, and sees the end of the replay."""
    console.sandbox.ask(lambda sandbox: sandbox.script.poison("bad"))
    page = log_in_as_first_admin(browser, console)
    assert console.service.post(fresh_batch("bad")) == 202
    expect(page.get_by_role("link", name="1", exact=True).last).to_be_visible(timeout=15_000)
    console.sandbox.ask(lambda sandbox: sandbox.script.clear())
    [shop] = ask(console.data_dir, "GET", "/api/connections")
    ask(console.data_dir, "POST", f"/api/connections/{shop['id']}/pause", {"reason": "stocktaking"})
    page.goto("/dead-letters")
    page.get_by_role("button", name="Replay…").click()
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("1 of 1 waiting.")).to_be_visible()
    browser.tolerate("ERR_CONNECTION_REFUSED", "htmx:")
    assert console.service.end() == 0
    again = ServiceProcess(console.data_dir, console.sandbox.url, port=str(console.service.port))
    try:
        page.reload()
        expect(page.get_by_text("1 of 1 waiting.")).to_be_visible()
        ask(console.data_dir, "POST", f"/api/connections/{shop['id']}/resume")
        expect(page.get_by_text("Replay finished.")).to_be_visible(timeout=15_000)
    finally:
        page.goto("about:blank")
        again.end()


def test_a_dead_letter_is_discarded(browser: StrictBrowser, console: Console) -> None:
    """After a question that says what it means; Cancel leaves it where it is."""
    console.sandbox.ask(lambda sandbox: sandbox.script.poison("bad"))
    page = log_in_as_first_admin(browser, console)
    assert console.service.post(fresh_batch("bad")) == 202
    expect(page.get_by_role("link", name="1", exact=True).last).to_be_visible(timeout=15_000)
    page.goto("/dead-letters")
    page.get_by_role("button", name="Discard…").click()
    expect(page.get_by_text("They are permanently deleted")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("link", name="PlaceAnOrder").click()
    page.get_by_role("button", name="Discard…").click()
    page.get_by_role("button", name="Discard permanently").click()
    expect(page.get_by_role("status")).to_have_text("Discarded: 1 dead letter.")
    expect(page.get_by_role("heading", name="No dead letters")).to_be_visible()
