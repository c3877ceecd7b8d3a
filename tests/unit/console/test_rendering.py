"""Templates and the words for figures in them."""

from typing import Any

import pytest
from jinja2 import UndefinedError

from tiktok_forwarder.api.types import RemovedView
from tiktok_forwarder.console.rendering import (
    Rendering,
    link,
    number,
    part,
    percent,
    pretty,
    span,
    time_tag,
    wire_label,
)
from tiktok_forwarder.console.static_files import StaticFiles

HOSTILE = "</script><script>alert(1)</script>\"'"


def test_what_an_event_holds_is_shown_as_text() -> None:
    """In a template, in an address and as JSON."""
    rendered = Rendering(StaticFiles()).render(
        "error_part.html", {"problems": [HOSTILE], "status": 422, "flash_messages": [], "request": None}
    )
    assert "<script" not in rendered
    assert "<script" not in pretty({HOSTILE: [HOSTILE]})
    assert "<" not in part(HOSTILE) and "/" not in part(HOSTILE)
    assert "<" not in link("/activity", reason=HOSTILE)


@pytest.mark.parametrize(
    ("template", "values"),
    [("error_part.html", {}), ("dead_letters/progress_part.html", {"progress": RemovedView("cn_1", "Shop")})],
)
def test_template_that_reads_a_missing_member_fails(template: str, values: dict[str, Any]) -> None:
    """A renamed field of an answer must break its page in a test, not leave a gap on it."""
    with pytest.raises(UndefinedError):
        Rendering(StaticFiles()).render(template, values)


def test_an_address_leaves_out_what_is_not_given() -> None:
    """Filters that are off do not stand in it; zero is a value."""
    assert (
        link("/activity", connection="cn_1", reason="", outcome=None, before=0) == "/activity?connection=cn_1&before=0"
    )
    assert link("/activity") == "/activity"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.25, "250 ms"), (1, "1 second"), (90, "2 minutes"), (3600, "1 hour"), (200_000, "2 days")],
)
def test_a_length_of_time_is_told_in_its_largest_unit(seconds: float, told: str) -> None:
    """Rounded, with the plural where there is one."""
    assert span(seconds) == told


def test_figures_are_readable() -> None:
    """Thousands apart, shares in percent, names as words."""
    assert (number(1234567), number(0.5), percent(0.256)) == ("1,234,567", "0.5", "26%")
    assert [percent(share) for share in (0, 0.0001, 0.005, 1)] == ["0%", "under 1%", "0%", "100%"]
    assert wire_label("missing_page_url") == "Missing page URL"


def test_a_time_is_told_to_people_and_programs() -> None:
    """In UTC, until the page's script puts it into the reader's zone."""
    assert time_tag(1_700_000_000_123) == (
        '<time datetime="2023-11-14T22:13:20.123+00:00">2023-11-14 22:13:20 UTC</time>'
    )
    assert time_tag(None) == "–"
