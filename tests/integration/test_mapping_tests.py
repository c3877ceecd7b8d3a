"""`test`: batches in, events out, in the files of a folder; the repository's examples are such a folder."""

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.integration.terminal import on_terminal
from tests.unit.cli.running import Run

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES, tmp_path / "examples"))


def change(file: Path, **members: Any) -> None:
    """Change members of the first event's properties."""
    document = json.loads(file.read_text())
    document["events"][0]["sent"]["properties"] |= members
    file.write_text(json.dumps(document))


def test_examples_pass(run: Run) -> None:
    """The examples of the repository are as the mapping is now."""
    count = len(list(EXAMPLES.glob("*/*.expected.json")))
    assert count >= 7
    assert run("test", EXAMPLES) == (0, f"{count} passed, 0 failed\n", "")


def test_changed_expectation_fails_with_the_difference(run: Run, examples: Path) -> None:
    """Path, expected and actual value; the other cases still pass."""
    change(examples / "shop" / "purchase.expected.json", value=99, coupon="SPRING")
    status, out, _ = run("test", examples)
    assert status == 1
    assert out.splitlines()[:7] == [
        "shop/purchase: failed",
        "  events[0].sent.properties.value",
        "    expected  99",
        "    actual    65",
        "  events[0].sent.properties.coupon",
        '    expected  "SPRING"',
        "    actual    nothing",
    ]
    assert "6 passed, 1 failed" in out


def test_changed_mapping_fails_with_the_difference(run: Run, examples: Path) -> None:
    """A drop shows what was sent before; an event that is missing does not shift the others."""
    file = examples / "shop.toml"
    file.write_text(file.read_text().replace('"Site Search"', '"Search"').replace('"staff"]', '"manager"]'))
    search = examples / "shop" / "search.json"
    batch = json.loads(search.read_text())
    batch["events"].append(json.loads((examples / "shop" / "newsletter.json").read_text())["events"][0])
    search.write_text(json.dumps(batch))
    status, out, _ = run("test", examples)
    assert status == 1
    lines = [line.strip() for line in out.splitlines()]
    assert lines[lines.index("shop/search: failed") :][:10] == [
        "shop/search: failed",
        *("events[0]", "expected  sent as Search, event ID m-3", "actual    dropped, unsupported_event"),
        *("events[1]", "expected  dropped, missing_required_attribute", "actual    dropped, unsupported_event"),
        *("events[2]", "expected  nothing", "actual    sent as Subscribe, event ID m-5"),
    ]
    staff = lines[lines.index("shop/staff: failed") :]
    assert staff[2:4] == ["expected  dropped, filtered_by_rule", "actual    sent as Purchase, event ID order-1002"]


def test_update_writes_what_is_actual(run: Run, examples: Path) -> None:
    """The difference is shown first; afterwards all pass, and the files are as before the change."""
    expected = examples / "shop" / "purchase.expected.json"
    before = expected.read_text()
    change(expected, value=99)
    (examples / "shop" / "cart.expected.json").unlink()
    status, out, _ = run("test", examples)
    assert status == 1 and "nothing is expected yet" in out and "--update makes them the expected ones" in out
    status, out, _ = run("test", examples, "--update")
    assert status == 0
    assert "    expected  99" in out and "5 passed, 0 failed, 2 updated" in out
    assert expected.read_text() == before
    assert run("test", examples)[0] == 0


def test_report_is_junit_xml(run: Run, examples: Path) -> None:
    """Also with control characters in the values, which XML cannot contain."""
    change(examples / "shop" / "purchase.expected.json", order_id="\x1b[2J<&")
    report = examples / "report.xml"
    status, out, _ = run("test", examples, "--junit", report)
    assert status == 1 and "\x1b" not in out
    (suite,) = ElementTree.parse(report).getroot()  # noqa: S314  # written by the program under test
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("shop.toml", "7", "1")
    (failed,) = [case for case in suite if len(case)]
    assert (failed.get("classname"), failed.get("name")) == ("shop", "purchase")
    assert "events[0].sent.properties.order_id" in str(failed[0].text)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("shop/cart.json", "{broken", "cart.json, line 1: the body is not JSON"),
        ("shop/cart.expected.json", '{"events": []}', "missing required field `received_at_ms`"),
        ("shop/cart.expected.json", '{"received_at_ms": 1, "events": [{}]}', "events[0] must have sent or dropped"),
        ("shop/cart.expected.json", "[" * 100_000, "cart.expected.json: "),
    ],
)
def test_unreadable_file_fails_its_case_only(run: Run, examples: Path, name: str, text: str, message: str) -> None:
    """The others are still run; --update does not hide it."""
    (examples / name).write_text(text)
    for options in ((), ("--update",)):
        status, out, err = run("test", examples, *options)
        assert (status, err) == (1, "")
        assert message in out and "6 passed, 1 failed" in out


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("shop.toml", "name = 'Shop'\ncolour = 1\n", "shop.toml: pixel_id: is required"),
        ("shop.toml", "[[connections]]\nname = 'A'\npixel_id = 'P'\n" * 2, "has 2 connections; a file with cases has"),
        ("shop/lost.expected.json", "{}", "lost.expected.json: there is no batch for it, lost.json"),
        ("other/case.json", "{}", "other: has cases, but there is no other.toml next to it"),
    ],
)
def test_wrong_folder_runs_nothing(run: Run, examples: Path, name: str, text: str, message: str) -> None:
    """One line for each problem, and exit status 2."""
    (examples / name).parent.mkdir(exist_ok=True)
    (examples / name).write_text(text)
    status, out, err = run("test", examples)
    assert (status, out) == (2, "") and message in err


def test_folder_without_cases_is_reported(run: Run, tmp_path: Path) -> None:
    """No test is no success."""
    status, out, err = run("test", tmp_path)
    assert (status, out) == (2, "") and "there are no cases" in err


def test_inputs_decide_about_purchases(run: Run, examples: Path) -> None:
    """A case may be that of an input that is not allowed to send them."""
    file = examples / "shop" / "purchase.expected.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "allows_purchases": False}))
    status, out, _ = run("test", examples)
    assert status == 1 and "actual    dropped, purchase_not_allowed" in out


@pytest.mark.slow
def test_difference_has_colors_on_a_terminal(examples: Path) -> None:
    """Expected is green, actual red; long values are not broken."""
    change(examples / "shop" / "purchase.expected.json", value=99, description="x" * 200)
    shown = on_terminal("test", examples, columns=60, NO_COLOR="")
    assert shown.status == 1
    assert "\x1b[32m    expected  99\x1b[0m" in shown.sent and "\x1b[31m    actual    65\x1b[0m" in shown.sent
    assert "x" * 200 in shown.sent
