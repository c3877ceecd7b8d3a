"""Every reason and warning is explained to people, in the words of the program."""

import ast
import re
from pathlib import Path
from typing import get_args

from tiktok_forwarder.domain.outcome import CONNECTION_FULL, RECORDED, DeadLetterReason, DropReason, MappingWarning
from tiktok_forwarder.mapping.explanation.advice import Advice, advice_on, all_advice
from tiktok_forwarder.mapping.fields import FIELD_BY_NAME

ROOT = Path(__file__).parents[3]
GLOSSARY = ROOT / "docs" / "glossary.md"
MAPPING = ROOT / "src" / "tiktok_forwarder" / "mapping"
READING = ROOT / "src" / "tiktok_forwarder" / "mparticle"


def glossary_words(heading: str) -> list[str]:
    section = GLOSSARY.read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_every_reason_and_warning_has_advice() -> None:
    """The same as in the glossary, in its order: no page has to say that it does not know."""
    advice = all_advice()
    reasons = [*get_args(DropReason), CONNECTION_FULL, RECORDED]
    assert list(advice["dropped"]) == reasons == glossary_words("Drop reasons")
    assert list(advice["dead_letter"]) == [*get_args(DeadLetterReason)] == glossary_words("Dead-letter reasons")
    assert list(advice["warning"]) == [*get_args(MappingWarning)] == glossary_words("Warnings")


def given_warnings() -> set[str]:
    """Return every name that the mapping appends to its warnings, read off its source."""
    trees = [ast.parse(file.read_text()) for file in MAPPING.rglob("*.py")]
    constants = {
        node.target.id: node.value.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    appended = [
        node.args[0]
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.append"
    ]
    values = [constants.get(each.id) if isinstance(each, ast.Name) else ast.literal_eval(each) for each in appended]
    return {value for value in values if isinstance(value, str)}


def test_every_warning_that_the_mapping_gives_is_declared() -> None:
    """`MappingWarning` is the closed list that advice, glossary and pages are compared with."""
    declared = set(get_args(MappingWarning))
    assert given_warnings() - declared == set()
    text = "".join(file.read_text() for folder in (MAPPING, READING) for file in folder.rglob("*.py"))
    assert [name for name in declared if text.count(f'"{name}"') < 2] == []


def test_advice_is_sentences_and_names_settings_there_are() -> None:
    """One or two sentences on what it means, and one or two on how to fix it."""
    for advice in (one for by_reason in all_advice().values() for one in by_reason.values()):
        assert isinstance(advice, Advice)
        for sentence in (advice.meaning, advice.remedy):
            assert sentence[0].isupper() and sentence.endswith("."), sentence
        assert not advice.setting or advice.setting in FIELD_BY_NAME, advice


def test_a_reason_of_another_time_has_none() -> None:
    """A record may be older than this program."""
    assert advice_on("dropped", "some_former_reason") is None
