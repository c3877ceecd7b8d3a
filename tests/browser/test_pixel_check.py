"""A pixel's requests compared with the service's events: a HAR of Chromium, of which four values leave the page."""

import json
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.browser.accessibility import axe
from tests.browser.console import Console
from tests.browser.reader import log_in_as_first_admin
from tests.browser.screenshots import SCHEMES, screenshot
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_rig import fresh_batch

pytestmark = pytest.mark.slow

SHOP: Final = "https://shop.example.com"
COOKIE, BEARER, EMAIL = "cookie-of-the-visitor", "bearer-of-the-visitor", "visitor@example.com"
# A stand-in of TikTok's script, which sends what the pixel has been seen to send.
SCRIPT: Final = """
window.ttq = {
    send(event, eventId) {
        const context = { pixel: { code: "PIXELSHOP" }, user: { email: "EMAIL" }, page: { url: location.href } };
        const sent = { event, event_id: eventId, timestamp: new Date().toISOString(), context };
        const body = JSON.stringify({ ...sent, properties: { description: "EMAIL" } });
        return fetch("https://analytics.tiktok.com/api/v2/pixel", { method: "POST", mode: "no-cors", body });
    },
};
""".replace("EMAIL", EMAIL)
PAGE: Final = (
    '<!doctype html><title>Shop</title><script src="https://analytics.tiktok.com/i18n/pixel/events.js"></script>'
)
SENT: Final = (
    ("PlaceAnOrder", "order-1"),
    ("CompletePayment", "order-2"),
    ("PlaceAnOrder", "pixel-3"),
    ("AddToCart", None),
    ("ViewContent", "view-1"),
    ("Pageview", "page-1"),
    ("Subscribe", EMAIL),
)


def stand_in(route: Route) -> None:
    if route.request.url.endswith("events.js"):
        route.fulfill(content_type="text/javascript", body=SCRIPT)
    elif route.request.url == f"{SHOP}/":
        route.fulfill(content_type="text/html", body=PAGE, headers={"set-cookie": f"visitor={COOKIE}"})
    else:
        route.fulfill(content_type="application/json", body=json.dumps({"email": EMAIL}))


@pytest.fixture
def har(chromium: Browser, tmp_path: Path) -> Path:
    """The network traffic of a visitor of the shop: cookies, a bearer token, and the pixel's requests."""
    file = tmp_path / "shop.har"
    context = chromium.new_context(record_har_path=file, record_har_content="embed")
    context.route("**/*", stand_in)
    page = context.new_page()
    page.goto(f"{SHOP}/")
    page.evaluate(f"fetch('/account', {{headers: {{authorization: 'Bearer {BEARER}'}}}}).then(() => 0)")
    for event, event_id in SENT:
        page.evaluate("([event, id]) => ttq.send(event, id).then(() => 0)", [event, event_id])
    context.close()
    text = file.read_text()
    assert all(secret in text for secret in (COOKIE, BEARER, EMAIL))
    return file


class Traffic:
    """Every request of a page: address, headers and body."""

    def __init__(self, page: Page) -> None:
        self.texts: list[str] = []
        page.on("request", self.note)

    def note(self, request: Request) -> None:
        self.texts.append(json.dumps([request.url, request.headers, request.post_data or ""]))


def result_of(page: Page, event: str, event_id: str) -> str:
    row = page.get_by_role("row").filter(has_text=event).filter(has_text=event_id)
    return row.get_by_role("cell").nth(1).inner_text()


def test_agreeing_and_differing_events_are_told_apart(console: Console, browser: StrictBrowser, har: Path) -> None:
    """And of the HAR nothing but pixel ID, name, event ID and time reaches the service, its log or its files."""
    assert console.service.post(fresh_batch("order-1", "order-2", "order-3")) == 202
    page = log_in_as_first_admin(browser, console)
    traffic = Traffic(page)
    page.goto("/pixel")
    check_looks_of(page, "pixel-check")
    page.get_by_label("HAR file").set_input_files(har)
    expect(page.get_by_role("status")).to_have_text(
        "6 events in 8 requests to TikTok. 1 request had no event that this page can read. "
        "1 event with an email address in the ID or name left out."
    )
    page.get_by_text("What is sent to this service").click()
    sent = [json.loads(line) for line in page.locator("#leaves").inner_text().splitlines()]
    assert [(each["event"], each["event_id"]) for each in sent] == [(name, id or "") for name, id in SENT[:-1]]
    assert {tuple(each) for each in sent} == {("pixel_id", "event", "event_id", "at_ms")}
    page.get_by_role("button", name="Compare").click()
    results = {event: result_of(page, event, event_id or "no event ID") for event, event_id in SENT[:-1]}
    assert results == {
        "PlaceAnOrder": "event ID differs",
        "CompletePayment": "name differs",
        "AddToCart": "no event ID",
        "ViewContent": "only the pixel's",
        "Pageview": "page view",
    }
    assert result_of(page, "PlaceAnOrder", "order-1") == "agree"
    expect(page.get_by_text("Set the connection's purchase event to CompletePayment")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="pixel-3")).to_contain_text("order-3")
    check_looks_of(page, "pixel-check-result")
    page.get_by_role("link", name="Go to the setting").first.click()
    expect(page.get_by_role("heading", name="Settings", exact=True)).to_be_visible()
    kept = [console.service.log_file.read_bytes()]
    kept += [file.read_bytes() for file in console.data_dir.iterdir() if file.is_file()]
    for secret in (COOKIE, BEARER, EMAIL):
        assert not [text for text in traffic.texts if secret in text], secret
        assert not [content for content in kept if secret.encode() in content], secret
        assert secret not in page.evaluate("JSON.stringify({...sessionStorage, ...localStorage})")


def check_looks_of(page: Page, name: str) -> None:
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        axe(page)
        screenshot(page, name, scheme)


BODY: Final = json.dumps(
    {"pixel_code": "PIXELSHOP", "event": "Lead", "event_id": "l-1", "timestamp": "2026-01-02T03:04:05Z"}
)
URL: Final = "https://analytics.tiktok.com/api/v2/pixel"


@pytest.mark.parametrize(
    "pasted",
    [
        BODY,
        f"{BODY}\n{BODY}",
        json.dumps({"pixel_code": "PIXELSHOP", "batch": [json.loads(BODY)]}),
        json.dumps(
            {"event_source_id": "PIXELSHOP", "data": [{"event": "Lead", "event_id": "l-1", "event_time": 1767323045}]}
        ),
        f"curl '{URL}' \\\n  -H 'cookie: {COOKIE}' \\\n  --data-raw '{BODY}'",
        f"curl 'https://shop.example.com/' ;\ncurl '{URL}' --data-raw $'{BODY}' ;\n",
        f'fetch("{URL}", {{"headers": {{"cookie": "{COOKIE}"}}, "body": {json.dumps(BODY)}, "method": "POST"}});',
    ],
    ids=["body", "two bodies", "batch", "data", "curl", "curls", "fetch"],
)
def test_pasted_requests_are_read_in_each_form(console: Console, browser: StrictBrowser, pasted: str) -> None:
    """A body, a batch, cURL and fetch, as the network tab copies them; an event that is there twice counts once."""
    page = log_in_as_first_admin(browser, console)
    page.goto("/pixel")
    page.get_by_label("Or paste here").fill(pasted)
    page.get_by_text("What is sent to this service").click()
    [line] = page.locator("#leaves").inner_text().splitlines()
    assert json.loads(line) == {"pixel_id": "PIXELSHOP", "event": "Lead", "event_id": "l-1", "at_ms": 1767323045000}


def test_har_of_more_than_50_mb_is_refused(console: Console, browser: StrictBrowser, tmp_path: Path) -> None:
    """With what to do instead; and what is no request of TikTok's is said to be none."""
    page = log_in_as_first_admin(browser, console)
    page.goto("/pixel")
    file = tmp_path / "large.har"
    with file.open("wb") as large:
        large.truncate(50 * 1024 * 1024 + 1)
    page.get_by_label("HAR file").set_input_files(file)
    expect(page.get_by_role("status")).to_contain_text("This has 51 MB, and at most 50 MB are read.")
    expect(page.get_by_role("button", name="Compare")).to_be_hidden()
    page.get_by_label("Or paste here").fill(
        json.dumps({"log": {"entries": [{"request": {"url": "https://tiktok.com.example.com/"}}]}})
    )
    expect(page.get_by_role("status")).to_contain_text("No request to tiktok.com was found.")
