"""Differences for people: between two outcomes of one event, and between two values with parts."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.outcome import Dropped, Mapped, Outcome
from tiktok_forwarder.mapping.explanation.explain import fields

_ABSENT: Final = "nothing"


class ValueChange(Struct, frozen=True):
    """A part that differs: its path, and both values as JSON, or `nothing` where it is missing."""

    path: str
    before: str
    after: str


def value_changes(before: object, after: object) -> list[ValueChange]:
    """Return what differs between two values as JSON has them, part by part. Numbers are compared by their value."""
    was, becomes = dict(fields(before)), dict(fields(after))
    paths = [*was, *(path for path in becomes if path not in was)]
    return [
        ValueChange(path, _json(was, path), _json(becomes, path))
        for path in paths
        if path not in was or path not in becomes or not _is_same(was[path], becomes[path])
    ]


def _json(values: dict[str, object], path: str) -> str:
    return msgspec.json.encode(values[path]).decode() if path in values else _ABSENT


def _is_same(one: object, other: object) -> bool:
    # To Python, true is 1.
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def differences(before: Sequence[Outcome], after: Sequence[Outcome]) -> list[str]:
    """Return one line for each field, drop or event that differs; empty if TikTok gets the same."""
    was, becomes = dict(_lines(before)), dict(_lines(after))
    names = [*was, *(name for name in becomes if name not in was)]
    return [
        f"{name}: {was.get(name, _ABSENT)} → {becomes.get(name, _ABSENT)}"
        for name in names
        if was.get(name) != becomes.get(name)
    ]


def _lines(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, str]]:
    mapped = [each for each in outcomes if isinstance(each, Mapped)]
    yield "sent as", ", ".join(each.event for each in mapped) or _ABSENT
    for outcome in outcomes:
        if isinstance(outcome, Dropped):
            yield "dropped because of", outcome.reason.replace("_", " ")
            continue
        prefix = f"{outcome.event}, " if len(mapped) > 1 else ""
        for path, value in fields(msgspec.json.decode(outcome.payload)):
            if path != "event":
                yield prefix + path, msgspec.json.encode(value).decode()
