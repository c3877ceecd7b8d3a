"""The files of others in the console, at work under the strictest content security policy they can do with."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.accessibility import axe
from tests.browser.watched_browser import StrictBrowser

pytestmark = pytest.mark.slow

VENDOR = Path(__file__).parents[2] / "src" / "tiktok_forwarder" / "console" / "static" / "vendor"
HOST = "http://127.0.0.1:9"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
TYPES = {".css": "text/css", ".js": "text/javascript"}
PAGE = """<!doctype html><html lang="en"><head><title>Vendored files</title>
<meta name="htmx-config" content='{"includeIndicatorStyles": false, "allowEval": false}'>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/pico.min.css"><link rel="stylesheet" href="/uPlot.min.css">
<script src="/htmx.min.js" defer></script><script src="/sse.min.js" defer></script>
<script src="/uPlot.iife.min.js" defer></script><script src="/chart.js" defer></script></head>
<body><main class="container"><h1>Vendored files</h1>
<p><button hx-get="/fragment" hx-target="#swapped">Swap</button></p><p id="swapped"></p>
<p hx-ext="sse" sse-connect="/stream" sse-swap="news" sse-close="end"></p>
<label>Choice <select><option>one</option></select></label>
<div id="chart"></div></main></body></html>"""
ANSWERS = {
    "/": ("text/html", PAGE),
    "/fragment": ("text/html", "<b>brought by htmx</b>"),
    # A stream that only ends is an error, to htmx: it tells of its end.
    "/stream": (
        "text/event-stream",
        "event: news\ndata: <b>brought by a server-sent event</b>\n\nevent: end\ndata: end\n\n",
    ),
    "/chart.js": (
        "text/javascript",
        "new uPlot({width: 300, height: 200, series: [{}, {label: 'events', stroke: 'green'}]},"
        " [[1, 2], [3, 4]], document.getElementById('chart'));",
    ),
}


def answer(route: Route) -> None:
    """What nothing listens for at `HOST`, in its place."""
    path = route.request.url.removeprefix(HOST)
    vendored = VENDOR / path[1:]
    content_type, body = ANSWERS.get(path) or (TYPES[vendored.suffix], vendored.read_text())
    route.fulfill(headers={"Content-Type": content_type, "Content-Security-Policy": POLICY}, body=body)


@pytest.fixture
def page(browser: StrictBrowser) -> Page:
    page = browser.page(HOST)
    page.route(f"{HOST}/**", answer)
    page.goto("/")
    return page


def test_htmx_and_its_extension_change_the_page(page: Page) -> None:
    """A click and a server-sent event each bring a part of the page, without a word of script in it."""
    page.get_by_role("button", name="Swap").click()
    expect(page.locator("#swapped")).to_have_text("brought by htmx")
    expect(page.get_by_text("brought by a server-sent event")).to_be_visible()


def test_uplot_draws(page: Page) -> None:
    """The chart stands there, with its legend."""
    expect(page.locator("#chart canvas")).to_be_visible()
    expect(page.locator("#chart .u-legend")).to_contain_text("events")


def test_pico_dresses_plain_elements_accessibly(page: Page) -> None:
    """Its style sheet and its icons are let in by the policy, and axe finds nothing grave."""
    expect(page.get_by_role("combobox")).to_have_css("background-image", re.compile("^url\\(.data:image/svg"))
    axe(page)
