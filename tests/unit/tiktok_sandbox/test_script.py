"""Scripts: whose turn it is, what is used up, and what a step says of the events."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from tests.unit.tiktok_sandbox.requests import (
    EVENT_TRACK,
    NOW_SECONDS,
    PIXEL_BATCH,
    PIXEL_TRACK,
    event_1_0,
    event_2_0,
    event_track,
    pixel_batch,
    pixel_track,
)
from tiktok_sandbox import Code, Http, Pass, Reset, ScriptUnusable, Silence
from tiktok_sandbox.arrival import ENDPOINTS, read_arrival
from tiktok_sandbox.judge import Head, Judge
from tiktok_sandbox.options import SandboxOptions
from tiktok_sandbox.script import Script, ScriptDocument
from tiktok_sandbox.verdict import Verdict


class Scripted:
    """A script and the judge that follows it, without HTTP."""

    def __init__(self) -> None:
        self.script = Script()
        self._judge = Judge(SandboxOptions(), None, self.script)

    def send(self, path: str, body: dict[str, Any]) -> Verdict:
        arrival = read_arrival(ENDPOINTS[path], json.dumps(body).encode())
        head = Head("token", "application/json", NOW_SECONDS)
        return self._judge.judge(arrival, head, self.script.take_for_request())

    def send_events(self, *event_ids: str, pixel: str = "P") -> Verdict:
        return self.send(EVENT_TRACK, event_track(*[event_2_0(event_id=each) for each in event_ids], pixel=pixel))

    def codes(self, *requests: Sequence[str]) -> list[int | None]:
        return [self.send_events(*event_ids).code for event_ids in requests]


def test_steps_for_requests_are_used_up_in_order() -> None:
    """Three answers, the first of them twice, then TikTok's own judgement."""
    scripted = Scripted()
    scripted.script.for_requests(Code(code=50000, times=2), Code(code=40100))
    assert scripted.codes("a", "b", "c", "d") == [50000, 50000, 40100, 0]


def test_a_step_without_times_lasts_for_ever() -> None:
    """Until the script is cleared."""
    scripted = Scripted()
    scripted.script.for_requests(Code(code=60001, times=None))
    assert scripted.codes("a", "b", "c") == [60001, 60001, 60001]
    scripted.script.clear()
    assert scripted.codes("a") == [0]


def test_steps_for_a_pixel_leave_other_pixels_alone() -> None:
    """One pixel's trouble is not the other's."""
    scripted = Scripted()
    scripted.script.for_pixel("P", Code(code=40132))
    assert scripted.send_events("a", pixel="Q").code == 0
    assert scripted.send_events("a", pixel="P").code == 40132
    assert scripted.send_events("a", pixel="P").code == 0


def test_steps_for_an_event_follow_it_from_request_to_request() -> None:
    """Whatever else is in the request."""
    scripted = Scripted()
    scripted.script.for_event("b", Code(code=50000), Code(code=40700))
    assert scripted.codes(["a"], ["a", "b"], ["c"], ["b"], ["b"]) == [0, 50000, 0, 40700, 0]


def test_requests_come_before_events_and_these_before_pixels() -> None:
    """A `Pass` hands on to the next kind."""
    scripted = Scripted()
    scripted.script.for_requests(Code(code=1), Pass())
    scripted.script.for_event("a", Code(code=2), Pass())
    scripted.script.for_pixel("P", Code(code=3), Code(code=4))
    assert scripted.codes("a", "a", "a", "a", "a") == [1, 2, 3, 4, 0]


def test_trouble_goes_before_success_among_the_events_of_a_request() -> None:
    """Only the step that decides is used up; when all succeed, one of each is."""
    scripted = Scripted()
    scripted.script.for_event("a", Code(code=0), Code(code=50002))
    scripted.script.for_event("b", Code(code=50000), Code(code=40002), Pass())
    assert scripted.codes("ab", "ab", "ab", "ab") == [50000, 40002, 0, 50002]
    assert scripted.script.remaining() == ScriptDocument()


def test_the_message_names_the_index_of_the_scripted_event() -> None:
    """`{i}` becomes its place in the request, which the answer then names."""
    scripted = Scripted()
    scripted.script.for_event(
        "b", Code(code=40002, message="Invalid value for data. {i} .event_id: not a valid string.")
    )
    verdict = scripted.send_events("a", "b")
    assert verdict.message == "Invalid value for data. 1 .event_id: not a valid string."
    assert verdict.bad_index == 1


def test_known_codes_speak_tiktoks_words() -> None:
    """Unless the script has its own."""
    scripted = Scripted()
    scripted.script.for_requests(Code(code=40001), Code(code=49999), Code(code=40100, message="slow down"))
    messages = [scripted.send_events("a").message for _ in range(3)]
    assert messages[0].startswith("No permission to operate pixel code: P. ")
    assert messages[1:] == ["Error 49999", "slow down"]


def test_a_partial_success_leaves_out_the_events_it_names() -> None:
    """Those in `failed_events` are not taken; an event's own script names itself there."""
    scripted = Scripted()
    scripted.script.for_requests(Code(code=20001, data={"failed_events": [{"order_in_batch": 0, "error": "no"}]}))
    scripted.script.for_event("b", Code(code=20001, message="bad"))
    assert scripted.send(PIXEL_BATCH, pixel_batch(event_1_0(event_id="a"), event_1_0(event_id="x"))).failed == {0}
    verdict = scripted.send(PIXEL_BATCH, pixel_batch(event_1_0(event_id="a"), event_1_0(event_id="b")))
    assert isinstance(verdict.step, Code)
    assert verdict.step.data == {"partial_failure": True, "failed_events": [{"order_in_batch": 1, "error": "bad"}]}
    assert verdict.failed == {1}


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (EVENT_TRACK, event_track(event_2_0(), event_2_0(event_id="x")), "Invalid value for data.1.event_id"),
        (PIXEL_BATCH, pixel_batch(event_1_0(), event_1_0(event_id="x")), "Batch.1.properties.contents.0.content_id"),
        (PIXEL_TRACK, pixel_track(event_1_0(event_id="x")), "Invalid value for event_id"),
    ],
)
def test_a_poisonous_event_refuses_every_request_that_holds_it(path: str, body: dict[str, Any], message: str) -> None:
    """In the words of each path, as often as it is sent."""
    scripted = Scripted()
    scripted.script.poison("x")
    for _ in range(3):
        verdict = scripted.send(path, body)
        assert verdict.code == 40002
        assert verdict.message.startswith(message)
    assert scripted.codes("ab") == [0]


def test_a_poisonous_event_may_stay_unnamed() -> None:
    """Then the sender has to find it by division."""
    scripted = Scripted()
    scripted.script.poison("x", names_index=False)
    scripted.script.poison("y", message="Invalid value for data. {i} .event: no.")
    unnamed, named = scripted.send_events("a", "x"), scripted.send_events("a", "y")
    assert (unnamed.code, unnamed.message, unnamed.bad_index) == (40002, "Parameter error", None)
    assert (named.message, named.bad_index) == ("Invalid value for data. 1 .event: no.", 1)


def test_delays_of_passing_steps_add_up() -> None:
    """A request's and an event's."""
    scripted = Scripted()
    scripted.script.for_requests(Pass(delay_seconds=1.0))
    scripted.script.for_event("a", Pass(delay_seconds=2.0))
    verdict = scripted.send_events("a")
    assert (verdict.code, verdict.delay_seconds) == (0, 3.0)


def test_a_reset_before_the_body_is_for_requests_only() -> None:
    """Events and pixels are not known before the body is read, and nothing of such a script is kept."""
    script = Script()
    with pytest.raises(ScriptUnusable):
        script.for_event("a", Reset(when="before_body"))
    with pytest.raises(ScriptUnusable):
        script.add(ScriptDocument(requests=[Pass()], pixels={"P": [Reset(when="before_body")]}))
    assert script.remaining() == ScriptDocument()
    script.for_requests(Reset(when="before_body"))


def test_what_remains_can_be_read_back() -> None:
    """A script as JSON says the same when it is taken out again, less what was used up."""
    document = msgspec.json.decode(
        b"""{"requests": [{"do": "code", "code": 50000, "times": 2}], "pixels": {"P": [{"do": "silence"}]},
        "events": {"a": [{"do": "http", "status": 502, "body": "<html>"}]}, "poison": {"x": {"names_index": false}}}""",
        type=ScriptDocument,
    )
    scripted = Scripted()
    scripted.script.add(document)
    assert scripted.codes("a") == [50000]
    assert scripted.script.remaining() == ScriptDocument(
        requests=[Code(code=50000)],
        pixels={"P": [Silence()]},
        events={"a": [Http(status=502, body="<html>")]},
        poison=document.poison,
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"request": []}',
        '{"requests": [{"do": "explode"}]}',
        '{"requests": [{"do": "code"}]}',
        '{"requests": [{"do": "pass", "times": 0}]}',
        '{"requests": [{"do": "pass", "delay_seconds": -1}]}',
        '{"requests": [{"do": "http", "body_base64": "?"}]}',
        '{"requests": [{"do": "silence", "for_seconds": 3}]}',
    ],
)
def test_a_script_with_a_mistake_is_refused(text: str) -> None:
    """A misspelt script would otherwise pass in silence."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=ScriptDocument)
