"""Every reason and warning is explained to people, in the words of the program."""

import re
from pathlib import Path
from typing import get_args

from tiktok_forwarder.domain.outcome import CONNECTION_FULL, DeadLetterReason, DropReason
from tiktok_forwarder.mapping.advice import Advice, advice_on, all_advice
from tiktok_forwarder.mapping.fields import FIELD_BY_NAME

GLOSSARY = Path(__file__).parents[3] / "docs" / "glossary.md"


def glossary_words(heading: str) -> list[str]:
    section = GLOSSARY.read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_every_reason_and_warning_has_advice() -> None:
    """The same as in the glossary, in its order: no page has to say that it does not know."""
    advice = all_advice()
    assert list(advice["dropped"]) == [*get_args(DropReason), CONNECTION_FULL] == glossary_words("Drop reasons")
    assert list(advice["dead_letter"]) == [*get_args(DeadLetterReason)] == glossary_words("Dead-letter reasons")
    assert list(advice["warning"]) == glossary_words("Warnings")


def test_advice_is_sentences_and_names_settings_there_are() -> None:
    """One of what it means and one or two of what to do."""
    for each in (advice for kind in all_advice().values() for advice in kind.values()):
        assert isinstance(each, Advice)
        for sentence in (each.meaning, each.remedy):
            assert sentence[0].isupper() and sentence.endswith("."), sentence
        assert not each.setting or each.setting in FIELD_BY_NAME, each


def test_a_reason_of_another_time_has_none() -> None:
    """A record may be older than this program."""
    assert advice_on("dropped", "some_former_reason") is None
