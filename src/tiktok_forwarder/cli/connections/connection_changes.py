"""The changes of connections as the API reports them, value by value for people. Access tokens are never shown."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tiktok_forwarder.cli.changes import Change
from tiktok_forwarder.cli.output import print_message
from tiktok_forwarder.mapping.connection import TOKEN
from tiktok_forwarder.mapping.explanation.differences import ValueChange, value_changes

_REPLACED: Final = "a new one"


def connection_changes(answer: Sequence[Mapping[str, Any]], given: Sequence[Mapping[str, Any]]) -> list[Change]:
    """Return the changes in an import's answer to the connections `given`, which are in the same order.

    An added connection shows what was given, not all defaults.
    """
    return [_change(difference, settings) for difference, settings in zip(answer, given, strict=True)]


def _change(difference: Mapping[str, Any], given: Mapping[str, Any]) -> Change:
    name, kind = difference["name"], difference["change"]
    if kind == "none":
        return Change(name, kind)
    if kind == "change":
        values = [value for field in difference["fields"] for value in setting_changes(field)]
    else:
        values = value_changes({}, {key: value for key, value in given.items() if key not in (TOKEN, "name")})
        values.append(ValueChange(TOKEN, "", _REPLACED))
    return Change(name, kind, values)


def setting_changes(field: Mapping[str, Any]) -> list[ValueChange]:
    """Return what changed in one setting."""
    name = field["field"]
    if name == TOKEN:
        return [ValueChange(TOKEN, "the old one", _REPLACED)]
    before, after = ({} if field[key] is None else {name: field[key]} for key in ("before", "after"))
    return value_changes(before, after)


def print_advice(answer: Sequence[Mapping[str, Any]]) -> None:
    """Print notes on the settings of the connections that change."""
    for difference in answer:
        if difference["change"] != "none":
            print_notes(difference["name"], difference["advice"])


def print_notes(name: str, notes: Sequence[str]) -> None:
    for note in notes:
        print_message(f"{name}: {note}")
