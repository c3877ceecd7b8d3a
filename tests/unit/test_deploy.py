"""What deploy/ holds fits the program: metrics, labels and commands that are really there."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from scripts.write_reference import exported_metrics

from tiktok_forwarder.cli.main import commands
from tiktok_forwarder.settings import SETTINGS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SOURCE = "".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
PROGRAM = "tiktok-forwarder"

METRIC = re.compile(r"tiktok_forwarder_\w+")
SELECTOR = re.compile(r"(tiktok_forwarder_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
GROUPED = re.compile(r"by \(([\w, ]+)\)")
# A name of the program's own, and no pattern, number or variable of Grafana's.
WORD = re.compile(r"[a-z_]+")

ALERT_FORM = re.compile(
    r"(?: {6}#[^\n]*\n)*"
    r" {6}- alert: (?P<name>TiktokForwarder[A-Za-z]+)\n"
    r" {8}expr: (?P<expression>[^\n]+)\n"
    r"(?: {8}for: [0-9]+[mh]\n)?"
    r" {8}labels:\n {10}severity: (?:warning|critical)\n"
    r" {8}annotations:\n {10}summary: (?P<summary>[^\n]+)\n {10}action: (?P<action>[^\n]+)\n"
)


def alerts() -> list[dict[str, str]]:
    """The alert rules, read by their form: it is narrower than YAML, and needs no library."""
    text = (DEPLOY / "prometheus" / "alerts.yml").read_text()
    head, _, rules = text.partition("    rules:\n")
    assert head.endswith("groups:\n  - name: tiktok-forwarder\n")
    found = list(ALERT_FORM.finditer(rules))
    assert rules[: found[0].start()].strip() == "" and rules[found[-1].end() :].strip() == ""
    assert [rules[one.end() : two.start()].strip() for one, two in pairwise(found)] == [""] * (len(found) - 1)
    return [each.groupdict() for each in found]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOY / "grafana" / "tiktok-forwarder.json").read_text())
    return found


def dashboard_queries() -> Iterator[str]:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


QUERIES = [*(each["expression"] for each in alerts()), *dashboard_queries()]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_what_is_exported(query: str) -> None:
    """Each metric is one of the service's, and each label one of that metric's: a misspelt one would be silent."""
    labels = {sample: each.labels for each in exported_metrics() for sample in each.samples}
    names = METRIC.findall(query)
    assert names
    assert [name for name in names if name not in labels] == []
    for name, matchers in SELECTOR.findall(query):
        assert [label for label, _ in MATCHER.findall(matchers) if label not in labels[name]] == []
    known = {"le"}.union(*(labels[name] for name in names))
    grouped = {label.strip() for group in GROUPED.findall(query) for label in group.split(",")}
    assert grouped <= known


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_values_that_occur(query: str) -> None:
    """Each outcome, reason, condition or verdict that a query selects is a word of the program."""
    for _, matchers in SELECTOR.findall(query):
        words = [word for _, values in MATCHER.findall(matchers) for word in values.split("|") if WORD.fullmatch(word)]
        assert [word for word in words if f'"{word}"' not in SOURCE] == []


@pytest.mark.parametrize("metric", exported_metrics(), ids=lambda each: each.name)
def test_the_dashboard_shows_every_metric(metric: Any) -> None:
    """A figure worth exporting is worth seeing."""
    assert any(sample in METRIC.findall(query) for query in dashboard_queries() for sample in metric.samples)


def test_panels_do_not_overlap() -> None:
    """The dashboard can be read: each panel has a title, an id and a place of its own."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) and all(panel["title"] for panel in panels)
    squares = [
        (column, line)
        for place in (panel["gridPos"] for panel in panels)
        for column in range(place["x"], place["x"] + place["w"])
        for line in range(place["y"], place["y"] + place["h"])
    ]
    assert len(squares) == len(set(squares)) and max(column for column, _ in squares) < 24


def test_alerts_have_names_of_their_own() -> None:
    """Each alert can be told from the others, and says in plain words what is wrong and what to do."""
    found = alerts()
    assert len({each["name"] for each in found}) == len(found) > 10
    for each in found:
        for text in (each["summary"], each["action"]):
            # Plain YAML scalars end at a colon with a space, and must not begin with what YAML reads otherwise.
            assert re.fullmatch(r'"[^"]+"', text) or not re.search(r": | #|^[\"'`{\[&*!|>%@]", text)
        assert not re.search(r": | #|^[\"'`{\[&*!|>%@]", each["expression"])


def assert_is_a_command(words: list[str]) -> None:
    """The words after the program's name are a command of it, with options that it has."""
    context = click.Context(commands)
    command = commands.get_command(context, words[0])
    assert command is not None, words
    options = {option for parameter in command.params for option in parameter.opts}
    assert [word for word in words[1:] if word.startswith("--") and word not in options] == []


def test_scrape_configuration_names_the_port_and_sends_a_key() -> None:
    """Prometheus sends the file's text as a bearer token, to /metrics over HTTP unless told otherwise."""
    (job,) = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yml").read_text())["scrape_configs"]
    assert job.keys() == {"job_name", "authorization", "static_configs"}
    assert job["authorization"].keys() == {"credentials_file"}
    (port,) = (setting.default for setting in SETTINGS if setting.name == "port")
    assert [target.rpartition(":")[2] for each in job["static_configs"] for target in each["targets"]] == [str(port)]


def test_the_systemd_unit_starts_a_command_that_exists() -> None:
    """ExecStart is the program as `pip install` puts it, with its state where systemd makes the directory."""
    unit = (DEPLOY / "systemd" / f"{PROGRAM}.service").read_text()
    (line,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    program, *words = shlex.split(line)
    assert Path(program).name in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert_is_a_command(words)
    (directory,) = re.findall(r"^StateDirectory=(.+)$", unit, re.MULTILINE)
    assert words[words.index("--data-dir") + 1] == f"/var/lib/{directory}"


def test_the_container_file_copies_and_starts_what_exists() -> None:
    """It takes files of the repository, installs locked libraries, and starts a command of the program as no root."""
    text = (DEPLOY / "Containerfile").read_text()
    copied = [word for line in re.findall(r"^COPY ([^-].*)$", text, re.MULTILINE) for word in line.split()[:-1]]
    assert copied and [each for each in copied if not (ROOT / each).exists()] == []
    locks = re.findall(r"pip install (.*?)-r (\S+)", text)
    assert locks and all("--require-hashes" in options and (ROOT / file).exists() for options, file in locks)
    (command,) = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    program, *words = json.loads(command)
    assert program == PROGRAM
    assert_is_a_command(words)
    assert text.index("\nUSER forwarder\n") < text.index("\nCMD ")


@pytest.mark.parametrize("variable", re.findall(r"TIKTOK_FORWARDER_(\w+)=", (DEPLOY / "Containerfile").read_text()))
def test_the_container_file_sets_what_is_a_setting(variable: str) -> None:
    """Each variable of the image is one that the service reads; an unknown one would end it."""
    assert variable.lower() in {setting.name for setting in SETTINGS}
