"""The docs site in a browser: what it asks for, how it looks, and what its search finds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.accessibility import check_looks
from tests.browser.screenshots import SCHEMES, screenshot
from tests.browser.watched_browser import NARROW, WIDE, StrictBrowser
from tests.docs_site import served

# The site is built once, by the one worker that these tests run on.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("docs_site"), pytest.mark.timeout(240)]

# One of each kind: the front page, steps with code, a guide, a page with pictures, wide tables.
LOOKED_AT = (
    "",
    "a-first-real-connection-in-five-minutes/",
    "guides/send-with-the-web-sdk/",
    "console/",
    "reference/connection/",
)


@pytest.fixture(scope="module")
def site_url(docs_site: Path) -> Iterator[str]:
    with served(docs_site) as url:
        yield url


def test_no_page_asks_another_host_or_is_wider_than_a_telephone(
    docs_site: Path, site_url: str, browser: StrictBrowser
) -> None:
    """Fonts and scripts are the site's own; the fixture fails on another host's and on console errors."""
    page = browser.page(site_url, NARROW)
    files = sorted(docs_site.rglob("index.html"))
    for file in files:
        page.goto(f"/{file.parent.relative_to(docs_site)}/")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        beyond: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, f"{page.url} is {beyond} pixels wider than a screen of {NARROW}"
        broken = page.evaluate("[...document.images].filter(image => !image.naturalWidth).map(image => image.src)")
        assert broken == [], page.url
    assert len(files) > 30


@pytest.mark.parametrize("path", LOOKED_AT, ids=lambda path: path.strip("/") or "front")
def test_main_pages_are_accessible(path: str, site_url: str, browser: StrictBrowser) -> None:
    """On a desktop and a telephone, in light and dark."""
    page = browser.page(site_url)
    page.goto(f"/{path}")
    check_looks(page)
    for scheme in SCHEMES:
        screenshot(page, f"docs-{path.strip('/').replace('/', '-') or 'front'}", scheme)


def search(page: Page, words: str) -> Locator:
    """Search, and return the links to what is found, the best first."""
    page.locator("label[for=__search]:visible, .md-search__button:visible").click()
    page.get_by_role("combobox", name="Search").fill(words)
    results = page.get_by_role("option")
    expect(results.first).to_be_visible()
    return results


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize(
    ("words", "place", "heading"),
    [
        ("dead letter", "/glossary/#dead-letter-reasons", "Dead-letter reasons"),
        ("ttclid", "/guides/send-from-a-website/#the-click-id-in-safari", "The click ID in Safari"),
        ("failover", "/guides/postgresql/#failover", "Failover"),
    ],
)
def test_search_finds_a_term_and_leads_to_it(
    words: str, place: str, heading: str, width: int, site_url: str, browser: StrictBrowser
) -> None:
    """The index is a file of the site, and the search runs in the reader's browser."""
    page = browser.page(site_url, width)
    page.goto("/")
    results = search(page, words)
    places = results.evaluate_all("links => links.map(link => new URL(link.href).pathname + link.hash)")
    assert place in places
    results.nth(places.index(place)).click()
    expect(page.get_by_role("heading", name=heading).first).to_be_in_viewport()
    assert page.url.partition("?")[0] + "#" + page.url.partition("#")[2] == site_url + place


def test_reader_goes_through_the_site_from_the_front_page(site_url: str, browser: StrictBrowser) -> None:
    """What it is, try it, the first real connection: each page leads to the next."""
    page = browser.page(site_url)
    page.goto("/")
    page.get_by_role("link", name="Try it", exact=True).last.click()
    expect(page.get_by_role("heading", name="Try it", level=1)).to_be_visible()
    page.get_by_role("link", name="Next: A first real connection").click()
    expect(page.get_by_role("heading", name="A first real connection", level=1)).to_be_visible()
    page.get_by_role("navigation", name="Tabs").get_by_role("link", name="Reference").click()
    expect(page.get_by_role("heading", name="Settings of a connection", level=1)).to_be_visible()
