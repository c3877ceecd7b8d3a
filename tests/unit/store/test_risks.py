"""The risks of a store: each has its words for people, in the program and in the glossary."""

import re
from pathlib import Path

import pytest

from tiktok_forwarder.store.risks import RISK_NAMES, RiskName, StoreRisk

GLOSSARY = Path(__file__).parents[3] / "docs" / "glossary.md"


@pytest.mark.parametrize("name", RISK_NAMES)
def test_risk_says_what_it_risks_and_what_to_set(name: RiskName) -> None:
    """In one clause for the log and the console, which add the capital and the period."""
    message = StoreRisk(name).message
    assert "lost" in message or "lose" in message
    assert "; set " in message or "; name " in message
    assert not message.endswith(".")


def test_glossary_explains_each_risk() -> None:
    """In the program's order."""
    section = GLOSSARY.read_text().partition("## Store risks\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(RISK_NAMES)
