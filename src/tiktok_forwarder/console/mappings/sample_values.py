"""Values that meet conditions, for generated samples."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Final

from msgspec.structs import replace

from tiktok_forwarder.mapping.condition_reading import read_conditions
from tiktok_forwarder.mapping.conditions import Condition, Outgoing, holds
from tiktok_forwarder.mapping.custom import MappingDocument
from tiktok_forwarder.mapping.reading import Problems
from tiktok_forwarder.mapping.sources import Occurrence
from tiktok_forwarder.mparticle.batch import Batch, Event, EventData
from tiktok_forwarder.mparticle.values import Number

_ANY_TEXT: Final = ("sample", "another sample")
_MAX_COMBINATIONS: Final = 500
_MAX_STEPS: Final = 250
_NAME: Final = "value"

Place = tuple[str, str]
"""Subject and name of a condition: what it looks at."""


def conditions_by_place(mapping: MappingDocument) -> dict[Place, list[Condition]]:
    """Return the mapping's conditions by what they look at, without those that the API would refuse."""
    found: dict[Place, list[Condition]] = {}
    for document in mapping.get("conditions") or ():
        for condition in read_conditions("", [document], Problems()):
            found.setdefault((condition.subject, condition.name), []).append(condition)
    return found


def is_met(conditions: Iterable[Condition], value: object) -> bool:
    """Return whether all conditions hold for what they look at, if this is its value."""
    data = EventData(custom_attributes={_NAME: value})
    outgoing = Outgoing(Occurrence(Batch(), Event(data=data), data, ""), "", (), [])
    return all(holds(replace(condition, subject="attribute", name=_NAME), outgoing) for condition in conditions)


def meeting_value(
    conditions: Sequence[Condition], usual: object, convert: Callable[[object], object]
) -> tuple[object] | None:
    """Return the first value that meets all conditions, in a tuple: the usual one, or one made from the conditions.

    None if there is none; a value of None is one that is absent. `convert` makes a value fit what is looked at.
    """
    for given in (usual, *_numbers(conditions), *_texts(conditions), *_ANY_TEXT, None):
        value = convert(given)
        if is_met(conditions, value):
            return (value,)
    return None


def _numbers(conditions: Sequence[Condition]) -> Iterator[Number]:
    lowest = max(_bounds(conditions, "at_least"), default=None)
    highest = min(_bounds(conditions, "at_most"), default=None)
    numbers: list[Number] = []
    if lowest is not None:
        numbers += [lowest + step for step in range(_MAX_STEPS)]
        numbers += [lowest + step / _MAX_STEPS for step in range(_MAX_STEPS)]
    if highest is not None:
        numbers += [highest - step for step in range(_MAX_STEPS)]
    # A bound may be too large to add to.
    yield from (number for number in numbers if math.isfinite(number))


def _bounds(conditions: Sequence[Condition], test: str) -> list[Number]:
    return [each.expected for each in conditions if each.test == test and isinstance(each.expected, int | float)]


def _texts(conditions: Sequence[Condition]) -> Iterator[str]:
    given: Mapping[str, list[tuple[str, ...]]] = {
        test: [each.expected for each in conditions if each.test == test and isinstance(each.expected, tuple)]
        for test in ("is", "starts_with", "contains")
    }
    for values in given["is"]:
        yield from values
    # One value of each condition, the beginnings first: the longest fits shorter ones.
    beginnings = [sorted(values, key=len, reverse=True) for values in given["starts_with"]]
    for parts in islice(product(*beginnings, *given["contains"]), _MAX_COMBINATIONS):
        started, contained = parts[: len(beginnings)], parts[len(beginnings) :]
        text = max(started, key=len, default="") + " ".join(dict.fromkeys(contained))
        yield from (text, f"{text}1", f"{text}sample")
