"""The pictures of the console in README and docs: how each is taken, and how much an older one differs."""

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image, ImageChops
from playwright.sync_api import Page, expect

from tests.browser.sample_week import SampleWeek
from tests.browser.watched_browser import WIDE

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
# A cell of this size has the average shade of what is in it, so another number or another time changes it a little, and
# a thing in another place changes it much.
_CELL = 16
_CLEARLY_OTHER_SHADE = 20


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the share of cells that differ clearly: 0 for pictures that look the same, at most 1."""
    width, height = max(one.width, other.width), max(one.height, other.height)
    shades = [_cells(image, width, height) for image in (one, other)]
    histogram = ImageChops.difference(*shades).histogram()
    return sum(histogram[_CLEARLY_OTHER_SHADE:]) / sum(histogram)


def _cells(image: Image.Image, width: int, height: int) -> Image.Image:
    padded = Image.new("L", (width, height), color=0)
    padded.paste(image.convert("L"))
    return padded.resize((width // _CELL, height // _CELL), Image.Resampling.BOX)


def as_image(png: bytes) -> Image.Image:
    """Return the picture in 256 colors, which is a third of the size and looks the same."""
    return Image.open(BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE)


def _overview(page: Page, week: SampleWeek) -> bytes:
    page.goto("/")
    expect(page.get_by_role("heading", name="Connections", exact=True)).to_be_visible()
    return _window(page, 830)


def _event(page: Page, week: SampleWeek) -> bytes:
    page.goto(f"/activity/{week.all_events}/Purchase/{week.purchase_id}")
    expect(page.get_by_role("heading", name="Fields sent to TikTok")).to_be_visible()
    return _window(page, 1100)


def _results(page: Page, week: SampleWeek) -> bytes:
    page.goto(f"/connections/{week.all_events}/results")
    expect(page.get_by_role("heading", name="Purchase by hour")).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    return _window(page, 1000)


def _custom_mapping(page: Page, week: SampleWeek) -> bytes:
    page.goto(f"/connections/{week.all_events}/mappings/Subscribe")
    expect(page.locator("#preview")).to_contain_text("would be sent")
    return _window(page, 1000)


def _forwarding_rules(page: Page, week: SampleWeek) -> bytes:
    page.goto(f"/connections/{week.large_orders}/edit")
    page.get_by_text("Which events are forwarded").click()
    page.get_by_text("Try these settings with a batch").click()
    expect(page.locator("#tried")).to_contain_text("does not hold")
    page.evaluate("scrollTo(0, 0)")
    first, last = (page.locator(part).bounding_box() for part in ("#field-forwarding_rules", "#trial"))
    assert first is not None and last is not None
    margin = 16
    top, bottom = first["y"], last["y"] + last["height"] + margin
    clip = {"x": first["x"] - margin, "y": top, "width": first["width"] + 2 * margin, "height": bottom - top}
    return page.screenshot(clip=clip, full_page=True, animations="disabled")  # type: ignore[arg-type]


def _window(page: Page, height: int) -> bytes:
    page.set_viewport_size({"width": WIDE, "height": height})
    return page.screenshot(animations="disabled")


SCREENSHOTS: Final[Mapping[str, Callable[[Page, SampleWeek], bytes]]] = {
    "overview": _overview,
    "event": _event,
    "results": _results,
    "custom-mapping": _custom_mapping,
    "forwarding-rules": _forwarding_rules,
}
