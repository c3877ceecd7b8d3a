"""Changes of a configuration: shown before they are made, and asked for."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import click
from msgspec import Struct

from tiktok_forwarder.cli.output import print_message, printable, prints_tables
from tiktok_forwarder.mapping.explanation.differences import ValueChange, value_changes

_SIGNS: Final = {
    "add": ("+", "added", "green"),
    "change": ("~", "changed", "yellow"),
    "remove": ("-", "removed", "red"),
}


_NEW_SECRETS: Final = "URL or password: new, and not shown"

ChangeKind = Literal["add", "change", "remove", "none"]


class Change(Struct, frozen=True):
    """What becomes of one connection, input or recipient. `notes` are for people, and no values."""

    name: str
    change: ChangeKind
    values: Sequence[ValueChange] = ()
    notes: Sequence[str] = ()


def changes_of(answer: Sequence[Mapping[str, Any]]) -> list[Change]:
    """Return the changes in an answer that has all settings `before` and `after`."""
    return [
        Change(
            each["name"],
            each["change"],
            value_changes(_given(each["before"] or {}), _given(each["after"])),
            [_NEW_SECRETS] if each.get("changes_password") or each.get("replaces_secrets") else [],
        )
        for each in answer
    ]


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value not in (None, "", [], {})}


def print_changes(answer: Sequence[Mapping[str, Any]], changes: Sequence[Change]) -> None:
    """Print the changes, value by value; for programs the API's answer, one JSON object per line."""
    if prints_tables():
        _show(changes)
        return
    for each in answer:
        click.echo(json.dumps(each))


def _show(changes: Sequence[Change]) -> None:
    from rich.padding import Padding  # noqa: PLC0415  # only for a terminal
    from rich.table import Table  # noqa: PLC0415  # only for a terminal
    from rich.text import Text  # noqa: PLC0415  # only for a terminal

    from tiktok_forwarder.cli.tables import shown, terminal  # noqa: PLC0415  # only for a terminal

    console = terminal()
    for change in changes:
        if change.change == "none":
            continue
        sign, word, color = _SIGNS[change.change]
        console.print(Text(f"{sign} {printable(change.name)}: {word}", f"bold {color}"))
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        for value in change.values:
            words = value.after if change.change == "add" else f"{value.before} → {value.after}"
            table.add_row(shown(value.path, "dim"), shown(words))
        console.print(Padding(table, (0, 0, 0, 4)))
        for note in change.notes:
            console.print(Padding(shown(note), (0, 0, 0, 4)))


def are_any(changes: Sequence[Change]) -> bool:
    return any(each.change != "none" for each in changes)


def can_apply(*, dry_run: bool, yes: bool) -> bool:
    """Return whether this run may change anything; otherwise it need not create a data directory either."""
    return not dry_run and (yes or sys.stdin.isatty())


def is_confirmed(question: str, *, yes: bool) -> bool:
    """Return whether the shown changes are to be made: by `--yes`, or as a person answers (see `confirm`).

    Raises `UsageError` if there is no one to ask.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("nothing was changed: pass --yes to apply the changes, or --dry-run to preview them")
    confirm(question)
    return True


def confirm(question: str, refused: str = "nothing was changed") -> None:
    """Ask a person. If the answer is no, print the message `refused`, and raise `Exit` with status 1."""
    if not click.confirm(question, err=True):
        print_message(refused)
        raise click.exceptions.Exit(1)


def print_extent(changes: Sequence[Change], noun: str) -> None:
    """Print how many would change, and which."""
    count = sum(each.change != "none" for each in changes)
    print_message(f"{count} of {len(changes)} {noun} would change{changing_names(changes)}")


def changing_names(changes: Sequence[Change]) -> str:
    """Return the end of a message, with the names of what changes."""
    names = [each.name for each in changes if each.change != "none"]
    return f": {', '.join(names)}" if names else ""
