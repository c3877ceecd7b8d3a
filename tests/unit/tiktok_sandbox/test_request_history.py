"""What the sandbox remembers and counts: duplicates, bounds, sums."""

import json
from typing import Any

import pytest

from tests.unit.tiktok_sandbox.requests import (
    EVENT_TRACK,
    NOW_SECONDS,
    PIXEL_BATCH,
    event_1_0,
    event_2_0,
    event_track,
    pixel_batch,
)
from tiktok_sandbox.arrival import ENDPOINTS, read_arrival
from tiktok_sandbox.judge import Head
from tiktok_sandbox.options import SandboxOptions
from tiktok_sandbox.records import EventCounts, EventFilter, ReceivedEvent
from tiktok_sandbox.request_history import RequestHistory
from tiktok_sandbox.steps import AnswerStep, Code, Http, Silence
from tiktok_sandbox.verdict import Verdict

HOUR = 3600
OK = Code(code=0)


class Desk:
    """A book, and the shortest way of entering events into it."""

    def __init__(self, **options: Any) -> None:
        self.book = RequestHistory(SandboxOptions(**options))

    def enter(
        self, *event_ids: str | None, step: AnswerStep = OK, later: float = 0.0, pixel: str = "P", **verdict: Any
    ) -> list[ReceivedEvent]:
        body = event_track(*[event_2_0(event_id=each) for each in event_ids], pixel=pixel)
        return self.enter_body(EVENT_TRACK, body, Verdict(step=step, **verdict), later)

    def enter_body(self, path: str, body: Any, verdict: Verdict, later: float = 0.0) -> list[ReceivedEvent]:
        arrival = read_arrival(ENDPOINTS[path], json.dumps(body).encode())
        head = Head("secret-token", "application/json", NOW_SECONDS + later)
        return self.book.enter(arrival, head, verdict, verdict.status(by_code=False))

    def kept_ids(self) -> list[str | None]:
        return [event.event_id for event in self.book.events(EventFilter())]


def test_a_repeated_event_is_a_duplicate_for_48_hours() -> None:
    """Counted from the first time that it was taken, however often it came since."""
    desk = Desk()
    flags = [desk.enter("a", later=later)[0].duplicate for later in (0, HOUR, 47.9 * HOUR, 48 * HOUR, 49 * HOUR)]
    assert flags == [False, True, True, False, True]


def test_pixel_name_and_id_make_the_key() -> None:
    """The id alone makes no duplicate, nor another name in letter case; both APIs share the key."""
    desk = Desk()
    desk.enter("a")
    assert not desk.enter("a", pixel="Q")[0].duplicate
    other_name = event_track(event_2_0(event_id="a", event="purchase"), pixel="P")
    assert not desk.enter_body(EVENT_TRACK, other_name, Verdict(step=OK))[0].duplicate
    same = pixel_batch(event_1_0(event_id="a", event="Purchase"), pixel="P")
    assert desk.enter_body(PIXEL_BATCH, same, Verdict(step=OK))[0].duplicate


def test_events_without_an_id_are_never_duplicates() -> None:
    """TikTok has nothing to compare them by among events of the API."""
    assert not any(event.duplicate for event in Desk().enter(None, None, ""))


def test_one_request_may_hold_a_duplicate() -> None:
    """The second of two alike is flagged."""
    assert [event.duplicate for event in Desk().enter("a", "b", "a")] == [False, False, True]


@pytest.mark.parametrize("step", [Code(code=50000), Code(code=40002), Http(status=502)])
def test_what_was_refused_is_no_duplicate_later(step: AnswerStep) -> None:
    """TikTok had not taken it."""
    desk = Desk()
    desk.enter("a", step=step)
    assert not desk.enter("a")[0].duplicate


@pytest.mark.parametrize("step", [Silence(), Http(status=502, taken=True)])
def test_what_was_taken_without_an_answer_is_a_duplicate_later_and_delivered_once(step: AnswerStep) -> None:
    """The lost answer: TikTok has the event, and its sender cannot know."""
    desk = Desk()
    assert desk.enter("a", step=step)[0].code is None
    assert desk.book.counts().delivered == 0
    assert desk.enter("a")[0].duplicate
    desk.enter("a")
    counts = desk.book.counts()
    assert (counts.events, counts.delivered, counts.duplicates, counts.unanswered) == (3, 1, 2, 1)


def test_a_partial_success_leaves_the_failed_events_out() -> None:
    """They count as refused, and may come again."""
    desk = Desk()
    desk.enter("a", "b", step=Code(code=20001), failed=frozenset({1}))
    assert [event.duplicate for event in desk.enter("a", "b")] == [True, False]
    assert desk.book.counts().refused == 1


def test_counts_add_up_by_code_and_pixel() -> None:
    """Requests by code, events by what became of them, in all and for each pixel."""
    desk = Desk()
    desk.enter("a", "b")
    desk.enter("a", pixel="Q")
    desk.enter("c", "d", step=Code(code=40100))
    desk.enter("e", step=Silence(taken=False))
    counts = desk.book.counts()
    assert counts.requests_by_code == {"0": 2, "40100": 1, "none": 1}
    assert (counts.requests, counts.events, counts.delivered) == (4, 6, 3)
    assert counts.by_pixel == {
        "P": EventCounts(events=5, delivered=2, refused=2, unanswered=1),
        "Q": EventCounts(events=1, delivered=1),
    }


def test_pixels_beyond_a_thousand_are_counted_together() -> None:
    """A sender that makes pixel codes up cannot fill the memory."""
    desk = Desk()
    for number in range(1005):
        desk.enter("a", pixel=f"P{number}")
    by_pixel = desk.book.counts().by_pixel
    assert len(by_pixel) == 1001
    assert by_pixel["(other)"].events == 5


def test_only_the_newest_events_and_requests_are_kept() -> None:
    """In number and in bytes, while the counts go on."""
    desk = Desk(keep_events=3, keep_requests=2)
    for event_id in "abcde":
        desk.enter(event_id)
    assert desk.kept_ids() == ["c", "d", "e"]
    assert [request.number for request in desk.book.requests()] == [4, 5]
    assert desk.book.counts().events == 5
    size = len(json.dumps(event_2_0(event_id="a")))
    small = Desk(keep_payload_bytes=2 * size + 10)
    for event_id in "abcde":
        small.enter(event_id)
    assert small.kept_ids() == ["d", "e"]


def test_the_memory_of_duplicates_is_bounded() -> None:
    """The oldest are forgotten first, and at least half the limit is remembered."""
    desk = Desk(remember_event_ids=100)
    for number in range(1000):
        desk.enter(str(number))
    assert [desk.enter(str(number))[0].duplicate for number in (0, 500, 950, 999)] == [False, False, True, True]


def test_events_are_found_by_each_filter() -> None:
    """Newest of those that match, in order of arrival."""
    desk = Desk()
    desk.enter("a", "b")
    desk.enter("a", pixel="Q")
    desk.enter("a", "c")
    found = desk.book.events

    def numbers(which: EventFilter, limit: int | None = None) -> list[int]:
        return [event.number for event in found(which, limit)]

    assert numbers(EventFilter(event_source_id="Q")) == [3]
    assert numbers(EventFilter(event_id="a")) == [1, 3, 4]
    assert numbers(EventFilter(event_id="a"), 2) == [3, 4]
    assert numbers(EventFilter(event="Search")) == []
    assert numbers(EventFilter(duplicate=True)) == [4]
    assert numbers(EventFilter(duplicate=False, event="Purchase")) == [1, 2, 3, 5]


def test_the_access_token_is_not_kept() -> None:
    """A fingerprint tells two tokens apart, and no more."""
    desk = Desk()
    desk.enter("a")
    (request,) = desk.book.requests()
    assert request.token is not None
    assert request.token.startswith("sha256:")
    assert "secret-token" not in repr(request) + repr(desk.book.events(EventFilter()))


def test_payloads_are_the_bytes_that_came() -> None:
    """Not decoded and written anew: 46.00 stays 46.00."""
    desk = Desk()
    body = b'{"event_source":"web","event_source_id":"P","data":[ {"event":"X","event_time":1,"n":46.00} ]}'
    arrival = read_arrival(ENDPOINTS[EVENT_TRACK], body)
    (event,) = desk.book.enter(arrival, Head("t", "application/json", 1.0), Verdict(step=OK), 200)
    assert event.payload == b'{"event":"X","event_time":1,"n":46.00}'


def test_forgetting_forgets_duplicates_too() -> None:
    """After it, everything is new, but numbers go on."""
    desk = Desk()
    desk.enter("a")
    desk.book.note_faults(["something"])
    desk.book.clear()
    assert (desk.kept_ids(), desk.book.requests(), desk.book.faults()) == ([], [], [])
    (event,) = desk.enter("a")
    assert (event.duplicate, event.number) == (False, 2)
    assert desk.book.counts().events == 1
