"""Results by TikTok event: the line of the day on the overview, the page of a connection, and what needs attention."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import axe, check_looks
from tests.browser.admin_api import ask
from tests.browser.console import Console
from tests.browser.reader import log_in_as_first_admin
from tests.browser.screenshots import screenshot
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_process import SandboxThread, serving
from tests.store_choice import STORES
from tiktok_forwarder.activity.records import ActivityWrite, Figures, HourKey
from tiktok_forwarder.bootstrap import open_application
from tiktok_forwarder.setting_reading import load_settings

pytestmark = pytest.mark.slow

HOUR_SECONDS = 3600
DAYS = 15


def hours_of(connection_id: str, now_hour: int) -> dict[HourKey, Figures]:
    """Purchases that rise during each day, more of them today than a week ago, and ten carts for each."""
    hours: dict[HourKey, Figures] = {}
    for hour in range(now_hour - now_hour % 24 - (DAYS - 1) * 24, now_hour + 1):
        count = hour % 24 + (5 if hour >= now_hour - now_hour % 24 else 2)
        hours[hour, connection_id, "PlaceAnOrder"] = {
            "mapped": count,
            "delivered": count - (hour == now_hour),
            "duplicate": 1,
            "valued.EUR": count,
            "value.EUR": count * 49_990_000,
            "match_events": count,
            "match.email": count // 2,
            "match.click_id": count // 3,
        }
        hours[hour, connection_id, "AddToCart"] = {"mapped": count * 10, "delivered": count * 10}
    return hours


async def seed(data_dir: Path) -> int:
    """Give the shop's connection two weeks of figures; return the hour that is the present one."""
    settings = load_settings(None, {}, data_dir=data_dir, store=STORES.store_of(data_dir))
    now_hour = time.time_ns() // 10**9 // HOUR_SECONDS
    async with open_application(settings, {}) as application:
        (shop,) = application.services.connections.all()
        assert application.base.activity_store.write(ActivityWrite((), {}, (), hours_of(shop.id, now_hour)))
    return now_hour


@pytest.fixture
def now_hour(data_dir: Path) -> int:
    # Playwright's event loop counts as this thread's.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, seed(data_dir)).result()


@pytest.fixture
def console(data_dir: Path, sandbox: SandboxThread, now_hour: int) -> Iterator[Console]:
    """With figures of two weeks."""
    with serving(data_dir, sandbox.url) as service:
        yield Console(f"http://127.0.0.1:{service.port}", data_dir, sandbox, service)


def test_overview_compares_today_with_the_same_day_last_week(
    browser: StrictBrowser, console: Console, now_hour: int
) -> None:
    """The line has its numbers in words and as a table; the connection's page has the days behind it."""
    page = log_in_as_first_admin(browser, console)
    hours = range(now_hour % 24 + 1)
    today, so_far = sum(hour + 5 for hour in hours), sum(hour + 2 for hour in hours)
    whole = sum(hour + 2 for hour in range(24))
    line = page.get_by_role("img", name="Purchases of Shop")
    name = line.get_attribute("aria-label") or ""
    assert f"{today} today, {so_far} by this time last " in name and f"{whole} on that whole day." in name
    table = page.get_by_role("table", name="Purchases of Shop by hour")
    expect(table.get_by_role("row")).to_have_count(25)
    expect(table.get_by_role("row").nth(1)).to_have_text("00:0052")
    expect(page.get_by_text(f"{today * 4999 / 100:,.2f} EUR").first).to_be_visible()
    check_looks(page)
    screenshot(page, "results-overview")
    page.get_by_role("link", name="Shop").first.click()
    expect(page.get_by_role("heading", name="Results of Shop")).to_be_visible()
    row = page.get_by_role("region", name="Today and last").get_by_role("row").nth(1)
    expect(row.get_by_role("cell").nth(0)).to_have_text("Place an Order")
    expect(row.get_by_role("cell").nth(1)).to_contain_text(str(today))
    expect(row.get_by_role("cell").nth(2)).to_have_text(str(so_far))
    expect(row.get_by_role("cell").nth(6)).to_have_text(f"{(today - 1) / today * 100:.0f}%")
    expect(row.get_by_role("cell").nth(7)).to_contain_text("Email")
    days = page.get_by_role("region", name="Place an Order by day")
    expect(days.get_by_role("row")).to_have_count(DAYS + 1)
    check_looks(page)
    screenshot(page, "results")
    page.get_by_role("link", name="Add to Cart").click()
    expect(page.get_by_role("heading", name="Add to Cart by hour")).to_be_visible()
    page.get_by_text("Show as a table").click()
    expect(page.get_by_role("cell", name=f"{so_far * 10:,}", exact=True).first).to_be_visible()
    axe(page)


def test_paused_connection_is_first_and_in_the_menu(browser: StrictBrowser, console: Console) -> None:
    """Whoever opens any page sees that something needs attention, and on the overview what it is."""
    page = log_in_as_first_admin(browser, console)
    expect(page.get_by_role("heading", name="Needs attention")).to_have_count(0)
    expect(page.get_by_role("navigation").get_by_role("link", name="Connections", exact=True)).to_be_visible()
    ask(console.data_dir, "POST", "/api/connections/Shop/pause", {"reason": "stocktaking"})
    page.goto("/inputs")
    expect(
        page.get_by_role("navigation").get_by_role("link", name="Connections 1 paused or refused", exact=True)
    ).to_be_visible()
    page.goto("/")
    first = page.locator("main h2").first
    expect(first).to_have_text("Needs attention")
    attention = page.get_by_role("region", name="Needs attention")
    expect(attention).to_contain_text("Shop: Delivery is paused: stocktaking.")
    check_looks(page)
    screenshot(page, "results-attention")
    attention.get_by_role("link", name="Shop").click()
    page.get_by_role("button", name="Resume").click()
    page.goto("/")
    expect(page.get_by_role("heading", name="Needs attention")).to_have_count(0)
