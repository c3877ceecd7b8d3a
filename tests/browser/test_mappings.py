"""Custom mappings in the browser: made with the mouse, made with the keyboard alone, and previewed while typing."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.accessibility import axe
from tests.browser.console import Console
from tests.browser.keyboard import choose, press, type_into
from tests.browser.reader import log_in_as_first_admin
from tests.browser.screenshots import screenshot
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_process import SandboxThread, serving
from tests.patience import Patience
from tests.unit.mapping.batches import batch_of

pytestmark = pytest.mark.slow


def mappings_of_shop(page: Page) -> None:
    """From the front page to the mappings of the one connection there is."""
    page.get_by_role("link", name="Shop").click()
    page.get_by_role("button", name="Custom mappings").first.click()
    expect(page.get_by_role("heading", name="Custom mappings of Shop")).to_be_visible()


def custom_event(name: str, **attributes: Any) -> dict[str, Any]:
    data = {
        "event_name": name,
        "custom_event_type": "other",
        "source_message_id": f"{name} {time.time_ns()}",
        "timestamp_unixtime_ms": time.time_ns() // 1_000_000,
        "custom_flags": {"TikTok.URL": "https://shop.example.com/"},
        "custom_attributes": attributes,
    }
    return {"event_type": "custom_event", "data": data}


def payload_delivered(page: Page, console: Console, event: str) -> Any:
    """The event of this name as TikTok's stand-in took it, once it has arrived."""
    patience = Patience(15)
    while patience.lasts():
        arrived = console.sandbox.ask(lambda sandbox: [each for each in sandbox.events() if each.event == event])
        if arrived:
            assert arrived[0].code == 0, arrived[0]
            return msgspec.json.decode(arrived[0].payload)
        page.wait_for_timeout(50)
    raise AssertionError(f"no {event} arrived")


def check_accessibility(page: Page, name: str) -> None:
    """Accessible in both colours, and pictured."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        axe(page)
    screenshot(page, f"mappings-{name}")


@pytest.fixture
def console(data_dir: Path, sandbox: SandboxThread) -> Iterator[Console]:
    """With a memory of development events, which the service has none of unless it is told so."""
    with serving(data_dir, sandbox.url, TIKTOK_FORWARDER_DEVELOPMENT_EVENTS_KEPT="10") as service:
        yield Console(f"http://127.0.0.1:{service.port}", data_dir, sandbox, service)


def test_a_mapping_is_made_with_the_mouse_and_its_event_delivered(browser: StrictBrowser, console: Console) -> None:
    """From a name that was seen to the event at TikTok, with the change foreseen for what came before."""
    signup = custom_event("Newsletter Signup", list="weekly", price_paid="4.5")
    assert console.service.post(batch_of(signup, environment="development")) == 202
    page = log_in_as_first_admin(browser, console)
    mappings_of_shop(page)
    check_accessibility(page, "events")
    page.get_by_role("link", name="Subscribe", exact=True).click()
    page.get_by_role("button", name="Add New Mapping").click()
    page.get_by_label("Event name").fill("Newsletter Signup")
    expect(page.locator("#m1-names-name option").first).to_have_attribute("value", "Newsletter Signup")
    page.get_by_label("Currency: source", exact=True).select_option("Static value")
    page.get_by_label("Currency: source, the value").fill("EUR")
    page.get_by_label("Total value: source", exact=True).select_option("Event attribute")
    page.get_by_label("Total value: source, the name").fill("price_paid")
    page.get_by_label("Total value: required").check()
    page.get_by_role("button", name="Add condition").click()
    condition = page.get_by_role("group", name="Only if")
    condition.get_by_label("Name").fill("list")
    condition.get_by_label("Values").fill("weekly\ndaily")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("would be sent")
    expect(preview).to_contain_text("sent as: nothing → Subscribe")
    check_accessibility(page, "editor")
    page.get_by_label("Sample event").select_option("Development event 1: custom event Newsletter Signup")
    expect(preview.locator("pre").first).to_contain_text('"value": 4.5')
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("The mappings to Subscribe are saved")
    assert console.service.post(batch_of(custom_event("Newsletter Signup", list="Daily", price_paid="7.5"))) == 202
    payload = payload_delivered(page, console, "Subscribe")
    assert payload["properties"] == {"currency": "EUR", "value": 7.5}


# --- by the keyboard alone ---


def labeled(page: Page, label: str) -> Locator:
    return page.get_by_label(label, exact=True)


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def test_a_mapping_is_made_with_the_keyboard_alone_and_its_event_delivered(
    browser: StrictBrowser, console: Console
) -> None:
    """Tab, arrows, letters, Enter and Space; the place in the form is kept when a part of it changes."""
    page = log_in_as_first_admin(browser, console)
    mappings_of_shop(page)
    press(page, page.get_by_role("link", name="Complete Registration"))
    expect(page.get_by_role("heading", name="Complete Registration")).to_be_visible()
    press(page, page.get_by_role("button", name="Add New Mapping"))
    expect(page.get_by_label("When mParticle sends a")).to_be_focused()
    choose(page, labeled(page, "When mParticle sends a"), "Screen view")
    expect(page.get_by_label("When mParticle sends a")).to_be_focused()
    type_into(page, page.get_by_label("Screen name"), "Welcome")
    choose(page, labeled(page, "Description: source"), "User attribute")
    expect(page.get_by_label("Description: source", exact=True)).to_be_focused()
    type_into(page, page.get_by_label("Description: source, the name"), "plan")
    press(page, page.get_by_label("Description: required"), "Space")
    expect(page.get_by_label("Description: required")).to_be_checked()
    expect(page.locator("#preview")).to_contain_text("would be sent")
    press(page, page.get_by_role("button", name="Save"))
    expect(page.get_by_role("status")).to_contain_text("The mappings to Complete Registration are saved")
    welcome = {**custom_event("")["data"], "screen_name": "welcome"}
    batch = batch_of({"event_type": "screen_view", "data": welcome}, user_attributes={"plan": "yearly"})
    assert console.service.post(batch) == 202
    assert payload_delivered(page, console, "CompleteRegistration")["properties"] == {"description": "yearly"}


def test_a_mapping_with_all_that_is_new_is_made_with_the_keyboard(browser: StrictBrowser, console: Console) -> None:
    """A name of one's own, a number's bound as condition, two sources in order, and a property that was added."""
    page = log_in_as_first_admin(browser, console)
    mappings_of_shop(page)
    type_into(page, labeled(page, "Your own event name"), "Quiz_Done")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Quiz_Done", level=1)).to_be_visible()
    press(page, button(page, "Add New Mapping"))
    type_into(page, labeled(page, "Event name"), "Quiz finished")
    press(page, button(page, "Add condition"))
    expect(page.locator("#m1-if0-subject")).to_be_focused()
    type_into(page, labeled(page, "Name"), "score")
    choose(page, labeled(page, "Test"), "is at least")
    expect(page.get_by_label("Test", exact=True)).to_be_focused()
    type_into(page, labeled(page, "Number"), "5")
    choose(page, labeled(page, "Total value: source"), "Event attribute")
    type_into(page, labeled(page, "Total value: source, the name"), "net")
    press(page, button(page, "Total value: add another source"))
    expect(page.get_by_label("Total value: source 2", exact=True)).to_be_focused()
    choose(page, labeled(page, "Total value: source 2"), "Custom flag")
    type_into(page, labeled(page, "Total value: source 2, the name"), "Quiz.Value")
    press(page, button(page, "Move Total value: source 2 up"))
    expect(page.get_by_role("button", name="Move Total value: source 1 down")).to_be_focused()
    expect(page.get_by_label("Total value: source 1, the name")).to_have_value("Quiz.Value")
    choose(page, labeled(page, "Other properties"), "Shop ID")
    press(page, button(page, "Add a property"))
    expect(page.get_by_label("Shop ID: source", exact=True)).to_be_focused()
    choose(page, labeled(page, "Shop ID: source"), "Static value")
    type_into(page, labeled(page, "Shop ID: source, the value"), "S-7")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("would be sent")
    expect(preview.locator("pre").first).to_contain_text('"value": 298')
    expect(preview.locator("pre").first).to_contain_text('"shop_id": "S-7"')
    check_accessibility(page, "own-event")
    press(page, button(page, "Save"))
    expect(page.get_by_role("status")).to_contain_text("The mappings to Quiz_Done are saved")
    quiz = custom_event("Quiz finished", score="4", net=3), custom_event("quiz finished", score="5", net=7)
    assert console.service.post(batch_of(*quiz)) == 202
    assert payload_delivered(page, console, "Quiz_Done")["properties"] == {"value": 7, "shop_id": "S-7"}


def test_a_name_that_no_event_can_have_is_refused_where_it_is_typed(browser: StrictBrowser, console: Console) -> None:
    """With the rule; a standard event's name in any letters' case leads to that event."""
    browser.tolerate("status of 422")
    page = log_in_as_first_admin(browser, console)
    mappings_of_shop(page)
    page.get_by_label("Your own event name").fill("quiz done")
    page.get_by_role("button", name="Map it").click()
    expect(page.get_by_role("alert")).to_contain_text("“quiz done” cannot be the name of a TikTok event.")
    check_accessibility(page, "own-event-refused")
    page.get_by_label("Your own event name").fill("addtocart")
    page.get_by_role("button", name="Map it").click()
    expect(page.get_by_role("heading", name="Add to Cart AddToCart")).to_be_visible()


def test_cards_are_ordered_and_removed_with_the_keyboard(browser: StrictBrowser, console: Console) -> None:
    """The focus goes on to what can be done next; Enter in a field saves, and what is wrong is said at its field."""
    page = log_in_as_first_admin(browser, console)
    mappings_of_shop(page)
    page.get_by_role("link", name="Contact", exact=True).click()
    for number in (1, 2):
        page.get_by_role("button", name="Add New Mapping").press("Enter")
        page.locator(f"#m{number}").get_by_label("Event name").fill("Call us")
    page.locator("#m2").get_by_label("Event name").press("Tab")
    page.get_by_role("button", name="Move mapping 2 up").press("Enter")
    expect(page.locator("article.mapping").first).to_have_id("m2")
    expect(page.get_by_role("button", name="Move mapping 1 down")).to_be_focused()
    expect(page.locator("#m1")).to_contain_text("Mapping 1")
    page.get_by_role("button", name="Remove mapping 2").press("Enter")
    expect(page.locator("article.mapping")).to_have_count(1)
    expect(page.get_by_role("button", name="Add New Mapping")).to_be_focused()
    page.get_by_role("button", name="Add condition").press("Enter")
    expect(page.locator("#m2-if0-subject")).to_be_focused()
    page.get_by_role("button", name="Remove condition 1").press("Enter")
    expect(page.get_by_role("button", name="Add condition")).to_be_focused()
    page.get_by_label("Event name").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The mappings to Contact are saved")


# --- the preview ---


def test_the_preview_follows_what_is_typed(browser: StrictBrowser, console: Console) -> None:
    """Letter by letter, without leaving the field; what the page holds meanwhile is not touched."""
    page = log_in_as_first_admin(browser, console)
    mappings_of_shop(page)
    page.get_by_role("link", name="Search", exact=True).click()
    preview = page.locator("#preview")
    expect(preview).to_contain_text("Add a mapping, or paste a sample")
    page.get_by_role("button", name="Add New Mapping").click()
    expect(preview).to_contain_text("Event name is required")
    page.get_by_label("Event name").press_sequentially("Site Search")
    expect(preview).to_contain_text("would be sent")
    page.get_by_label("Search term: source", exact=True).select_option("Static value")
    value = page.get_by_label("Search term: source, the value")
    value.press_sequentially("rain")
    expect(preview.locator("pre").first).to_contain_text('"search_string": "rain"')
    value.press_sequentially(" jacket")
    expect(preview.locator("pre").first).to_contain_text('"search_string": "rain jacket"')
    expect(value).to_be_focused()
    page.get_by_text("Paste a sample").click()
    sample = msgspec.json.encode(batch_of(custom_event("Other Search"))).decode()
    page.get_by_label("A batch of events").fill(sample)
    expect(page.get_by_label("Sample event")).to_have_value("pasted")
    expect(preview).to_contain_text("would be dropped")
    expect(preview).to_contain_text("How to fix it: Add a custom mapping to send it to TikTok.")
    check_accessibility(page, "dropped")
    page.get_by_label("Event name").fill("Other Search")
    expect(preview).to_contain_text("would be sent")


def test_what_is_refused_is_shown_where_it_is(browser: StrictBrowser, console: Console) -> None:
    """At its field, with everything typed kept."""
    browser.tolerate("status of 422")
    page = log_in_as_first_admin(browser, console)
    mappings_of_shop(page)
    page.get_by_role("link", name="Subscribe", exact=True).click()
    page.get_by_role("button", name="Add New Mapping").click()
    page.get_by_label("Event name").fill("Newsletter Signup")
    page.get_by_label("Total value: source", exact=True).select_option("Static value")
    page.get_by_label("Total value: source, the value").fill("much")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#m1-value-wrong")).to_have_text("Total value must be a number, not 'much'.")
    expect(page.get_by_label("Total value: source, the value")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Event name")).to_have_value("Newsletter Signup")
    check_accessibility(page, "refused")
