"""A connection made in the browser: purchases only, from one host, never staff, event ID from the order number."""

import json
import time
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.accessibility import check_looks
from tests.browser.console import Console
from tests.browser.keyboard import choose, press, tab_to, type_into
from tests.browser.reader import log_in_as_first_admin, reload_until_shown
from tests.browser.screenshots import screenshot
from tests.browser.watched_browser import StrictBrowser
from tests.patience import Patience
from tests.unit.mapping.batches import batch_of, purchase

pytestmark = pytest.mark.slow

HOST = "shop.example.com"
TOKEN = "access-token-0123456789"


def action(name: str, order: str, **members: Any) -> dict[str, Any]:
    """A batch with this product action on the shop's page, now."""
    product = {"id": "sku-1", "price": 5, "quantity": 1}
    event = purchase(
        source_message_id=f"message of {order}",
        timestamp_unixtime_ms=time.time_ns() // 1_000_000,
        custom_flags={"TikTok.URL": f"https://{HOST}/thanks"},
        product_action={"action": name, "transaction_id": order, "total_amount": 5, "products": [product]},
    )
    return batch_of(event, **members)


def arrived(page: Page, console: Console) -> Any:
    """The payload of the only Purchase, once it has arrived: the connection that was there sends PlaceAnOrder."""
    patience = Patience(15)
    while patience.lasts():
        purchases = console.sandbox.ask(
            lambda sandbox: [event for event in sandbox.events() if event.event == "Purchase"]
        )
        if purchases:
            assert [event.code for event in purchases] == [0]
            return msgspec.json.decode(purchases[0].payload)
        page.wait_for_timeout(50)
    raise AssertionError("no Purchase arrived")


def check_events(page: Page, console: Console, name: str) -> None:
    """One purchase is delivered with the order number; a page view and a member of staff are dropped by name."""
    assert console.service.post(action("purchase", "order-1001")) == 202
    assert console.service.post(action("view_detail", "view-1")) == 202
    assert console.service.post(action("purchase", "order-1002", user_attributes={"role": "Staff"})) == 202
    assert arrived(page, console)["event_id"] == "order-1001"
    page.get_by_label("Pages").get_by_role("link", name="Connections").click()
    page.get_by_role("link", name=name).click()
    page.get_by_role("link", name="Live activity").click()
    reload_until_shown(page, page.get_by_role("row", name="order-1001 delivered"))
    for event_id, rule in (("view-1", "purchases only"), ("order-1002", "no staff")):
        row = page.get_by_role("row", name=f"{event_id} dropped")
        expect(row).to_contain_text("Filtered by rule")
        expect(row).to_contain_text(rule)
        row.get_by_role("link").click()
        expect(page.locator("main")).to_contain_text(rule)
        page.go_back()


def look_at(page: Page, name: str) -> None:
    check_looks(page)
    screenshot(page, f"connection-settings-{name}")


def test_a_connection_with_rules_is_made_with_the_mouse(browser: StrictBrowser, console: Console) -> None:
    """Questions answered, rules added and tried, sources chosen, and events behave as the rules say."""
    browser.tolerate("status of 422")
    page = log_in_as_first_admin(browser, console)
    page.goto("/connections/new")
    page.get_by_label("Name", exact=True).fill("Mouse")
    page.get_by_label("Pixel ID").fill("C9MOUSE")
    page.get_by_label("Access Token").fill(TOKEN)
    page.get_by_role("button", name="Save").click()
    problems = page.get_by_role("alert")
    expect(problems).to_contain_text("Purchase event: choose the event that your pixel fires for a purchase.")
    expect(problems).to_contain_text("GDPR consent purpose: choose whether users must have consented")
    look_at(page, "unanswered")
    page.get_by_label("Access Token").fill(TOKEN)
    page.get_by_role("radio", name="Purchase for a new pixel").check()
    page.get_by_role("radio", name="None").check()
    add_rules(page)
    move_a_rule(page)
    try_rules(page)
    page.get_by_text("Where fields come from").click()
    page.get_by_role("button", name="Choose sources of Event ID").click()
    expect(page.get_by_label("Kind of source 1 of Event ID")).to_be_focused()
    page.get_by_label("Name of source 1 of Event ID").select_option("Transaction ID (order number)")
    page.get_by_role("button", name="Remove source 2 of Event ID").click()
    expect(page.get_by_label("Kind of source 2 of Event ID")).to_have_count(0)
    look_at(page, "filled")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Mouse")).to_be_visible()
    expect(page.locator("#settings")).to_be_visible()
    check_events(page, console, "Mouse")


def add_rules(page: Page) -> None:
    page.get_by_text("Which events are forwarded").click()
    page.get_by_role("button", name="Add rule").click()
    first = page.locator("#rule0")
    expect(first.get_by_label("Rule name")).to_be_focused()
    first.get_by_label("Rule name").fill("purchases only")
    first.get_by_label("Values").fill("purchase")
    first.get_by_role("button", name="Add condition to rule 1").click()
    expect(page.locator("#rule0-if1-subject")).to_be_focused()
    page.locator("#rule0-if1-subject").select_option("Page host")
    expect(first).to_contain_text("without https://")
    page.locator("#rule0-if1-values").fill(HOST)
    page.get_by_role("button", name="Add rule").click()
    second = page.locator("#rule1")
    second.get_by_label("Rule name").fill("no staff")
    second.get_by_label("Action").select_option("Do Not Forward")
    second.get_by_label("What is tested").select_option("User attribute")
    second.get_by_label("Name", exact=True).fill("role")
    second.get_by_label("Values").fill("staff")
    second.get_by_label("Values").blur()
    expect(first).to_contain_text(f"Only forward if the event name is purchase and the page host is {HOST}.")
    expect(second).to_contain_text("Do not forward if the user attribute role is staff.")


def move_a_rule(page: Page) -> None:
    page.get_by_role("button", name="Move rule 2 up").click()
    expect(page.locator("#rule0").get_by_label("Rule name")).to_have_value("no staff")
    expect(page.get_by_role("button", name="Move rule 1 down")).to_be_focused()


def try_rules(page: Page) -> None:
    page.get_by_text("Try these settings with a batch").click()
    tried = page.locator("#tried")
    expect(tried).to_contain_text("purchases only (Only Forward) does not hold")
    page.get_by_label("Pasted batch").fill(json.dumps(action("purchase", "o1", user_attributes={"role": "staff"})))
    expect(tried).to_contain_text("purchases only (Only Forward) holds")
    expect(tried).to_contain_text("the user attribute role is staff: yes found: staff")
    expect(tried).to_contain_text("The rule no staff says Do Not Forward.")
    page.get_by_label("Pasted batch").fill("")
    expect(tried).to_contain_text("found: nothing")


def test_a_connection_with_rules_is_made_with_the_keyboard(browser: StrictBrowser, console: Console) -> None:
    """Tab, arrows, letters, Enter and Space; each button leaves the focus where the work goes on."""
    page = log_in_as_first_admin(browser, console)
    page.goto("/connections/new")
    type_into(page, page.get_by_label("Name", exact=True), "Keys")
    type_into(page, page.get_by_label("Pixel ID"), "C9KEYS")
    type_into(page, page.get_by_label("Access Token"), TOKEN)
    press(page, page.get_by_role("radio", name="Purchase for a new pixel"), "Space")
    press(page, page.get_by_role("radio", name="None"), "Space")
    press(page, page.locator("#topic-events > summary"))
    press(page, page.get_by_role("button", name="Add rule"))
    expect(page.locator("#rule0-name")).to_be_focused()
    page.keyboard.type("purchases only")
    type_into(page, page.locator("#rule0-if0-values"), "purchase")
    press(page, page.get_by_role("button", name="Add condition to rule 1"))
    expect(page.locator("#rule0-if1-subject")).to_be_focused()
    choose(page, page.locator("#rule0-if1-subject"), "Page host")
    type_into(page, page.locator("#rule0-if1-values"), HOST)
    press(page, page.get_by_role("button", name="Add rule"))
    expect(page.locator("#rule1-name")).to_be_focused()
    page.keyboard.type("no staff")
    choose(page, page.locator("#rule1-action"), "Do Not Forward")
    choose(page, page.locator("#rule1-if0-subject"), "User attribute")
    type_into(page, page.locator("#rule1-if0-name"), "role")
    type_into(page, page.locator("#rule1-if0-values"), "staff")
    press(page, page.get_by_role("button", name="Move rule 2 up"))
    expect(page.get_by_role("button", name="Move rule 1 down")).to_be_focused()
    choose_sources(page)
    tab_to(page, page.get_by_role("button", name="Save"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    check_events(page, console, "Keys")


def choose_sources(page: Page) -> None:
    press(page, page.locator("#topic-sources > summary"))
    press(page, page.get_by_role("button", name="Choose sources of Event ID"))
    expect(page.get_by_label("Kind of source 1 of Event ID")).to_be_focused()
    choose(page, page.get_by_label("Name of source 1 of Event ID"), "Transaction ID (order number)")
    press(page, page.get_by_role("button", name="Remove source 2 of Event ID"))
    expect(page.get_by_label("Kind of source 1 of Event ID")).to_be_focused()


def test_two_quick_changes_of_a_rule_are_both_in_its_sentence(browser: StrictBrowser, console: Console) -> None:
    """The second change does not get lost while the answer to the first is on its way."""
    page = log_in_as_first_admin(browser, console)
    page.goto("/connections/new")
    page.get_by_text("Which events are forwarded").click()
    page.get_by_role("button", name="Add rule").click()
    rule = page.locator("#rule0")
    # The answer to the click has come whole: until then it may replace what is typed.
    expect(rule.get_by_label("Rule name")).to_be_focused()
    held: list[Route] = []
    released: list[Route] = []
    page.route("**/draft", lambda route: route.fallback() if released else held.append(route))
    rule.get_by_label("Values").fill("purchase")
    rule.get_by_label("Values").blur()
    rule.get_by_label("Action").select_option("Do Not Forward")
    page.wait_for_timeout(300)
    released.extend(held)
    for route in released:
        route.continue_()
        page.wait_for_timeout(300)
    expect(rule).to_contain_text("Do not forward if the event name is purchase.")
