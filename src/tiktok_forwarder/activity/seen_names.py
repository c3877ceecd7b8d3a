"""Names of events that the inputs received recently, as choices for custom mappings. Kept in memory.

Each node keeps what it received, and asks the others for theirs.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec
from msgspec import Struct, field

from tiktok_forwarder.mapping.custom import EVENT_TYPES
from tiktok_forwarder.mapping.redaction.identities import IdentityValues, identity_values_of
from tiktok_forwarder.mapping.redaction.kept import kept_text
from tiktok_forwarder.mapping.sources import Occurrence
from tiktok_forwarder.mparticle.batch import Batch, Event
from tiktok_forwarder.mparticle.values import flag_text, text_of
from tiktok_forwarder.store.nodes import Nodes

_MAX_EVENTS: Final = 500
_MAX_NAMES: Final = 100
_MAX_NAME_LENGTH: Final = 200
# Inspected per input and second: enough to see what is received, few enough to cost nothing.
_BATCHES_A_SECOND: Final = 20
_EVENTS_A_BATCH: Final = 20

Names = dict[str, None]
"""In the order in which they were seen first."""


class _Seen(Struct):
    count: int = 0
    last_ms: int = 0
    custom_event_types: Names = field(default_factory=dict)
    attributes: Names = field(default_factory=dict)
    user_attributes: Names = field(default_factory=dict)
    product_attributes: Names = field(default_factory=dict)


_QUESTION: Final = msgspec.json.Decoder(list[str])
_ANSWER: Final = msgspec.json.Decoder(list[tuple[str, str, _Seen]])


class SeenEvent(Struct, frozen=True):
    """An event in mParticle's words: type, and the name that a mapping matches. `count` is of the inspected events."""

    event_type: str
    event_name: str
    custom_event_types: list[str]
    attributes: list[str]
    user_attributes: list[str]
    product_attributes: list[str]
    count: int
    last_seen_ms: int


class SeenNames:
    """Names of recent events, bounded by input, events and names; the one seen least recently is removed."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        nodes.on_question("seen_names", self._answer)
        self._by_input: dict[str, OrderedDict[tuple[str, str], _Seen]] = {}
        self._second: dict[str, tuple[int, int]] = {}

    def on_request(self, input_name: str, batches: Sequence[Batch], at_ms: int) -> None:
        """Record the event names of a request to this input."""
        for batch in batches[: self._allowance(input_name, len(batches), at_ms // 1000)]:
            values = identity_values_of(batch)
            for event in (batch.events or ())[:_EVENTS_A_BATCH]:
                if event is not None and event.data is not None:
                    self._see(input_name, Occurrence(batch, event, event.data, _type_of(event)), values, at_ms)

    def _allowance(self, input_name: str, wanted: int, second: int) -> int:
        begun, used = self._second.get(input_name, (0, 0))
        used = used if begun == second else 0
        allowed = min(wanted, _BATCHES_A_SECOND - used)
        self._second[input_name] = (second, used + allowed)
        return allowed

    def _see(self, input_name: str, occurrence: Occurrence, values: IdentityValues, at_ms: int) -> None:
        if occurrence.event_type not in EVENT_TYPES or (name := occurrence.name) is None:
            return
        events = self._by_input.setdefault(input_name, OrderedDict())
        key = (occurrence.event_type, kept_text(name, _MAX_NAME_LENGTH, values))
        seen = events.setdefault(key, _Seen())
        events.move_to_end(key)
        if len(events) > _MAX_EVENTS:
            events.popitem(last=False)
        seen.count += 1
        seen.last_ms = at_ms
        data = occurrence.data
        _note(seen.custom_event_types, filter(None, [text_of(data.custom_event_type)]), values)
        _note(seen.attributes, data.custom_attributes or (), values)
        _note(seen.user_attributes, occurrence.batch.user_attributes or (), values)
        action = occurrence.product_action
        for product in (action.products or ())[:_EVENTS_A_BATCH] if action is not None else ():
            _note(seen.product_attributes, product.custom_attributes or (), values)

    async def list_for_inputs(self, input_names: Sequence[str]) -> list[SeenEvent]:
        """Return the events that these inputs received, the latest first; the same event of several inputs is one."""
        merged: dict[tuple[str, str], _Seen] = {}
        found = self._of_inputs(input_names)
        for answer in await self._nodes.ask("seen_names", msgspec.json.encode(input_names)):
            found += _ANSWER.decode(answer)
        for event_type, name, seen in found:
            _merge(merged.setdefault((event_type, name), _Seen()), seen)
        newest_first = sorted(merged.items(), key=lambda each: -each[1].last_ms)
        return [_seen_event(event_type, name, seen) for (event_type, name), seen in newest_first]

    def _of_inputs(self, input_names: Iterable[str]) -> list[tuple[str, str, _Seen]]:
        return [(*key, seen) for input_name in input_names for key, seen in self._by_input.get(input_name, {}).items()]

    def _answer(self, question: bytes) -> bytes:
        return msgspec.json.encode(self._of_inputs(_QUESTION.decode(question)))


def _type_of(event: Event) -> str:
    return (flag_text(event.event_type) or "").lower()


def _note(names: Names, found: Iterable[str], values: IdentityValues | None = None) -> None:
    for name in islice(found, _MAX_NAMES):
        if len(names) >= _MAX_NAMES:
            return
        if name not in names:
            names[kept_text(name, _MAX_NAME_LENGTH, values)] = None


def _merge(into: _Seen, seen: _Seen) -> None:
    into.count += seen.count
    into.last_ms = max(into.last_ms, seen.last_ms)
    pairs: tuple[tuple[Names, Mapping[str, None]], ...] = (
        (into.custom_event_types, seen.custom_event_types),
        (into.attributes, seen.attributes),
        (into.user_attributes, seen.user_attributes),
        (into.product_attributes, seen.product_attributes),
    )
    for names, more in pairs:
        _note(names, more)


def _seen_event(event_type: str, name: str, seen: _Seen) -> SeenEvent:
    return SeenEvent(
        event_type,
        name,
        list(seen.custom_event_types),
        sorted(seen.attributes),
        sorted(seen.user_attributes),
        sorted(seen.product_attributes),
        seen.count,
        seen.last_ms,
    )
