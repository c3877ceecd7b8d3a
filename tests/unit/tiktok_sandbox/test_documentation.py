"""The page on the sandbox says what the sandbox does."""

import re
from pathlib import Path

import msgspec

from tiktok_sandbox.concerns import CONCERNS
from tiktok_sandbox.refusals import PAGE_URL_RULE, REFUSALS
from tiktok_sandbox.script import ScriptDocument
from tiktok_sandbox.steps import AnyStep

PAGE = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text("utf-8")


def test_every_rule_stands_in_the_table() -> None:
    """By the number that records and the page for people show."""
    rows = re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE)
    documented = {int(number) for row in rows for number in row.split(",")}
    assert documented == set(range(47))
    assert {rule.number for rule in (*REFUSALS, *CONCERNS, PAGE_URL_RULE)} <= documented


def test_every_step_stands_in_the_table_with_its_members() -> None:
    """Also those of the step's own."""
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*)$", PAGE, re.MULTILINE))
    shared = {"do", "times", "taken"}
    schemas = msgspec.json.schema(AnyStep)["$defs"].values()
    steps = {schema["properties"]["do"]["enum"][0]: set(schema["properties"]) - shared for schema in schemas}
    assert steps.keys() == rows.keys()
    for name, members in steps.items():
        assert members == {word for word in re.findall(r"`(\w+)`", rows[name]) if word in members}


def test_the_example_can_be_followed() -> None:
    """It is a script as the control route takes it."""
    example = re.search(r"```json\n(\{\n.*?)```", PAGE, re.DOTALL)
    assert example is not None
    assert msgspec.json.decode(example[1], type=ScriptDocument).poison.keys() == {"e-2"}
