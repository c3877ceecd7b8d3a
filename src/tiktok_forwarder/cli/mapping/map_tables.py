"""What `map` prints on a terminal: a table of outcomes, or each event with the source of every field."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from tiktok_forwarder.cli.mapping.map_command import Explained
from tiktok_forwarder.cli.output import Column
from tiktok_forwarder.cli.tables import find_table, shown, table_or_blocks, terminal, words
from tiktok_forwarder.console.settings.rule_words import TriedRule, tried_rule
from tiktok_forwarder.domain.outcome import Dropped, Mapped, is_loss
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.explanation.advice import AdviceKind, advice_on
from tiktok_forwarder.mapping.explanation.explain import explain, fields, omitted_fields

# Many files may be mapped: their outcomes need not all be in memory.
_ROWS_OF_A_TABLE: Final = 500
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SHOWN_OF_DIGEST: Final = 12
_OUTCOMES: Final = (
    Column("event", "place"),
    Column("becomes", "becomes"),
    Column("event ID", "event_id"),
    Column("reason, warnings", "notes", wraps=True),
)
_FIELDS: Final = (
    Column("field", "field"),
    Column("value", "value", wraps=True, narrowest=16),
    # The path of a product's member fits: broken in the middle, it could not be copied.
    Column("source", "source", wraps=True, narrowest=40),
    Column("transformation", "transformation", wraps=True, narrowest=18),
)


def print_outcomes(found: Iterable[Explained], connection: Connection, *, explains: bool) -> None:
    """Print the outcomes, and how many events are sent and dropped."""
    console, counter = terminal(), _Counter(found)
    if explains:
        for each in counter:
            _print_event(console, each, connection)
    else:
        while rows := [_outcome_record(each) for each in islice(counter, _ROWS_OF_A_TABLE)]:
            for part in table_or_blocks(rows, _OUTCOMES, console.width):
                console.print(part)
    hint = "" if explains else "; --explain shows each field with its source"
    console.print(f"{counter.sent:,} sent, {counter.dropped:,} dropped{hint}", style="dim")


class _Counter:
    """Passes outcomes on, and counts them."""

    def __init__(self, found: Iterable[Explained]) -> None:
        self._found = iter(found)
        self.sent = 0
        self.dropped = 0

    def __iter__(self) -> Iterator[Explained]:
        return self

    def __next__(self) -> Explained:
        explained = next(self._found)
        self.sent += isinstance(explained.outcome, Mapped)
        self.dropped += isinstance(explained.outcome, Dropped)
        return explained


def _place(explained: Explained) -> str:
    event = f"events[{explained.outcome.event_index}]"
    return event if explained.batch_index is None else f"batch {explained.batch_index}, {event}"


def _outcome_record(explained: Explained) -> Mapping[str, Any]:
    outcome = explained.outcome
    place = {"place": _place(explained), "event_id": outcome.event_id}
    if isinstance(outcome, Mapped):
        return {**place, "becomes": outcome.event, "notes": outcome.warnings}
    return {**place, "becomes": "dropped", "notes": f"{outcome.reason}: {outcome.detail}"}


# --- one event, explained --------------------------------------------------------------------------------------------


def _print_event(console: Console, explained: Explained, connection: Connection) -> None:
    outcome = explained.outcome
    if isinstance(outcome, Mapped):
        heading = f"{_place(explained)}: sent as {outcome.event}, event ID {outcome.event_id}"
        console.print(shown(heading, "bold green"))
        _print_fields(console, outcome, connection)
        for warning in outcome.warnings:
            _print_advice(console, "warning", warning, f"Warning {warning}.")
    else:
        color = "bold red" if is_loss(outcome.reason) else "bold yellow"
        console.print(shown(f"{_place(explained)}: dropped, {outcome.reason}", color))
        _print_advice(console, "dropped", outcome.reason, outcome.detail)
    for rule in explained.rules:
        _print_rule(console, tried_rule(rule))
    console.print()


def _print_fields(console: Console, outcome: Mapped, connection: Connection) -> None:
    values = dict(fields(msgspec.json.decode(outcome.payload)))
    # The heading has the event's place: paths in it are short.
    explanations = (*explain(outcome.payload, connection, outcome.sources), *omitted_fields(connection))
    records = [
        {
            "field": each.field,
            "value": _value_words(values[each.field]) if each.field in values else "",
            "source": each.sources,
            "transformation": each.transformation,
        }
        for each in explanations
    ]
    table = find_table(records, _FIELDS, console.width - 2)
    if table is not None:
        console.print(_indented(table))
        return
    for record in records:
        _print_field_lines(console, record)


def _print_field_lines(console: Console, record: Mapping[str, Any]) -> None:
    head = Text.assemble(shown(str(record["field"]), "bold"), "  ", shown(str(record["value"])))
    console.print(_indented(head))
    console.print(Padding(shown(f"{words(record['source'])}; {record['transformation']}", "dim"), (0, 0, 0, 6)))


def _value_words(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"{text[:_SHOWN_OF_DIGEST]}…" if _DIGEST.fullmatch(text) else text


def _print_advice(console: Console, kind: AdviceKind, name: str, sentence: str) -> None:
    """Print what happened and how to fix it; the meaning is said already by a drop's own sentence."""
    advice = advice_on(kind, name)
    if advice is None:
        console.print(_indented(shown(sentence)))
        return
    meaning = f"{sentence} {advice.meaning}" if kind == "warning" else sentence
    setting = f" (setting {advice.setting})" if advice.setting else ""
    console.print(_indented(shown(meaning)))
    console.print(_indented(shown(f"How to fix it: {advice.remedy}{setting}")))


def _print_rule(console: Console, rule: TriedRule) -> None:
    console.print(_indented(shown(f"Rule “{rule.name}” ({rule.action}) {'held' if rule.held else 'did not hold'}")))
    for condition in rule.conditions:
        mark = "✓" if condition.held else "✗"
        line = shown(f"{mark} {condition.words}; found: {condition.found}", "" if condition.held else "dim")
        console.print(Padding(line, (0, 0, 0, 4)))


def _indented(content: Any) -> Padding:
    return Padding(content, (0, 0, 0, 2))
