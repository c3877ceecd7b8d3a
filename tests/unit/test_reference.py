"""The pages of docs/reference/ say what the program does, since it writes them."""

import pytest
from scripts.write_reference import REFERENCE, exported_metrics, pages

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_up_to_date(name: str) -> None:
    """What `make docs` would write is what stands there."""
    assert (REFERENCE / name).read_text() == PAGES[name], "run `make docs`, and commit what it changes"


def test_there_is_no_other_page() -> None:
    """Nobody writes by hand where `make docs` writes."""
    assert {each.name for each in REFERENCE.iterdir()} == set(PAGES)


def test_every_metric_is_seen_with_its_labels() -> None:
    """The page knows a metric's labels from a sample, so each must have one: `_sampled_telemetry` makes them."""
    assert [each.name for each in exported_metrics() if not each.samples] == []
