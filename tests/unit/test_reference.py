"""The pages of docs/reference/ say what the program does, since it writes them."""

import re

import pytest
from scripts.write_help import HELP, anchor_of, glossary_page
from scripts.write_reference import REFERENCE, exported_metrics, pages

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_up_to_date(name: str) -> None:
    """What `make docs` would write is what stands there."""
    assert (REFERENCE / name).read_text() == PAGES[name], "run `make docs`, and commit what it changes"


def test_help_is_up_to_date() -> None:
    """The console's help is the glossary: a term that is explained there is explained in the console too."""
    assert HELP.read_text() == glossary_page(), "run `make docs`, and commit what it changes"


def test_links_of_help_lead_to_its_sections() -> None:
    """The console does not serve the other pages of the documentation, and asks no other host."""
    targets = re.findall(r'href="([^"]+)"', glossary_page())
    assert targets and {target[1:] for target in targets} <= set(re.findall(r' id="([^"]+)"', glossary_page()))
    assert anchor_of("Delivery states of a connection") == "delivery-states-of-a-connection"


def test_there_is_no_other_page() -> None:
    """Nobody writes by hand where `make docs` writes."""
    assert {each.name for each in REFERENCE.iterdir()} == set(PAGES)


def test_every_metric_is_seen_with_its_labels() -> None:
    """The page knows a metric's labels from a sample, so each must have one: `_sampled_telemetry` makes them."""
    assert [each.name for each in exported_metrics() if not each.samples] == []
