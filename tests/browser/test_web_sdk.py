"""mParticle's real Web SDK in a real Chromium, on a page of another origin than the service's."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.web_sdk_rig import CLICK_ID, COOKIE, VISITOR, Shop, shop_of
from tests.integration.service_process import SandboxThread
from tests.integration.service_rig import Service
from tests.patience import sleep_until
from tests.store_choice import without_machine_warnings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

MAPPINGS: Final = [
    {"event": "ViewContent", "event_type": "screen_view", "event_name": "Product"},
    {"event": "Search", "event_type": "custom_event", "event_name": "Site Search"},
]
SCREEN: Final = "mParticle.logPageView('Product', {}, {'TikTok.URL': location.href})"
SEARCH: Final = "mParticle.logEvent('Site Search', mParticle.EventType.Search, {}, {'TikTok.URL': location.href})"
PRODUCT: Final = "mParticle.eCommerce.createProduct('Shoe', 'SKU-1', 89.99, 2)"
CART: Final = (
    f"mParticle.eCommerce.logProductAction(mParticle.ProductActionType.AddToCart, {PRODUCT}, {{}},"
    " {'TikTok.URL': location.href})"
)
PURCHASE: Final = (
    f"mParticle.eCommerce.logProductAction(mParticle.ProductActionType.Purchase, {PRODUCT}, {{}},"
    " {'TikTok.URL': location.href}, {Id: 'order-1', Revenue: 179.98})"
)
LOGIN: Final = """() => new Promise((resolve) => mParticle.Identity.login(
  {userIdentities: {customerid: "cust-42", email: "ann@example.com"}}, (result) => resolve(result.body)))"""
CONSENT: Final = """() => {
  const consent = mParticle.Consent.createGDPRConsent(true, Date.now());
  const state = mParticle.Consent.createConsentState().addGDPRConsentState("marketing", consent);
  mParticle.Identity.getCurrentUser().setConsentState(state);
}"""
_SECONDS: Final = 30


def add_connection(shop: Shop, **settings: Any) -> None:
    async def add(service: Service) -> None:
        await service.add_connection(custom_mappings=MAPPINGS, **settings)

    shop.service.ask(add)


def metrics_of(shop: Shop) -> str:
    async def read(service: Service) -> str:
        return await service.metrics()

    text = shop.service.ask(read)
    assert isinstance(text, str)
    return text


def delivered(sandbox: SandboxThread) -> list[dict[str, Any]]:
    """The events that TikTok has accepted, repeats included."""
    payloads = sandbox.ask(lambda running: [event.payload for event in running.events()])
    return [json.loads(payload) for payload in payloads]


def wait_for(sandbox: SandboxThread, *names: str) -> list[dict[str, Any]]:
    """Wait until events of these names have arrived, and return them; no other may."""
    sleep_until(lambda: len(delivered(sandbox)) >= len(names), _SECONDS)
    events = delivered(sandbox)
    assert sorted(event["event"] for event in events) == sorted(names)
    assert len({event["event_id"] for event in events}) == len(names)
    return events


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of a visitor; an error in the shop's or the SDK's code fails the test.

    Requests to another origin, which the fixture `browser` forbids, are what these tests are about.
    """
    context = chromium.new_context()
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(error.error.message))
    yield context.new_page()
    context.close()
    assert errors == []


def open_shop(page: Page, shop: Shop) -> dict[str, Any]:
    """Open the shop as a visitor who comes from an ad; return the answer to the SDK's identify request."""
    page.goto(f"{shop.page_url}/?ttclid={CLICK_ID}")
    answer = page.evaluate("window.started")
    assert isinstance(answer, dict)
    return answer


def test_visit_of_a_shop_is_delivered_with_its_visitor(page: Page, sandbox: SandboxThread, tmp_path: Path) -> None:
    """Page view, cart, login and purchase arrive once each, with click ID, cookie, IP address and user agent."""
    with shop_of(tmp_path / "data", sandbox.url) as shop:
        add_connection(shop)
        first = open_shop(page, shop)
        page.evaluate(SCREEN)
        page.evaluate(CART)
        second = page.evaluate(LOGIN)
        page.evaluate(PURCHASE)
        events = wait_for(sandbox, "ViewContent", "AddToCart", "PlaceAnOrder")
        metrics = metrics_of(shop)
    user_agent = page.evaluate("navigator.userAgent")
    for event in events:
        user = event["user"]
        assert (user["ip"], user["user_agent"]) == (VISITOR, user_agent)
        assert (user["ttclid"], user["ttp"]) == (CLICK_ID, COOKIE)
        assert event["page"]["url"].startswith(shop.page_url)
    users = {event["event"]: event["user"] for event in events}
    assert users["PlaceAnOrder"]["email"] == sha256(b"ann@example.com").hexdigest()
    assert "email" not in users["ViewContent"]
    assert first["status"] == 200 and first["body"]["is_logged_in"] is False
    assert second["is_logged_in"] is True and second["mpid"] != first["body"]["mpid"]
    assert set(shop.statuses("/events")) == {202}
    assert 'route="/v1/login",status="200"' in metrics


def test_visitor_is_known_again_and_consent_is_obeyed(page: Page, sandbox: SandboxThread, tmp_path: Path) -> None:
    """Events before the consent are dropped; the identity of a second page is remembered, and no request needed."""
    with shop_of(tmp_path / "data", sandbox.url) as shop:
        add_connection(shop, consent_purpose=["marketing"])
        open_shop(page, shop)
        page.evaluate(CART)
        sleep_until(lambda: 'reason="consent_not_given"' in metrics_of(shop), _SECONDS)
        page.evaluate(CONSENT)
        page.evaluate(PURCHASE)
        wait_for(sandbox, "PlaceAnOrder")
        identified = len(shop.statuses("/identify"))
        open_shop(page, shop)
        page.evaluate(CART)
        wait_for(sandbox, "PlaceAnOrder", "AddToCart")
    assert identified == 1 and len(shop.statuses("/identify")) == 1


def test_event_of_a_page_that_is_left_arrives_by_beacon(page: Page, sandbox: SandboxThread, tmp_path: Path) -> None:
    """What waits in the page when the visitor leaves is sent without a preflight and without waiting for an answer."""
    with shop_of(tmp_path / "data", sandbox.url) as shop:
        add_connection(shop)
        open_shop(page, shop)
        page.evaluate(SEARCH)
        page.goto("about:blank")
        (event,) = wait_for(sandbox, "Search")
        passed = [each for each in shop.passed if event["event_id"] in each.event_ids]
    assert event["user"]["ip"] == VISITOR and event["user"]["ttclid"] == CLICK_ID
    assert [(each.status, each.headers["Sec-Fetch-Mode"]) for each in passed] == [(202, "no-cors")]


def test_events_outlast_ten_seconds_of_503(page: Page, sandbox: SandboxThread, tmp_path: Path) -> None:
    """The SDK keeps what is put off and sends it when the service accepts again: each event once."""
    with shop_of(tmp_path / "data", sandbox.url) as shop:
        add_connection(shop)
        open_shop(page, shop)
        shop.service.put_off_events(True)
        page.evaluate(CART)
        page.evaluate(PURCHASE)
        page.wait_for_timeout(10_000)
        assert delivered(sandbox) == []
        shop.service.put_off_events(False)
        wait_for(sandbox, "AddToCart", "PlaceAnOrder")
        page.wait_for_timeout(6_000)
        wait_for(sandbox, "AddToCart", "PlaceAnOrder")
    put_off = shop.statuses("/events").count(503)
    assert 1 <= put_off <= 10


def test_page_with_an_unknown_key_stays_as_it_is(
    page: Page, sandbox: SandboxThread, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The SDK sends nothing, nothing breaks in the page, and the log of the service stays empty."""
    with shop_of(tmp_path / "data", sandbox.url, page_key="unknown-key") as shop:
        assert open_shop(page, shop)["body"] == "Received HTTP Code of 401"
        page.evaluate(SCREEN)
        page.evaluate(PURCHASE)
        page.wait_for_timeout(6_000)
        assert (shop.statuses("/identify"), shop.statuses("/events")) == ([401], [])
        assert shop.statuses("/config", "GET") == [404]
    assert without_machine_warnings(capfd.readouterr().err) == ""


def test_page_of_a_foreign_origin_is_refused_and_does_not_repeat(
    page: Page, sandbox: SandboxThread, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It can read the 403, so that the SDK drops the events instead of sending them again and again."""
    with shop_of(tmp_path / "data", sandbox.url) as shop:
        shop.service.ask(lambda service: service.add_connection(enabled=False))
        open_shop(page, shop)
        sleep_until(lambda: shop.statuses("/events") != [], _SECONDS)
        shop.passed.clear()

        async def move(service: Service) -> None:
            await service.services.inputs.change("web", origins=["https://other.example.com"], changed_by="test")

        shop.service.ask(move)
        page.evaluate(PURCHASE)
        page.wait_for_timeout(6_000)
        assert shop.statuses("/events") == [403]
        metrics = metrics_of(shop)
    assert 'input="web",reason="origin",route="/v3/JS/{key}/events",status="403"' in metrics
    assert without_machine_warnings(capfd.readouterr().err) == ""
