"""The browser tests' own parts: on the sandbox's page, and on pages whose faults are known."""

import json
import struct
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, Route, expect

from tests.browser.accessibility import axe, grave_violations
from tests.browser.console import Console
from tests.browser.screenshots import screenshot
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_process import SandboxThread
from tests.integration.service_rig import fresh_batch
from tests.patience import Patience
from tests.unit.tiktok_sandbox.requests import EVENT_TRACK, TOKEN, event_2_0, event_track

pytestmark = pytest.mark.slow

HOST = "http://127.0.0.1:9"
POLICY = "default-src 'none'; script-src 'self'"
SOUND = "<!doctype html><html lang=en><title>A page</title><main><h1>A page</h1></main>"


def send(sandbox: SandboxThread, *event_ids: str) -> None:
    """Sound events to the sandbox, each with a warning: they are older than its seven days."""
    body = json.dumps(event_track(*[event_2_0(event_id=each) for each in event_ids])).encode()
    headers = {"Access-Token": TOKEN, "Content-Type": "application/json"}
    request = urllib.request.Request(sandbox.url + EVENT_TRACK, data=body, headers=headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        assert answer.status == 200


def shown(watched: StrictBrowser, html: str, status: int = 200) -> Page:
    """A page of `HOST`, where nothing listens: its text comes from here, under a strict policy."""

    def answer(route: Route) -> None:
        headers = {"Content-Type": "text/html", "Content-Security-Policy": POLICY}
        route.fulfill(status=status, headers=headers, body=html)

    page = watched.page(HOST)
    page.route(f"{HOST}/", answer)
    page.goto("/")
    return page


@pytest.fixture
def careless(chromium: Browser) -> Iterator[StrictBrowser]:
    """Watches, and leaves it to the test to look at the faults."""
    watched = StrictBrowser(chromium)
    yield watched
    watched.close()


def awaited_faults(watched: StrictBrowser, page: Page, number: int) -> list[str]:
    """The faults, once there are so many; the browser tells of some a moment later."""
    patience = Patience(10)
    while len(watched.faults) < number and patience.lasts():
        page.wait_for_timeout(20)
    return watched.faults


def width_of(picture: Path) -> int:
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG")
    (width,) = struct.unpack(">I", content[16:20])
    return int(width)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sandboxs_page_is_accessible_in_both_colours(
    scheme: str, browser: StrictBrowser, sandbox: SandboxThread
) -> None:
    """Axe finds nothing grave in it, empty or with events, closed or open; nor does the browser complain."""
    page = browser.page(sandbox.url)
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    page.goto("/")
    axe(page)
    send(sandbox, "a", "b", "a")
    page.reload()
    page.locator("summary").first.click()
    expect(page.locator("details[open] pre")).to_be_visible()
    axe(page)


def test_a_screenshot_is_taken_for_desktop_and_telephone(browser: StrictBrowser, sandbox: SandboxThread) -> None:
    """Two files of these widths are written, and the page keeps its size."""
    send(sandbox, "a", "b")
    page = browser.page(sandbox.url)
    page.goto("/")
    before = page.viewport_size
    pictures = screenshot(page, "sandbox")
    assert {each.name: width_of(each) for each in pictures} == {"sandbox-1280.png": 1280, "sandbox-390.png": 390}
    assert page.viewport_size == before


def test_an_event_is_seen_in_the_browser_after_its_way_through_the_service(
    browser: StrictBrowser, console: Console
) -> None:
    """What a sender posts to the service under test arrives on the sandbox's page, without a reload."""
    assert browser.page(console.url).request.get("/healthz").ok
    page = browser.page(console.sandbox.url)
    page.goto("/")
    assert console.service.post(fresh_batch("seen-in-the-browser")) == 202
    expect(page.get_by_text("seen-in-the-browser").first).to_be_visible(timeout=15_000)


def test_errors_and_foreign_requests_are_faults(careless: StrictBrowser) -> None:
    """A console error, an error nobody catches and a request to another host are each noted, with what and where."""
    page = shown(careless, SOUND)
    page.evaluate("console.error('a complaint')")
    page.evaluate("setTimeout(() => { throw new Error('a mishap') })")
    page.evaluate("navigator.sendBeacon('http://203.0.113.1/')")
    faults = "\n".join(awaited_faults(careless, page, 3))
    assert "console error: a complaint" in faults
    assert "uncaught error: Error: a mishap" in faults
    assert "violates the following Content Security Policy directive" in faults


def test_a_request_to_another_host_is_a_fault_and_does_not_arrive(
    careless: StrictBrowser, sandbox: SandboxThread
) -> None:
    """Another port is another host; names are not looked up at all."""
    page = careless.page(HOST)
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://shop.example.com/")
    careless.page(HOST).goto(sandbox.url)
    assert "request to another host: GET http://shop.example.com/" in careless.faults
    assert f"request to another host: GET {sandbox.url}/" in careless.faults


def test_a_test_may_tolerate_the_fault_it_is_about(careless: StrictBrowser) -> None:
    """A refusal shows in the console as an error; a test of refusals says so."""
    [fault] = awaited_faults(careless, shown(careless, SOUND, status=422), 1)
    assert "status of 422" in fault
    careless.tolerate("status of 422")
    shown(careless, SOUND, status=422)
    [_, fault] = awaited_faults(careless, shown(careless, SOUND, status=500), 2)
    assert "status of 500" in fault


def test_axe_names_page_rule_and_element(browser: StrictBrowser) -> None:
    """A grave violation is found under a content security policy that would let no script of a test in."""
    page = shown(browser, SOUND + "<button id=nameless></button>")
    [violation] = grave_violations(page)
    assert violation.startswith(f"{HOST}/: button-name (critical): ")
    assert '["#nameless"] <button id="nameless"></button>' in violation
    with pytest.raises(AssertionError, match="button-name"):
        axe(page)
