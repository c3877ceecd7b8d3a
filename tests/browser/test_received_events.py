"""Events without a mapping, mapped from the list of received events: with the mouse, and with the keyboard alone."""

import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import axe
from tests.browser.console import Console
from tests.browser.keyboard import choose, press
from tests.browser.reader import log_in_as_first_admin
from tests.browser.screenshots import screenshot
from tests.browser.test_mappings import custom_event, payload_delivered
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_rig import fresh_batch
from tests.unit.mapping.batches import batch_of

pytestmark = pytest.mark.slow

SIGNUP = {"list": "weekly", "Total-Amount": "4.5", "currency": "EUR"}
_SECONDS = 60


def send(console: Console, *events: dict[str, Any]) -> None:
    identities = {"customer_id": "cust-1", "email": "ada@example.com"}
    assert console.service.post(batch_of(*events, user_identities=identities)) == 202


def until_shown(page: Page, text: str) -> None:
    """Load the page until it shows what was received a moment ago."""
    for _ in range(50):
        if page.get_by_role("cell", name=text).count():
            return
        page.wait_for_timeout(200)
        page.reload()
    raise AssertionError(f"{page.url} does not show {text}")


def test_unmapped_event_is_mapped_from_the_list_with_the_mouse(browser: StrictBrowser, console: Console) -> None:
    """From the overview in under a minute; type, name and attributes are filled in, and the next event is delivered."""
    send(console, custom_event("Newsletter Signup", **SIGNUP), custom_event("Newsletter Signup", **SIGNUP))
    send(console, custom_event("Video Played"))
    page = log_in_as_first_admin(browser, console)
    started = time.monotonic()
    page.get_by_role("link", name="by name").click()
    until_shown(page, "Newsletter Signup")
    row = page.get_by_role("row").filter(has_text="Newsletter Signup")
    expect(row.get_by_role("cell").nth(2)).to_have_text("2")
    axe(page)
    screenshot(page, "received-events")
    row.get_by_role("button", name="Map it: Newsletter Signup (custom event)").click()
    expect(page.get_by_role("heading", name="Map “Newsletter Signup” (custom event)")).to_be_visible()
    axe(page)
    screenshot(page, "received-events-target")
    page.get_by_label("TikTok event", exact=True).select_option("Subscribe")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_label("Event name")).to_have_value("Newsletter Signup")
    expect(page.get_by_label("When mParticle sends a")).to_have_value("custom_event")
    expect(page.get_by_label("Currency: source, the name")).to_have_value("currency")
    expect(page.get_by_label("Total value: source, the name")).to_have_value("Total-Amount")
    expect(page.get_by_role("status")).to_contain_text("Other attributes of the event: list.")
    expect(page.locator("#preview")).to_contain_text("would be sent")
    axe(page)
    screenshot(page, "received-events-filled")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("The mappings to Subscribe are saved")
    send(console, custom_event("Newsletter Signup", **{**SIGNUP, "Total-Amount": "7.5"}))
    assert payload_delivered(page, console, "Subscribe")["properties"] == {"currency": "EUR", "value": 7.5}
    assert time.monotonic() - started < _SECONDS
    page.get_by_role("link", name="Custom mappings", exact=True).click()
    page.get_by_role("link", name="Received events by name").click()
    mapped = page.get_by_role("region", name="With a mapping").get_by_role("row").filter(has_text="Newsletter Signup")
    expect(mapped.get_by_role("link", name="Subscribe")).to_be_visible()
    expect(mapped.get_by_role("cell").nth(2)).to_have_text("3")
    expect(page.get_by_role("region", name="Without a mapping")).not_to_contain_text("Newsletter Signup")


def test_unmapped_event_is_mapped_from_the_list_with_the_keyboard(browser: StrictBrowser, console: Console) -> None:
    """In under a minute: the choice of the TikTok event has the focus, and then the mapping that is filled in."""
    send(console, custom_event("Newsletter Signup", **SIGNUP))
    page = log_in_as_first_admin(browser, console)
    started = time.monotonic()
    press(page, page.get_by_role("link", name="by name"))
    until_shown(page, "Newsletter Signup")
    press(page, page.get_by_role("button", name="Map it: Newsletter Signup (custom event)"))
    target = page.get_by_label("TikTok event", exact=True)
    expect(target).to_be_focused()
    choose(page, target, "Subscribe")
    press(page, page.get_by_role("button", name="Continue"))
    expect(page.get_by_label("When mParticle sends a")).to_be_focused()
    expect(page.get_by_label("Event name")).to_have_value("Newsletter Signup")
    press(page, page.get_by_role("button", name="Save", exact=True))
    expect(page.get_by_role("status")).to_contain_text("The mappings to Subscribe are saved")
    send(console, custom_event("Newsletter Signup", **SIGNUP))
    assert payload_delivered(page, console, "Subscribe")["properties"] == {"currency": "EUR", "value": 4.5}
    assert time.monotonic() - started < _SECONDS


def test_dropped_event_shows_what_is_known_and_can_be_mapped(browser: StrictBrowser, console: Console) -> None:
    """Found in the activity by its name, in any case; which identities it had is shown, and not whose they are."""
    send(console, custom_event("Newsletter Signup", **SIGNUP))
    page = log_in_as_first_admin(browser, console)
    page.goto("/activity")
    page.get_by_label("mParticle event").fill("newsletter SIGNUP")
    page.get_by_role("button", name="Apply filters").click()
    until_shown(page, "Newsletter Signup")
    page.get_by_role("link", name="Newsletter Signup (custom event)").click()
    expect(page.get_by_role("heading", name="What is known of the event")).to_be_visible()
    known = page.get_by_role("table").filter(has_text="Platform")
    for label, value in (
        ("Type", "Custom event"),
        ("Event name", "Newsletter Signup"),
        ("Platform", "web"),
        ("Identity: Email", "yes"),
        ("Identity: Mobile Number", "no"),
        ("Identity: Customer ID", "yes"),
    ):
        expect(known.get_by_role("row").filter(has_text=label).get_by_role("cell")).to_have_text(value)
    axe(page)
    screenshot(page, "received-events-dropped")
    page.get_by_role("button", name="Map it").click()
    expect(page.get_by_role("heading", name="Map “Newsletter Signup” (custom event)")).to_be_visible()


def test_order_is_found_by_its_number(browser: StrictBrowser, console: Console) -> None:
    """As the shop's staff know it: the event's own ID may be another."""
    assert console.service.post(fresh_batch("event-of-the-order")) == 202
    page = log_in_as_first_admin(browser, console)
    page.goto("/activity?order_id=o1")
    until_shown(page, "PlaceAnOrder")
    page.get_by_role("link", name="PlaceAnOrder").first.click()
    expect(page.get_by_text("Event ID event-of-the-order")).to_be_visible()
    page.goto("/activity?order_id=o2")
    expect(page.get_by_text("No records match these filters.")).to_be_visible()


def test_event_that_is_mapped_already_shows_its_mapping(browser: StrictBrowser, console: Console) -> None:
    """A link that was opened twice adds no second mapping; a type that no mapping can have is ignored."""
    page = log_in_as_first_admin(browser, console)
    page.get_by_role("link", name="Shop").first.click()
    here = page.url
    page.goto(f"{here}/mappings/Subscribe?type=custom_event&name=Signup")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("saved")
    page.goto(f"{here}/mappings/Subscribe?type=custom_event&name=signup")
    expect(page.get_by_label("Event name")).to_have_count(1)
    expect(page.get_by_text("This mapping is filled in")).to_have_count(0)
    page.goto(f"{here}/mappings?type=session_start&name=x")
    expect(page.get_by_label("TikTok event", exact=True)).to_have_count(0)
