"""No text is worked on longer than its size deserves: every field that holds one, filled with its worst characters."""

import json
from collections.abc import Callable
from functools import partial
from time import process_time
from typing import TypeVar

import pytest

from tests.golden.cases import connection_of
from tests.unit.mapping.batches import RECEIVED_AT_MS, Members
from tests.unit.mapping.text_fields import A_KEY, Path, batch_paths, batch_with, curious_connection, text_paths
from tiktok_forwarder.activity.record_making import DroppedBatch, dropped_record
from tiktok_forwarder.activity.records import Record
from tiktok_forwarder.activity.seen_names import SeenNames
from tiktok_forwarder.domain.outcome import Dropped
from tiktok_forwarder.intake.accept import DroppedEvent
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mapping.redaction.memory import forget_texts
from tiktok_forwarder.mparticle.parse import Bounds, parse_body
from tiktok_forwarder.store.nodes import OnlyNode

_Result = TypeVar("_Result")
PIECES = ("%40", "a@a.1", ",")
MORE_PIECES = (
    *(
        "@",
        "a@b.cc ",
        "%25",
        "%2540a.b",
        "%F0%9F",
        "%e",
        "&",
        "&#64;",
        "&#0",
        "&amp;ttclid=",
        "&ttclid=",
        "=",
        "/",
        "?",
        "#",
    ),
    *(
        "\u200b",
        "a\u200b",
        "a\u0300\u0316",
        "\u0130",
        "+",
        "1 ",
        "(0)",
        ";for=",
        "[",
        "]",
        "{",
        "_",
        "0-",
        "9",
        "1:",
        ".",
    ),
    *(' "', '"', "'", "<>", "mailto:", "://@", "https://", "\n", " ", "\\"),
)
TEXT_BYTES = 1_000_000
# In parts of the time that a text of letters in the same place takes.
MAX_RATIO = 100
MAPPERS = [Mapper(connection_of({})), Mapper(connection_of({"redact_emails": False})), Mapper(curious_connection())]


def _text(path: Path, piece: str) -> str:
    """A text that is not refused for how it begins."""
    begin = "https://shop.example.com/?" if path[-1] in ("TikTok.URL", "page_url", "TikTok.Referrer") else ""
    return begin + piece * (TEXT_BYTES // len(piece.encode()))


def _record_of(drop: DroppedEvent) -> Record:
    return dropped_record(drop, (), 0, DroppedBatch(drop.batch))


def _longest_stop(batch: Members) -> float:
    """The longest time for which one thing that is done with a request holds the loop, in seconds of this process."""
    body = json.dumps(batch, ensure_ascii=False).encode()
    stops: list[float] = []

    def stop(work: Callable[[], _Result]) -> _Result:
        begun = process_time()
        result = work()
        stops.append(process_time() - begun)
        return result

    parsed = stop(partial(parse_body, body, Bounds(max_body_bytes=4 * TEXT_BYTES)))
    for mapper in MAPPERS:
        forget_texts()
        for outcome in stop(partial(mapper.map_batch, parsed[0], RECEIVED_AT_MS)):
            if isinstance(outcome, Dropped):
                event = parsed[0].events[0] if parsed[0].events else None
                drop = DroppedEvent("c", outcome, event, parsed[0])
                stop(partial(_record_of, drop))
    forget_texts()
    stop(partial(SeenNames(OnlyNode()).on_request, "web", parsed, RECEIVED_AT_MS))
    forget_texts()
    return max(stops)


@pytest.mark.parametrize("piece", [*PIECES, *(pytest.param(each, marks=pytest.mark.slow) for each in MORE_PIECES)])
def test_worst_text_of_each_field_takes_little_longer_than_a_plain_one(piece: str) -> None:
    """A megabyte of it in one request does not keep the others waiting, whatever field it is in."""
    plain = min(_longest_stop(batch_with(("events", 0, "data", "event_name"), "x" * TEXT_BYTES)) for _ in range(5))
    for path in text_paths():
        batch = batch_with(path, _text(path, piece))
        # The least of several: others on this machine only add to it.
        assert any(_longest_stop(batch) < MAX_RATIO * plain for _ in range(8)), (path, piece, plain)


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["x", "%40", ",", "a@b.cc/"])
def test_text_that_the_events_of_a_batch_share_is_not_worked_on_for_each(piece: str) -> None:
    """A batch with 200 events and a long text takes no hundred times as long as with a short one."""

    def many(path: Path, text: str) -> Members:
        batch = batch_with(path, text)
        return {**batch, "events": batch["events"] * 200}

    for path in batch_paths():
        if path[-1] == A_KEY:
            continue
        short, long = many(path, piece), many(path, piece * (TEXT_BYTES // 2 // len(piece)))
        base = min(_longest_stop(short) for _ in range(2))
        assert any(_longest_stop(long) < 15 * base for _ in range(8)), (path, piece, base)
