"""The demo's shop in a real browser: a newcomer buys something, and sees in the console what TikTok got of it."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.accessibility import axe
from tests.browser.screenshots import SCHEMES, screenshot
from tests.browser.sessions import become, first_session
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_process import environment
from tests.patience import Patience

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.xdist_group("demo")]

_START_SECONDS = 40
_STOP_SECONDS = 40


@dataclass(frozen=True)
class Demo:
    process: subprocess.Popen[str]
    output: Path
    console_url: str
    shop_url: str
    landing_url: str
    service_dir: Path


@contextmanager
def running_demo(directory: Path) -> Iterator[Demo]:
    output = directory / "output"
    with output.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "tiktok_forwarder", "demo"],
            cwd=directory,
            env=environment(),
            stdout=stream,
            stderr=stream,
            text=True,
        )
    try:
        shop = _waited_for(r"Demo shop[^:]*: ((http://[^/\s]+)/\S*)", output, process)
        console = _waited_for(r"Console[^:]*: (http://[^/\s]+)/", output, process)
        yield Demo(process, output, console[1], shop[2], shop[1], directory / "demo-data" / "service")
    finally:
        process.kill()
        process.wait()


def _waited_for(pattern: str, output: Path, process: subprocess.Popen[str]) -> re.Match[str]:
    patience = Patience(_START_SECONDS)
    while (found := re.search(pattern, output.read_text())) is None:
        assert process.poll() is None and patience.lasts(), output.read_text()
        time.sleep(0.1)
    return found


def test_purchase_in_the_demo_shop_is_delivered_and_explained(tmp_path: Path, browser: StrictBrowser) -> None:
    """The visitor comes from an ad, declines nothing, and buys; the account at the end includes the page's events."""
    with running_demo(tmp_path) as demo:
        browser.tolerate(f"another host: GET {demo.console_url}", f"another host: POST {demo.console_url}")
        browser.tolerate("status of 404")  # an event's page that is not there yet
        page = browser.page(demo.shop_url)
        page.goto(demo.landing_url)
        axe(page)
        screenshot(page, "demo-shop-consent")
        assert page.context.cookies() == []
        _add_to_cart(page)
        expect(page.get_by_role("cell", name="not sent: consent is missing")).to_be_visible()
        page.get_by_role("button", name="Allow").click()
        expect(page.locator("#cookie")).to_have_text(re.compile(r"^E\.C\.P\."))
        _add_to_cart(page)
        page.get_by_role("button", name="Buy").click()
        purchase, cart = page.get_by_role("link").all()
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            axe(page)
            screenshot(page, "demo-shop", scheme)

        event_id = purchase.inner_text()
        console = browser.page(demo.console_url)
        become(console, demo.console_url, first_session(demo.console_url, demo.service_dir))
        _open_delivered(console, cart)
        _open_delivered(console, purchase)
        expect(console.get_by_role("heading", name="Fields sent to TikTok")).to_be_visible()
        for text in (event_id, "E.C.P.DemoShopClickId0123456789", demo.landing_url, "127.0.0.1"):
            expect(console.get_by_role("cell", name=text).first).to_be_visible()
        assert "visitor@example.com" not in console.content()
        axe(console)
        screenshot(console, "demo-shop-event")

        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(_STOP_SECONDS) == 0, demo.output.read_text()
    assert demo.output.read_text().count("every acknowledged event is accounted for") == 2
    assert "visitor@example.com" not in demo.output.read_text()


def _add_to_cart(page: Page) -> None:
    page.get_by_role("button", name="Add to cart: Rain Jacket").click()


def _open_delivered(console: Page, link: Locator) -> None:
    """Open an event's page, and wait until it shows the delivery. The activity is written about once a second."""
    patience = Patience(20)
    heading = console.get_by_role("heading", name="Delivered", exact=True)
    while True:
        console.goto(str(link.get_attribute("href")))
        if heading.count():
            return
        assert patience.lasts(), console.content()
        console.wait_for_timeout(500)
