"""Scripts that senders put into their events: every page that shows them shows text, and runs nothing."""

import json
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console import Console
from tests.browser.reader import log_in_as_first_admin
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_process import command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

RUN = "window.__xss=1"
TEXTS = (
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f'"><img src=x onerror="{RUN}">',
    f"'><img src=x onerror='{RUN}'>",
    f'" autofocus onfocus="{RUN}" x="',
    f"' onmouseover='{RUN}' x='",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<details open ontoggle={RUN}>",
    f"</td></tr></table><img src=x onerror={RUN}>",
    f"</title><script>{RUN}</script>",
    f"</textarea><script>{RUN}</script>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f'<a href="javascript:{RUN}">click</a>',
    f"<div hx-get=/activity hx-trigger=load hx-on::load={RUN}>x</div>",
    "<div hx-ext=sse sse-connect=/activity/live sse-swap=rows>x</div>",
    f"{{{{ ''.__class__ }}}}{{% raw %}}<script>{RUN}</script>",
    f"\ndata: <script>{RUN}</script>\n\nevent: rows\ndata: <script>{RUN}</script>",
    f"javascript:{RUN}//%0A<!--<script>{RUN}</script>-->",
)
CONNECTION = """
pixel_id = "C9"
access_token = "env:SHOP_TOKEN"
[[custom_mappings]]
event = "Search"
event_type = "custom_event"
event_name = "Site Search"
[custom_mappings.properties]
query = {attribute = "term"}
description = {user_attribute = "note"}
"""


def batch_with(text: str, number: int) -> Any:
    """Every field of three events that can hold the text holds it: one of them is mapped, two are dropped."""
    data = {
        "source_message_id": f"{number}-{text}",
        "timestamp_unixtime_ms": time.time_ns() // 1_000_000,
        "custom_attributes": {text: text, "term": text},
        "custom_flags": {
            "TikTok.URL": f"https://shop.example.com/?q={plain(text)}",
            "TikTok.Referrer": f"https://shop.example.com/{text}",
            "TikTok.Callback": text,
            text: text,
        },
    }
    product = {name: text for name in ("id", "name", "brand", "category", "variant")} | {"price": 1.5, text: text}
    action = {"action": "purchase", "transaction_id": text, "affiliation": text, "products": [product], text: text}
    events = [
        {"event_type": "commerce_event", "data": {**data, "currency_code": text, "product_action": action}},
        {"event_type": "custom_event", "data": {**data, "event_name": "Site Search"}},
        {"event_type": "custom_event", "data": {**data, "event_name": text, "custom_event_type": text}},
        {"event_type": "screen_view", "data": {**data, "source_message_id": text, "screen_name": text}},
        {"event_type": text, "data": {**data, "event_name": text}},
    ]
    return {
        "events": events,
        "mpid": text,
        "ip": "203.0.113.42",
        "environment": "development",
        "device_info": {"http_header_user_agent": text, "platform": "web"},
        "user_identities": {"customer_id": f"{number}-{text}", "email": text, "mobile_number": text, text: text},
        "user_attributes": {text: text, "note": text},
        "partner_identities": {"tiktok_cookie_id": text},
    }


def add_connection(console: Console) -> None:
    """One whose name is a script, and which maps attributes that hold one."""
    file = console.data_dir.parent / "named.toml"
    file.write_text(f"name = {json.dumps(TEXTS[0])}\n{CONNECTION}")
    done = command(
        "connections", "add", str(file), "--data-dir", str(console.data_dir), SHOP_TOKEN="a-token-0123456789"
    )
    assert done.returncode == 0, done.stderr


def opened(browser: StrictBrowser, console: Console) -> Page:
    """The front page; a dialog that opens on any page fails the test."""
    add_connection(console)
    page = log_in_as_first_admin(browser, console)
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    return page


def test_no_script_in_an_event_runs(browser: StrictBrowser, console: Console) -> None:
    """Twenty of them in every field, on every page that their events are shown on; the policy had nothing to stop."""
    page = opened(browser, console)
    for number, text in enumerate(TEXTS):
        if number % 2:
            refuse(console, f"{number}-{text}".strip(), text)
        assert console.service.post(batch_with(text, number)) == 202
    page.wait_for_timeout(3000)
    shown = ""
    pages = ["/", "/dead-letters", "/dead-letters/list", "/activity?live=on"]
    pages += reached(page, "/activity") | reached(page, "/dead-letters/list")
    for path in pages:
        page.goto(path)
        shown += plain_text(page)
    assert len(pages) > 100
    assert [text for text in TEXTS if plain(text) not in shown] == []


def test_no_script_in_an_event_runs_as_it_arrives(browser: StrictBrowser, console: Console) -> None:
    """In rows that come by themselves, one text after the other, since of many at once only the newest are shown."""
    page = opened(browser, console)
    page.goto("/activity?live=on")
    expect(page.get_by_role("status")).to_have_text("Live")
    for number, text in enumerate(TEXTS):
        assert console.service.post(batch_with(text, number)) == 202
        expect(page.locator("#rows")).to_contain_text(f"{number}-", timeout=15_000)
    shown = plain_text(page)
    page.get_by_role("button", name="Stop watching").click()
    expect(page.get_by_role("button", name="Watch live")).to_be_visible()
    assert [text for text in TEXTS[-5:] if plain(text) not in shown] == []


def refuse(console: Console, event_id: str, message: str) -> None:
    """TikTok refuses this event with this message."""
    console.sandbox.ask(lambda sandbox: sandbox.script.poison(event_id, message=message))


def plain_text(page: Page) -> str:
    """What a reader sees, in which nothing has come to life."""
    assert page.evaluate("window.__xss") is None, page.url
    # The console's own drawings are of these two classes.
    alive = ":is(script, img, svg:not(.trend, .icon), iframe, [onerror], [onload], [onfocus])"
    assert page.locator(f"main {alive}").count() == 0, page.url
    assert page.locator("main :is([hx-on], [srcdoc], [ontoggle], a[href^='javascript'])").count() == 0, page.url
    return plain(page.locator("main").inner_text())


def plain(text: str) -> str:
    return "".join(text.split())


def reached(page: Page, path: str) -> set[str]:
    """The pages that the rows of a list lead to, over all pages of the list."""
    found: set[str] = set()
    while path:
        page.goto(path)
        links = page.locator("tbody a").evaluate_all("all => all.map(each => each.getAttribute('href'))")
        found |= set(links)
        older = (
            page.locator("nav.actions a").filter(has_text="Older").or_(page.locator("nav.actions a", has_text="Next"))
        )
        path = older.get_attribute("href") or "" if older.count() else ""
    return found
