"""The script for sites in a real browser: on a shop's pages, from another origin than the service that it sends to."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.admin_api import ask
from tests.browser.console import Console
from tests.browser.shop_server import ShopServer, script_tag, shop_server
from tests.browser.watched_browser import StrictBrowser
from tests.patience import Patience
from tiktok_forwarder.browser.site_script import SiteScript
from tiktok_sandbox.records import ReceivedEvent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

SCRIPT = (files("tiktok_forwarder.browser") / "script" / "tiktok-forwarder.js").read_text()
KEY = "key-of-the-pages"
CLICK_ID = "E.C.P.GeneratedClickId0123456789"
TTP = "2abcDEFghiJKLmnoPQRstuVWX"
MONTH_SECONDS = 30 * 24 * 3600
# Longer than an event needs, for what must not be sent.
SILENCE_MS = 1500
PURCHASE = """{transaction_id: "order-1001", total_amount: 192.97, currency_code: "USD",
    products: [{id: "SKU-1077218", name: "Trail Running Shoe", price: 89.99, quantity: 2}]}"""
EMAIL = 'tiktokForwarder.set({user_identities: {email: "shopper@example.com"}})'


@dataclass
class Shop:
    """A shop with the script on every page, and what of its events has arrived at TikTok's simulator."""

    server: ShopServer
    console: Console
    page: Page
    requests: list[Request]

    def arrived(self, count: int) -> list[ReceivedEvent]:
        """Wait for this many events."""
        patience = Patience(20)
        while len(found := self.console.sandbox.ask(lambda sandbox: list(sandbox.events()))) < count:
            assert patience.lasts(), f"{len(found)} of {count} events have arrived"
            self.page.wait_for_timeout(50)
        assert len(found) == count
        return found

    def sent(self) -> list[Request]:
        """The requests to the service but for the script itself."""
        return [each for each in self.requests if each.url.startswith(self.console.url) and each.method == "POST"]

    def click_id_cookie(self) -> Any:
        return next((each for each in self.page.context.cookies() if each["name"] == "ttclid"), None)


@pytest.fixture
def shop(console: Console, browser: StrictBrowser) -> Iterator[Shop]:
    with shop_server() as server:
        ask(
            console.data_dir,
            "POST",
            "/api/inputs",
            {"name": "pages", "kind": "browser", "key": KEY, "origins": [server.url]},
        )
        server.head = script_tag(f"{console.url}/tiktok-forwarder.js", data_key=KEY)
        browser.tolerate(f"another host: GET {console.url}", f"another host: POST {console.url}")
        page = browser.page(server.url)
        requests: list[Request] = []

        def note(request: Request) -> None:
            requests.append(request)

        page.context.on("request", note)
        yield Shop(server, console, page, requests)


def test_purchase_followed_by_leaving_arrives_with_what_the_landing_page_knew(shop: Shop) -> None:
    """The click ID is in the URL of the first page only, the purchase is sent while the last page is being left."""
    shop.page.goto(f"/?ttclid={CLICK_ID}&utm_source=tiktok")
    shop.page.evaluate(f"document.cookie = '_ttp={TTP}'")
    shop.page.evaluate("location.href = '/cart?step=2'")
    shop.page.wait_for_url("**/cart?step=2")
    event_id = shop.page.evaluate(
        f"{EMAIL}; const id = tiktokForwarder.track('purchase', {PURCHASE}); location.href = '/bye'; id"
    )
    shop.page.wait_for_url("**/bye")
    [event] = shop.arrived(1)
    assert (event.event, event.event_id, event_id) == ("PlaceAnOrder", "order-1001", "order-1001")
    payload = json.loads(event.payload)
    user, page = payload["user"], payload["page"]
    assert (user["ttclid"], user["ttp"], user["ip"]) == (CLICK_ID, TTP, "127.0.0.1")
    assert user["user_agent"] == shop.page.evaluate("navigator.userAgent")
    assert page["url"] == f"{shop.server.url}/cart?step=2"
    assert page["referrer"] == f"{shop.server.url}/?ttclid={CLICK_ID}&utm_source=tiktok"
    assert payload["properties"]["value"] == 192.97
    [request] = shop.sent()
    assert (request.method, request.headers["content-type"]) == ("POST", "text/plain;charset=UTF-8")
    assert "cookie" not in request.all_headers()


def test_click_id_is_kept_for_30_days_for_the_site_only(shop: Shop) -> None:
    """TikTok attributes a purchase to a click of up to 28 days ago."""
    shop.page.goto(f"/?ttclid={CLICK_ID}")
    cookie = shop.click_id_cookie()
    assert (cookie["value"], cookie["path"], cookie["sameSite"]) == (CLICK_ID, "/", "Lax")
    assert abs(cookie["expires"] - time.time() - MONTH_SECONDS) < 60


def test_new_click_replaces_the_kept_one(shop: Shop) -> None:
    """The last click before a purchase is the one that led to it."""
    shop.page.goto(f"/?ttclid={CLICK_ID}")
    shop.page.goto("/?ttclid=E.C.P.Second")
    assert shop.click_id_cookie()["value"] == "E.C.P.Second"
    shop.page.goto("/?ttclid=a%3B%20domain%3Dexample.com")
    assert shop.click_id_cookie()["value"] == "E.C.P.Second"


def test_cookie_of_the_sites_server_is_not_replaced(shop: Shop) -> None:
    """Safari shortens what a script writes, so the longer life of the server's cookie would be lost."""
    shop.server.set_cookie = f"ttclid={CLICK_ID}; Path=/; Max-Age=7776000; SameSite=Lax"
    shop.page.goto(f"/?ttclid={CLICK_ID}")
    assert shop.click_id_cookie()["expires"] - time.time() > MONTH_SECONDS * 2


def test_click_id_is_shared_with_subdomains_of_the_named_domain(browser: StrictBrowser) -> None:
    """A checkout on a host of its own would not know the click otherwise."""
    page = browser.page("http://www.example.com")
    browser.tolerate("another host: GET http://checkout.example.com")
    tag = script_tag("/script.js", data_key=KEY, data_domain="example.com")
    page.route("**/*", lambda route: route.fulfill(content_type="text/html", body=f"<!doctype html>{tag}"))
    page.route("**/script.js", lambda route: route.fulfill(content_type="text/javascript", body=SCRIPT))
    page.goto(f"/?ttclid={CLICK_ID}")
    page.goto("http://checkout.example.com/")
    assert page.evaluate("document.cookie") == f"ttclid={CLICK_ID}"
    page.evaluate("tiktokForwarder.consent(false)")
    assert page.evaluate("document.cookie") == ""


def test_copy_of_the_script_sends_to_the_named_service(shop: Shop) -> None:
    """A site that serves the script itself names the service, with the path of its proxy if it has one."""
    shop.server.head = script_tag("/script.js", data_key=KEY, data_service=f"{shop.console.url}/")
    shop.page.route("**/script.js", lambda route: route.fulfill(content_type="text/javascript", body=SCRIPT))
    shop.page.goto("/")
    event_id = shop.page.evaluate(f"{EMAIL}; tiktokForwarder.track('checkout')")
    assert [event.event_id for event in shop.arrived(1)] == [event_id]


def test_nothing_is_stored_or_sent_without_consent(shop: Shop) -> None:
    """The visitor has not answered yet, then agrees, then changes their mind."""
    shop.server.head = script_tag(f"{shop.console.url}/tiktok-forwarder.js", data_key=KEY, data_store="no")
    shop.page.goto(f"/?ttclid={CLICK_ID}")
    assert shop.page.evaluate(f"{EMAIL}; tiktokForwarder.track('purchase', {PURCHASE})") is None
    shop.page.wait_for_timeout(SILENCE_MS)
    assert (shop.sent(), shop.page.context.cookies()) == ([], [])
    assert shop.page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]

    shop.page.evaluate("tiktokForwarder.consent()")
    assert shop.click_id_cookie()["value"] == CLICK_ID
    event_id = shop.page.evaluate("tiktokForwarder.track('add_to_cart', {products: [{id: 'SKU-1'}]})")
    assert [event.event_id for event in shop.arrived(1)] == [event_id]

    shop.page.evaluate("tiktokForwarder.consent(false)")
    assert shop.page.context.cookies() == []
    assert shop.page.evaluate("tiktokForwarder.track('checkout')") is None
    shop.page.wait_for_timeout(SILENCE_MS)
    assert len(shop.sent()) == 1


def test_event_is_sent_when_cookies_are_blocked(shop: Shop) -> None:
    """The landing page's own click ID is known without a cookie; only later pages lack it."""
    session = shop.page.context.new_cdp_session(shop.page)
    shop.page.goto("/")
    session.send("Emulation.setDocumentCookieDisabled", {"disabled": True})
    shop.page.goto(f"/?ttclid={CLICK_ID}")
    shop.page.evaluate(f"{EMAIL}; tiktokForwarder.track('view_detail', {{products: [{{id: 'SKU-1'}}]}})")
    [event] = shop.arrived(1)
    assert json.loads(event.payload)["user"]["ttclid"] == CLICK_ID
    assert (shop.click_id_cookie(), shop.page.evaluate("document.cookie")) == (None, "")


def test_script_in_a_sandboxed_frame_does_not_fail(shop: Shop, browser: StrictBrowser) -> None:
    """A frame without an origin may not even read its cookies: the event is sent, and refused for its origin."""
    browser.tolerate("status of 403")
    tag = script_tag(f"{shop.console.url}/tiktok-forwarder.js", data_key=KEY).replace('"', "&quot;")
    shop.server.body = f'<iframe title="frame" sandbox="allow-scripts" srcdoc="{tag}"></iframe>'
    shop.page.goto("/")
    _, frame = shop.page.frames
    with shop.page.expect_response(lambda response: response.request.method == "POST") as refused:
        frame.evaluate("tiktokForwarder.track('checkout')")
    assert (refused.value.status, refused.value.request.all_headers()["origin"]) == (403, "null")


def test_refused_event_is_sent_again_and_counts_once(shop: Shop, browser: StrictBrowser) -> None:
    """A service that restarts answers 503 or not at all; the page that is still open repeats with the same event ID."""
    browser.tolerate("status of 503", "status of 429")
    answers = iter((503, 429, None))

    def refuse(route: Route) -> None:
        answer = next(answers)
        if answer is None:
            route.continue_()
        else:
            route.fulfill(status=answer, headers={"Access-Control-Allow-Origin": "*"})

    shop.page.route("**/v3/JS/**", refuse)
    shop.page.goto("/")
    event_id = shop.page.evaluate(f"{EMAIL}; tiktokForwarder.track('purchase', {PURCHASE})")
    assert [event.event_id for event in shop.arrived(1)] == [event_id]
    assert len({request.post_data for request in shop.sent()}) == 1 and len(shop.sent()) == 3


def test_event_that_the_service_refuses_for_good_is_not_sent_again(shop: Shop, browser: StrictBrowser) -> None:
    """An unknown key stays unknown, however often a page repeats it."""
    browser.tolerate("status of 403")
    shop.server.head = script_tag(f"{shop.console.url}/tiktok-forwarder.js", data_key="no-such-key")
    shop.page.goto("/")
    with shop.page.expect_response(lambda response: response.request.method == "POST") as refused:
        shop.page.evaluate("tiktokForwarder.track('checkout')")
    assert refused.value.status == 403
    shop.page.wait_for_timeout(5000)
    assert len(shop.sent()) == 1


def test_custom_event_has_mparticles_form(shop: Shop) -> None:
    """What is no product action is a custom event; a third argument adds members, and the page's own ID is kept."""
    shop.page.goto("/search")
    ids = shop.page.evaluate(
        """() => {
            tiktokForwarder.set({environment: "development", user_attributes: {tier: "gold"}});
            const flags = {"TikTok.Referrer": "r"};
            const data = {custom_event_type: "search", source_message_id: "search-1", custom_flags: flags};
            const search = tiktokForwarder.track("Site Search", {term: "shoes"}, data);
            return [search, tiktokForwarder.track("Signup"), tiktokForwarder.track("Signup")];
        }"""
    )
    expect(shop.page.get_by_role("heading", name="Shop")).to_be_visible()
    batch: Any = shop.sent()[0].post_data_json
    assert (batch["environment"], batch["user_attributes"], batch["device_info"]["platform"]) == (
        "development",
        {"tier": "gold"},
        "web",
    )
    [event] = batch["events"]
    assert event["event_type"] == "custom_event"
    assert event["data"] == {
        "event_name": "Site Search",
        "custom_event_type": "search",
        "custom_attributes": {"term": "shoes"},
        "source_message_id": "search-1",
        "custom_flags": {"TikTok.URL": f"{shop.server.url}/search", "TikTok.Referrer": "r"},
    }
    assert ids[0] == "search-1" and len(set(ids)) == 3


def test_pinned_script_runs_with_its_integrity_hash_only(shop: Shop, browser: StrictBrowser) -> None:
    """A page that names the hash never runs another file, not even one of a service that was broken into."""
    script = SiteScript()
    pinned = f"{shop.console.url}{script.pinned_path}"
    attributes = {"data_key": KEY, "crossorigin": "anonymous"}
    shop.server.head = script_tag(pinned, integrity=script.integrity, **attributes)
    shop.page.goto("/")
    assert shop.page.evaluate("typeof tiktokForwarder.track") == "function"
    browser.tolerate("integrity")
    shop.server.head = script_tag(pinned, integrity=script.integrity[:-8] + "AAAAAAAA", **attributes)
    shop.page.goto("/")
    assert shop.page.evaluate("typeof tiktokForwarder") == "undefined"
