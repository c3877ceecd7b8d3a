"""Parses bytes of any form that mParticle or its SDKs send (forms A to F) into batches, within bounds.

Forms A, B and C are a batch or a list of batches; D and E are mParticle's outputs, one batch per message or per line; F
is Firehose's request. They differ in looseness and in the shape of identities, which `Batch` keeps unchanged.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import UNSET, Struct

from tiktok_forwarder.domain.errors import UnreadableBody
from tiktok_forwarder.mparticle import careful, firehose
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.mparticle.nesting import are_many, is_deeper_than, may_be_deeper_than, opening_brackets

_ONE: Final = msgspec.json.Decoder(Batch)
_MANY: Final = msgspec.json.Decoder(list[Batch])
_BLANK: Final = b" \t\r\n"
# The content of the file by which mParticle checks that it may write to a bucket.
BUCKET_CHECK: Final = b"{}"


class Bounds(Struct, frozen=True):
    """The bounds of one body: bytes after decompression, levels of nesting, events in all its batches."""

    max_body_bytes: int = 1024 * 1024
    max_nesting: int = 200
    max_events: int = 10_000


def parse_body(body: bytes, bounds: Bounds) -> list[Batch]:
    """Return the batches of a body of form A, B, C, D or F, or of several lines of them (E).

    Raises `UnreadableBody` when a bound is exceeded or nothing can be read. An event or batch that is unreadable alone
    becomes None, or a batch with one event of None, and affects no other.
    """
    if len(body) > bounds.max_body_bytes:
        raise UnreadableBody(f"the body has {len(body)} bytes; the limit is {bounds.max_body_bytes}", too_large=True)
    levels = bounds.max_nesting
    brackets = opening_brackets(body, levels)
    batches = _decoded(body) if brackets <= levels else _decoded_within(body, brackets, levels)
    try:
        return _whole(body, batches, bounds.max_events)
    except UnreadableBody as error:
        if error.too_large:
            raise
        lines = [line for line in body.splitlines() if line.strip(_BLANK)]
        if len(lines) < 2:
            raise
    return list(_batches_of_lines(lines, bounds.max_events))


def _batches_of_lines(lines: list[bytes], max_events: int) -> Iterator[Batch]:
    _check_events(len(lines), max_events)
    events = 0
    for line in lines:
        batches = _whole(line, _decoded(line), max_events)
        events += _count(batches)
        _check_events(events, max_events)
        yield from batches


def _count(batches: list[Batch]) -> int:
    """Count events; a batch without any counts as one, since it costs as much."""
    return sum([len(batch.events) if batch.events else 1 for batch in batches])


def _check_events(events: int, max_events: int) -> None:
    if events > max_events:
        raise _too_many(max_events)


def _too_many(max_events: int) -> UnreadableBody:
    return UnreadableBody(f"the body contains more than {max_events} events", too_large=True)


def _decoded_within(body: bytes, brackets: int, levels: int) -> list[Batch] | None:
    """Return what `_decoded` does. Raises `UnreadableBody` if the body, which has so many brackets, nests deeper."""
    if are_many(brackets, body, levels):
        _check_nesting(body, levels)
        return _decoded(body)
    batches = _decoded(body)
    if batches is None or may_be_deeper_than(brackets, batches, levels):
        _check_nesting(body, levels)
    return batches


def _check_nesting(body: bytes, levels: int) -> None:
    if is_deeper_than(body, levels):
        raise UnreadableBody(f"the body is nested too deeply; the limit is {levels} levels")


def _decoded(body: bytes) -> list[Batch] | None:
    """Return the batches by the typed decoder, None if it refuses the body."""
    try:
        # Bytes before the bracket that are not white space (a byte order mark) are left to the slow reader.
        if body[:1] != b"{" and body.lstrip(_BLANK)[:1] == b"[":
            return _MANY.decode(body)
        return [_ONE.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _whole(body: bytes, batches: list[Batch] | None, max_events: int) -> list[Batch]:
    """Return the batches of one JSON text; `batches` are those that the typed decoder made of it."""
    if batches is None:
        return _carefully(body, max_events)
    events, are_batches = 0, True
    for batch in batches:
        events += len(batch.events) if batch.events else 1
        # What may be no batch at all; the typed decoder skips the members that tell.
        if batch.type is not None or batch.events is None or batch.msgs is not UNSET:
            are_batches = False
    if events > max_events:
        raise _too_many(max_events)
    return batches if are_batches else _carefully(body, max_events)


def _carefully(body: bytes, max_events: int) -> list[Batch]:
    if not body.strip(_BLANK):
        raise UnreadableBody("the body is empty")

    def check(value: object) -> None:
        # Making batches costs much more than counting what they are made of.
        _check_events(sum(map(_count_in, value)) if isinstance(value, list) else _count_in(value), max_events)

    value = careful.loads(body, check)
    if isinstance(value, dict):
        return [_batch(value)]
    if isinstance(value, list):
        return [_batch(item) for item in value]
    raise UnreadableBody(f"the body is {careful.kind_of(value)}, not a batch or a list of batches")


def _count_in(item: object) -> int:
    events = item.get("events") if isinstance(item, dict) else None
    return (len(events) or 1) if isinstance(events, list) else 1


def _batch(members: object) -> Batch:
    if isinstance(members, dict) and members.get("type") == firehose.REQUEST_TYPE:
        return careful.batch_of(firehose.batch_members(members))
    return careful.batch_of(members)


def parse_lines(body: bytes, bounds: Bounds) -> Iterator[Batch | UnreadableBody]:
    """Yield the batches of a file: one JSON text, or one per line. An unreadable line yields an error naming it.

    `max_body_bytes` and `max_events` are bounds of requests and do not apply to files.
    """
    whole = Bounds(max_body_bytes=len(body), max_nesting=bounds.max_nesting, max_events=len(body))
    if body.translate(None, _BLANK) == BUCKET_CHECK:
        return
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip(_BLANK)]
    if len(lines) > 1 and _readable(lines[0][1], whole) is None:
        # Not a line format: the first line alone is not JSON, as in a document that is printed over several lines.
        found = _readable(body, whole)
        if found is not None:
            yield from found
            return
    for number, line in lines or [(1, body)]:
        try:
            yield from parse_body(line, whole)
        except UnreadableBody as error:
            yield UnreadableBody(f"line {number}: {error}")


def _readable(body: bytes, bounds: Bounds) -> list[Batch] | None:
    try:
        return parse_body(body, bounds)
    except UnreadableBody:
        return None
