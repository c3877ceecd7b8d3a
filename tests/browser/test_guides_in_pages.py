"""The guides' JavaScript as it is written, in a shop's pages: with the script, and with mParticle's real Web SDK."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from tests.browser.admin_api import ask
from tests.browser.console import Console
from tests.browser.shop_server import ShopServer, script_tag, shop_server
from tests.browser.watched_browser import StrictBrowser
from tests.browser.web_sdk_rig import SDK_FILE
from tests.integration.guide_shell import GUIDES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

KEY = "key-of-the-pages"
STUBS = """
window.pixel = [];
window.ttq = {track: (...call) => window.pixel.push(call)};
window.yourConsentTool = {allows: () => true};
window.mParticle = {config: {}};
"""
SERVICE = "https://events.example.com"
PURCHASE = """
const product = mParticle.eCommerce.createProduct("Shoe", "SKU-1", 89.99, 2);
const flags = {"TikTok.URL": location.href};
const order = {Id: "order-1001", Revenue: 179.98};
mParticle.eCommerce.logProductAction(mParticle.ProductActionType.Purchase, product, {}, flags, order);
"""
USER = 'identifyRequest: {userIdentities: {customerid: "cust-42"}},'
# How the SDK sends to a service without TLS, which the guides' service has.
PLAIN = 'forceHttps: false, requestConfig: false, flags: {eventBatchingIntervalMillis: "1000"}'


def blocks(guide: str) -> list[str]:
    """The guide's JavaScript, block by block."""
    return re.findall(r"^ *```js\n(.*?)^ *```$", (GUIDES / guide).read_text(), re.MULTILINE | re.DOTALL)


def block(guide: str, containing: str) -> str:
    (found,) = (each for each in blocks(guide) if containing in each)
    return found


@pytest.fixture
def server(console: Console, browser: StrictBrowser) -> Iterator[ShopServer]:
    with shop_server() as server:
        origins = [server.url]
        ask(console.data_dir, "POST", "/api/inputs", {"name": "web", "kind": "browser", "key": KEY, "origins": origins})
        browser.tolerate("another host")
        yield server


def page_with_sdk(browser: StrictBrowser, server: ShopServer, *scripts: str) -> Page:
    """A page, not open yet, that loads the Web SDK and then runs these scripts."""
    tags = "".join(f"<script>{script}</script>" for script in scripts)
    server.head = f'<script>{STUBS}</script><script src="/mparticle.js"></script>{tags}'
    page = browser.page(server.url)
    sdk = SDK_FILE.read_text()
    page.route("**/mparticle.js", lambda route: route.fulfill(content_type="text/javascript", body=sdk))
    return page


def arrived(console: Console, page: Page) -> dict[str, Any]:
    """Wait for TikTok's only event."""
    for _ in range(400):
        events = console.sandbox.ask(lambda sandbox: [json.loads(each.payload) for each in sandbox.events()])
        if events:
            assert len(events) == 1
            return dict(events[0])
        page.wait_for_timeout(50)
    raise AssertionError("nothing has arrived")


def init(console: Console) -> str:
    """The start of the SDK with the configuration that a guide's lines have changed, and a user."""
    config = f'domain: "{console.url.removeprefix("http://")}", {USER} {PLAIN}'
    return f'mParticle.init("{KEY}", {{...window.mParticle.config, {config}}});'


def test_script_reports_a_purchase_to_service_and_pixel(
    console: Console, browser: StrictBrowser, server: ShopServer
) -> None:
    """Consent, identities and the purchase, in the order in which a page runs them."""
    server.head = f"<script>{STUBS}</script>" + script_tag(f"{console.url}/tiktok-forwarder.js", data_key=KEY)
    page = browser.page(server.url)
    page.goto("/thanks")
    guide = "send-from-a-website.md"
    for containing in ("yourConsentTool", "consent_state", "user_identities", "track("):
        page.evaluate(f"() => {{ {block(guide, containing)} }}")
    event = arrived(console, page)
    assert (event["event"], event["properties"]["value"]) == ("PlaceAnOrder", 100)
    assert {"email", "external_id"} <= set(event["user"])
    assert page.evaluate("pixel") == [["PlaceAnOrder", {"value": 100, "currency": "USD"}, {"event_id": "order-1001"}]]


def test_web_sdk_sends_the_page_url_that_the_guide_adds(
    console: Console, browser: StrictBrowser, server: ShopServer
) -> None:
    """The SDK of this version sends none itself; the configuration is the guide's, but for TLS."""
    domain = console.url.removeprefix("http://")
    start, with_url = (each for each in blocks("send-with-the-web-sdk.md"))
    currency = start.splitlines()[-1]
    plain = with_url.replace('domain: "events.example.com"', f'domain: "{domain}", {PLAIN}')
    identities = re.findall(r"identifyRequest: .*", start)[0]
    page = page_with_sdk(browser, server, plain.replace(PLAIN, f"{identities} {PLAIN}"), currency, PURCHASE)
    page.goto("/thanks?step=2")
    event = arrived(console, page)
    assert event["page"]["url"] == f"{server.url}/thanks?step=2"
    assert (event["event"], event["properties"]["currency"]) == ("PlaceAnOrder", "USD")
    assert {"email", "external_id"} <= set(event["user"])


def test_sideloaded_kit_gives_the_pixel_the_id_that_is_sent(
    console: Console, browser: StrictBrowser, server: ShopServer
) -> None:
    """The SDK generates the ID, and nothing else on the page could know it."""
    kit = block("purchase-events-and-your-pixel.md", "PixelKit")
    page = page_with_sdk(browser, server, kit, init(console), PURCHASE)
    page.goto("/thanks")
    event = arrived(console, page)
    [[name, properties, options]] = page.evaluate("pixel")
    assert (name, properties["value"], options) == ("CompletePayment", 179.98, {"event_id": event["event_id"]})


def test_batch_gets_the_order_number_as_event_id(console: Console, browser: StrictBrowser, server: ShopServer) -> None:
    """The page changes the batch before it is sent, so mParticle would have the same ID."""
    change = block("purchase-events-and-your-pixel.md", "source_message_id = data")
    page = page_with_sdk(browser, server, change, init(console), PURCHASE)
    page.goto("/thanks")
    assert arrived(console, page)["event_id"] == "order-1001"


def test_beacon_sends_a_copy_with_mparticles_event_id(
    console: Console, browser: StrictBrowser, server: ShopServer
) -> None:
    """mParticle's own hosts are on the internet, so the test answers for them, and for nothing else."""
    beacon = block("send-a-copy-from-the-web-sdk.md", "sendBeacon").replace(SERVICE, console.url)
    start = f'mParticle.init("us1-key", {{...window.mParticle.config, {USER} {PLAIN}}});'
    batches: list[Any] = []

    def answer(route: Route) -> None:
        if route.request.method == "POST" and route.request.url.endswith("/events"):
            batches.append(json.loads(route.request.post_data or ""))
        headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}
        route.fulfill(status=200, headers=headers, json={"mpid": "7346244611012968001"})

    page = page_with_sdk(browser, server, beacon, start, PURCHASE)
    page.route(re.compile(r"https?://[a-z0-9.]*mparticle\.com/"), answer)
    page.goto("/thanks")
    event = arrived(console, page)
    ids = {each["data"]["source_message_id"] for batch in batches for each in batch["events"]}
    assert event["event"] == "PlaceAnOrder" and event["event_id"] in ids
    assert event["user"]["user_agent"] == page.evaluate("navigator.userAgent")


def test_every_block_of_the_browser_guides_runs() -> None:
    """A new block needs a test above: what no test runs could have any mistake."""
    guides = ("send-from-a-website.md", "send-with-the-web-sdk.md", "send-a-copy-from-the-web-sdk.md")
    assert [len(blocks(guide)) for guide in guides] == [4, 2, 1]
