"""The activity in the browser: a dropped event found and understood, and events watched as they arrive."""

import time
from hashlib import sha256
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import axe
from tests.browser.console import Console
from tests.browser.reader import log_in_as_first_admin
from tests.browser.screenshots import screenshot
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_rig import fresh_batch
from tests.unit.mapping.batches import purchase
from tiktok_forwarder.mapping.explanation.advice import ADVICE_ON_DROPS

pytestmark = pytest.mark.slow


def fresh(event_id: str, **data: Any) -> Any:
    return purchase(source_message_id=event_id, timestamp_unixtime_ms=time.time_ns() // 1_000_000, **data)


def test_a_dropped_event_is_found_and_understood(browser: StrictBrowser, console: Console) -> None:
    """Three clicks from the front page, by keyboard alone, to why it was dropped and where to change that."""
    batch = fresh_batch("sound")
    batch["events"] += [fresh("refunded", product_action={"action": "refund"}), 7]
    assert console.service.post(batch) == 202
    page = log_in_as_first_admin(browser, console)
    page.get_by_role("link", name="Unsupported event").press("Enter")
    expect(page.get_by_role("heading", name="Activity")).to_be_visible()
    axe(page)
    page.get_by_role("link", name="refund (commerce event)").press("Enter")
    expect(page.get_by_role("heading", name="Dropped: Unsupported event")).to_be_visible()
    expect(page.get_by_text(ADVICE_ON_DROPS["unsupported_event"].remedy)).to_be_visible()
    expect(page.get_by_role("link", name="Go to custom mappings")).to_be_visible()
    axe(page)
    screenshot(page, "dropped-event")
    page.goto("/activity?reason=malformed_event")
    page.get_by_role("link", name="Unreadable event").click()
    expect(page.get_by_text(ADVICE_ON_DROPS["malformed_event"].remedy)).to_be_visible()


def test_an_event_is_watched_to_its_delivery(browser: StrictBrowser, console: Console) -> None:
    """Its row appears by itself while the page stands open, and leads to its way and its fields."""
    page = log_in_as_first_admin(browser, console)
    page.get_by_role("link", name="Activity").click()
    expect(page.get_by_text("Events appear here as they arrive.")).to_be_visible()
    page.get_by_role("button", name="Watch live").click()
    expect(page.get_by_role("status")).to_have_text("Live")
    assert console.service.post(fresh_batch("watched")) == 202
    row = page.get_by_role("row").filter(has_text="delivered")
    expect(row).to_contain_text("watched", timeout=15_000)
    assert page.locator("#rows time").first.get_attribute("data-local") is not None
    axe(page)
    screenshot(page, "activity-live")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Delivered")).to_be_visible()
    digest = page.get_by_role("row").filter(has_text="user.external_id")
    digest.locator("summary").click()
    expect(digest.locator("details > code")).to_have_text(sha256(b"cust-829311").hexdigest())
    axe(page)
    screenshot(page, "event")


def test_a_paused_view_stands_still_and_then_goes_on_where_it_stopped(browser: StrictBrowser, console: Console) -> None:
    """What came meanwhile stands there afterwards, once."""
    page = log_in_as_first_admin(browser, console)
    page.goto("/activity?outcome=accepted&live=on")
    expect(page.get_by_role("status")).to_have_text("Live")
    assert console.service.post(fresh_batch("first")) == 202
    expect(rows_with(page, "first")).to_have_count(1, timeout=15_000)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_have_text("Paused")
    assert console.service.post(fresh_batch("second")) == 202
    page.wait_for_timeout(3000)
    expect(rows_with(page, "second")).to_have_count(0)
    page.get_by_role("button", name="Resume").click()
    expect(rows_with(page, "second")).to_have_count(1, timeout=15_000)
    expect(page.get_by_role("status")).to_have_text("Live")
    page.wait_for_timeout(2500)
    for event_id in ("first", "second"):
        expect(rows_with(page, event_id)).to_have_count(1)
    page.get_by_role("button", name="Stop watching").click()
    expect(page.get_by_role("button", name="Watch live")).to_be_visible()


def test_the_list_does_not_grow_for_ever(browser: StrictBrowser, console: Console) -> None:
    """The oldest rows go once there are some two hundred."""
    page = log_in_as_first_admin(browser, console)
    page.goto("/activity?outcome=dropped&live=on")
    expect(page.get_by_role("status")).to_have_text("Live")
    for number in range(6):
        batch = fresh_batch()
        batch["events"] = [fresh(f"r{number}-{each}", custom_flags=None) for each in range(50)]
        assert console.service.post(batch) == 202
        expect(rows_with(page, f"r{number}-49")).to_have_count(1, timeout=15_000)
    expect(page.locator("#rows > tr")).to_have_count(200)
    page.get_by_role("button", name="Stop watching").click()
    expect(page.get_by_role("button", name="Watch live")).to_be_visible()


def rows_with(page: Page, event_id: str) -> Any:
    return page.locator("#rows > tr").filter(has=page.get_by_text(event_id, exact=True))
