"""The pictures of README and docs show the console as it is: each is taken again and compared.

`make screenshots` writes them.
"""

import re
from collections.abc import Iterator

import pytest
from PIL import Image, ImageDraw

from tests.browser.docs_screenshots import IMAGES, SCREENSHOTS, as_image, difference
from tests.browser.sample_week import SampleWeek, sample_week
from tests.browser.sessions import become
from tests.browser.watched_browser import StrictBrowser

ROOT = IMAGES.parents[1]
# Taken again, a picture differs by less than 0.01. With the console's menu at the top instead of the side it was 0.3.
MOST_DIFFERENT = 0.06


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleWeek]:
    with sample_week(tmp_path_factory.mktemp("week")) as made:
        yield made


@pytest.mark.slow
@pytest.mark.xdist_group("docs_screenshots")
@pytest.mark.sqlite_files("its service starts before it is told another store")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", SCREENSHOTS)
def test_picture_shows_the_console_as_it_is(
    name: str, week: SampleWeek, browser: StrictBrowser, request: pytest.FixtureRequest
) -> None:
    """A reader recognizes what they see in the console."""
    page = browser.page(week.url)
    become(page, week.url, week.cookie)
    image, file = as_image(SCREENSHOTS[name](page, week)), IMAGES / f"{name}.png"
    if request.config.getoption("write_screenshots"):
        image.save(file, optimize=True)
    share = difference(Image.open(file), image)
    assert share <= MOST_DIFFERENT, (
        f"{file.relative_to(ROOT)} shows the console of before: {share:.0%} of it differs. "
        "Run make screenshots, and view the picture."
    )


def test_every_picture_of_the_docs_is_made_and_used() -> None:
    """A picture that no command makes grows old."""
    texts = [file.read_text() for file in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))]
    used = {name for text in texts for name in re.findall(r"!\[[^\]]*\]\([^)]*images/([\w-]+)\.png\)", text)}
    assert used == set(SCREENSHOTS)
    assert {file.stem for file in IMAGES.glob("*.png")} == used


def test_difference_tells_another_number_from_another_look() -> None:
    """The comparison forgives what changes from run to run, and not a menu in another place."""
    picture = Image.new("RGB", (1280, 800), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 210, 800), fill="#4f5d75")
    draw.text((300, 100), "Accepted 149", fill="black", font_size=20)
    number, moved = picture.copy(), picture.copy()
    ImageDraw.Draw(number).rectangle((390, 95, 440, 125), fill="white")
    ImageDraw.Draw(moved).rectangle((0, 0, 210, 800), fill="white")
    assert difference(picture, picture) == 0
    assert difference(picture, number) < MOST_DIFFERENT < difference(picture, moved)
    assert difference(picture, picture.crop((0, 0, 1280, 700))) > MOST_DIFFERENT
