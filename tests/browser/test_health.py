"""A connection's health in the browser: its chart is drawn of the table's numbers, in both colours, at any width."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.populated import Populated
from tests.browser.sessions import become
from tests.browser.watched_browser import NARROW, StrictBrowser
from tests.patience import Patience

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("populated")]

# How many of the picture's pixels have each colour that the style sheet has now, or nearly: edges are blended.
_PIXELS = """(canvas, names) => {
    const probe = document.body.appendChild(document.createElement("i"));
    const wanted = names.map((name) => {
        probe.style.color = `var(${name})`;
        return getComputedStyle(probe).color.match(/\\d+/g).map(Number);
    });
    probe.remove();
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const counts = names.map(() => 0);
    for (let at = 0; at < data.length; at += 4) {
        wanted.forEach((colour, index) => {
            if (data[at + 3] > 200 && colour.every((part, k) => Math.abs(part - data[at + k]) < 8)) counts[index] += 1;
        });
    }
    return counts;
}"""
SERIES = ["--idle", "--good", "--slow", "--bad"]


@pytest.fixture
def page(populated: Populated, browser: StrictBrowser) -> Page:
    """The health of the shop's connection."""
    page = browser.page(populated.url)
    become(page, populated.url, populated.cookies["viewer"])
    page.goto(f"/health/{populated.values['connection']}")
    expect(page.locator(".chart canvas")).to_be_visible()
    return page


def has_all_series(page: Page) -> None:
    """Each can be seen, once the chart is drawn: that is a moment after its canvas is there."""
    patience = Patience(5)
    while min(counts := page.locator(".chart canvas").evaluate(_PIXELS, SERIES)) <= 20:
        assert patience.lasts(), counts
        page.wait_for_timeout(50)


def chart_data(page: Page) -> Any:
    """What the chart was given to draw."""
    return page.locator(".chart").evaluate("chart => JSON.parse(chart.dataset.chart)")


def test_every_series_is_drawn_in_its_colour(page: Page) -> None:
    """Accepted, delivered, dropped, dead-lettered, each named beside the chart; in dark colours as in light ones."""
    has_all_series(page)
    for label in ("Accepted", "Delivered", "Dropped", "Dead-lettered"):
        expect(page.locator(".chart .u-legend").get_by_text(label)).to_be_visible()
    page.emulate_media(color_scheme="dark")
    has_all_series(page)
    expect(page.locator(".chart canvas")).to_have_count(1)


def test_the_table_has_the_charts_numbers(page: Page) -> None:
    """All of them, behind a heading that the keyboard opens."""
    summary = page.get_by_text("Show as a table")
    summary.focus()
    page.keyboard.press("Enter")
    rows = page.locator("details[open] tbody tr")
    expect(rows.first).to_be_visible()
    shown = [[int(cell.inner_text()) for cell in row.locator("td.number").all()] for row in rows.all()]
    chart = chart_data(page)
    assert [list(row) for row in zip(*chart["values"], strict=True) if any(row)] == shown
    # Seven sent, two refused; one of them twice: it was replayed. The eighth had no address, two have no mapping.
    assert [sum(column) for column in zip(*shown, strict=True)] == [10, 5, 3, 4]


def test_the_chart_is_as_wide_as_the_page(page: Page) -> None:
    """Also after the window was made smaller, with its lines."""
    page.set_viewport_size({"width": NARROW, "height": 800})
    page.wait_for_function("document.querySelector('.chart canvas').clientWidth <= 390")
    has_all_series(page)


def test_a_week_is_a_link_away(page: Page) -> None:
    """84 steps of two hours, the last one under way."""
    page.get_by_role("link", name="Last week").click()
    expect(page.get_by_label("Period").locator("[aria-current]")).to_have_text("Last week")
    expect(page.locator(".chart canvas")).to_be_visible()
    assert len(chart_data(page)["at_seconds"]) in (84, 85)
