"""Runs the cases of mapping tests: what becomes of a batch, and how that differs from what is expected."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest

import msgspec
from msgspec import Struct

from tiktok_forwarder.cli.mapping.batch_files import read_batches
from tiktok_forwarder.cli.mapping.case_files import Case, Expectation, ExpectedEvent, read_expectation
from tiktok_forwarder.domain.errors import ConfigurationError, UnreadableBody
from tiktok_forwarder.domain.outcome import Mapped, Outcome
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mapping.explanation.differences import ValueChange, value_changes
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.mparticle.values import time_of

_NOTHING = "nothing"


class Result(Struct, frozen=True):
    """How a case ended. `actual` is None if it could not be run; `problem` says why, or that nothing is expected yet.

    `before` is the expected value of each difference, `after` the actual one.
    """

    case: Case
    differences: Sequence[ValueChange] = ()
    problem: str = ""
    actual: Expectation | None = None

    @property
    def has_passed(self) -> bool:
        return not self.differences and not self.problem


def run_case(case: Case, mapper: Mapper) -> Result:
    """Map the case's batch and compare. Files that cannot be read are the result's problem."""
    try:
        batches = _batches(case)
        expected = read_expectation(case.expected_file) if case.expected_file.exists() else None
    except (UnreadableBody, ConfigurationError) as error:
        return Result(case, problem=str(error))
    if expected is None:
        at_ms = _latest_ms(batches)
        if at_ms is None:
            return Result(
                case, problem=f"{case.batch_file}: no event has a time; write {case.expected_file.name} first"
            )
        actual = _actual(batches, mapper, Expectation(at_ms, []))
        return Result(case, problem=f"nothing is expected yet: {case.expected_file} is missing", actual=actual)
    actual = _actual(batches, mapper, expected)
    return Result(case, list(_differences(expected.events, actual.events)), actual=actual)


def _batches(case: Case) -> list[Batch]:
    batches: list[Batch] = []
    for found in read_batches([case.batch_file]):
        if isinstance(found, UnreadableBody):
            raise found
        batches.append(found)
    return batches


def _latest_ms(batches: Sequence[Batch]) -> int | None:
    """Return the time of the last event: a new case is received then, so that none of its events is too old."""
    times = [batch.timestamp_unixtime_ms for batch in batches]
    events = [
        event for batch in batches for event in batch.events or () if event is not None and event.data is not None
    ]
    times += [event.data.timestamp_unixtime_ms for event in events if event.data is not None]
    return max((at for each in times if (at := time_of(each).milliseconds) is not None), default=None)


def _actual(batches: Sequence[Batch], mapper: Mapper, given: Expectation) -> Expectation:
    outcomes = [
        outcome
        for batch in batches
        for outcome in mapper.map_batch(batch, given.received_at_ms, allows_purchases=given.allows_purchases)
    ]
    return Expectation(given.received_at_ms, [_event(each) for each in outcomes], given.allows_purchases)


def _event(outcome: Outcome) -> ExpectedEvent:
    if isinstance(outcome, Mapped):
        return ExpectedEvent(msgspec.json.decode(outcome.payload), sorted(outcome.warnings))
    return ExpectedEvent(dropped=outcome.reason)


# --- differences -----------------------------------------------------------------------------------------------------


def _differences(expected: Sequence[ExpectedEvent], actual: Sequence[ExpectedEvent]) -> Iterator[ValueChange]:
    """Yield what differs. Events are matched by their IDs: one that is added or missing does not shift the others."""
    matcher = SequenceMatcher(None, _keys(expected, "expected"), _keys(actual, "actual"), autojunk=False)
    for _, start, end, other_start, other_end in matcher.get_opcodes():
        pairs = zip_longest(expected[start:end], actual[other_start:other_end])
        for number, (one, other) in enumerate(pairs, start):
            yield from _event_differences(f"events[{number}]", one, other)


def _keys(events: Sequence[ExpectedEvent], side: str) -> list[tuple[str, object]]:
    """Return event IDs; drops have none, and are matched by their place between the events that are sent."""
    return [
        ("ID", event.sent.get("event_id")) if event.sent is not None else (side, number)
        for number, event in enumerate(events)
    ]


def _event_differences(
    place: str, expected: ExpectedEvent | None, actual: ExpectedEvent | None
) -> Iterator[ValueChange]:
    if expected is None or actual is None or expected.sent is None or actual.sent is None:
        one, other = _event_words(expected), _event_words(actual)
        if one != other:
            yield ValueChange(place, one, other)
        return
    for change in value_changes(_comparable(expected), _comparable(actual)):
        yield ValueChange(f"{place}.{change.path}", change.before, change.after)


def _comparable(event: ExpectedEvent) -> dict[str, object]:
    return {"sent": event.sent, "warnings": sorted(event.warnings)}


def _event_words(event: ExpectedEvent | None) -> str:
    if event is None:
        return _NOTHING
    if event.sent is not None:
        return f"sent as {event.sent.get('event')}, event ID {event.sent.get('event_id')}"
    return f"dropped, {event.dropped}"
