"""The wire forms: their event objects, the envelopes around them, and how much goes into one."""

import json
from itertools import chain

import pytest

from tests.unit.tiktok_sandbox.requests import DIGEST, NOW_SECONDS, judged
from tiktok_forwarder.tiktok.events import EVENTS
from tiktok_forwarder.tiktok.payload import Content, Page, Properties, encode
from tiktok_forwarder.tiktok.v1_0 import V1_0
from tiktok_forwarder.tiktok.v2_0 import V2_0
from tiktok_forwarder.tiktok.wire_form import Visitor, WireForm
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS
from tiktok_sandbox import SandboxOptions

STRICT = SandboxOptions(strict=True)

EVENT_1_0 = (
    b'{"event":"AddToCart","event_id":"e1","timestamp":"2016-02-12T00:22:00.490Z","context":{"ip":"203.0.113.9"}}'
)
EVENT_2_0 = b'{"event":"AddToCart","event_time":1455236520,"event_id":"e1","user":{"ip":"203.0.113.9"}}'


def test_a_2_0_group_carries_the_stored_bytes_as_they_are() -> None:
    """Event objects are joined in order inside `data`, byte for byte."""
    path, body = V2_0.build_request("PIXEL", [EVENT_2_0, b'{"event":"x" , "n":1.50}'], None)
    assert path == "/open_api/v1.3/event/track/"
    assert body == (
        b'{"event_source":"web","event_source_id":"PIXEL","data":[' + EVENT_2_0 + b',{"event":"x" , "n":1.50}]}'
    )


def test_a_2_0_test_event_code_stands_at_the_root() -> None:
    """Test events go in groups like others."""
    _, body = V2_0.build_request("PIXEL", [EVENT_2_0, EVENT_2_0], "TEST123")
    assert json.loads(body) == {
        "event_source": "web",
        "event_source_id": "PIXEL",
        "test_event_code": "TEST123",
        "data": [json.loads(EVENT_2_0)] * 2,
    }


def test_a_1_0_group_marks_each_item_as_track() -> None:
    """Each item of a batch gets its `type`, and the pixel code stands at the root."""
    path, body = V1_0.build_request("PIXEL", [EVENT_1_0, EVENT_1_0], None)
    assert path == "/open_api/v1.3/pixel/batch/"
    item = {"type": "track", **json.loads(EVENT_1_0)}
    assert json.loads(body) == {"pixel_code": "PIXEL", "batch": [item, item]}
    assert EVENT_1_0[1:] in body


def test_a_1_0_test_event_goes_alone() -> None:
    """With a test event code a 1.0 event is the root of its own request, without `type`."""
    path, body = V1_0.build_request("PIXEL", [EVENT_1_0], "TEST123")
    assert path == "/open_api/v1.3/pixel/track/"
    assert json.loads(body) == {"pixel_code": "PIXEL", "test_event_code": "TEST123", **json.loads(EVENT_1_0)}


def test_a_1_0_test_request_refuses_several_events() -> None:
    """Several test events in one 1.0 request would be lost silently, so it is an error of the caller."""
    with pytest.raises(ValueError, match="unpack"):
        V1_0.build_request("PIXEL", [EVENT_1_0, EVENT_1_0], "TEST123")


def test_settings_cannot_break_out_of_the_envelope() -> None:
    """Quotes in a pixel id or test code are escaped."""
    _, body = V2_0.build_request('P"x', [EVENT_2_0], 'T"\\')
    assert json.loads(body)["event_source_id"] == 'P"x'
    assert json.loads(body)["test_event_code"] == 'T"\\'


def event_of(form: WireForm, name: str = "ViewContent") -> bytes:
    """An event with every key that matches it to a person."""
    visitor = Visitor(DIGEST, DIGEST, DIGEST, "94e2a4j9-h3ss-k2h5", "203.0.113.9", "Mozilla/5.0")
    page = Page("https://shop.example.com/socks", None)
    properties = Properties([Content(8, 2, "1077218")], "USD", 16.0)
    when_ms = (NOW_SECONDS - 60) * 1000
    return encode(form.build_event(name, when_ms, "e-1", visitor, "E.C.P.v3fQ2RHacdksKfofPm", page, properties))


FORMS = pytest.mark.parametrize("form", WIRE_FORMS.values(), ids=WIRE_FORMS)


@FORMS
@pytest.mark.parametrize("test_event_code", [None, "TEST1"])
def test_wire_form_fills_a_request_as_far_as_tiktok_allows(form: WireForm, test_event_code: str | None) -> None:
    """The sandbox, which states TikTok's rules on its own, accepts the full request without a warning."""
    size = form.max_events if test_event_code is None else form.max_test_events
    path, body = form.build_request("PIXEL", [event_of(form)] * size, test_event_code)
    verdict = judged(path, body, STRICT)
    assert (verdict.code, [*chain(*verdict.warnings)], verdict.envelope_warnings) == (0, [], ())


@FORMS
def test_wire_form_allows_no_more_events_than_tiktok(form: WireForm) -> None:
    """One event more, and the sandbox refuses the request."""
    path, body = form.build_request("PIXEL", [event_of(form)] * (form.max_events + 1), None)
    assert judged(path, body).code == 40002


@FORMS
def test_wire_form_refuses_what_lacks_a_required_member(form: WireForm) -> None:
    """TikTok refuses the incomplete event, so that the check of a connection adds nothing to the pixel's data."""
    path, body = form.build_request("PIXEL", [form.incomplete_event], None)
    assert judged(path, body).code == 40002


@FORMS
def test_wire_form_names_its_match_keys_as_its_events_do(form: WireForm) -> None:
    """The figures find each key by this name in the event object."""
    assert [key for key, name in form.match_keys.items() if f'"{name}":"'.encode() not in event_of(form)] == []


@FORMS
def test_wire_form_knows_only_events_of_the_table(form: WireForm) -> None:
    """Custom mappings offer an event by its row, which says what it may carry."""
    assert form.events <= set(EVENTS)
    assert [event.name for event in form.known_events()] == [name for name in EVENTS if name in form.events]


def test_every_event_of_the_table_is_known_to_a_wire_form() -> None:
    """A row for an event that no version knows could not be mapped to."""
    assert frozenset().union(*(form.events for form in WIRE_FORMS.values())) == set(EVENTS)


def test_versions_know_the_events_of_tiktoks_pages() -> None:
    """2.0 has all of 1.0 and eight more."""
    assert V1_0.events < V2_0.events
    assert V2_0.events - V1_0.events == {
        *("Purchase", "StartTrial", "ApplicationApproval", "CustomizeProduct"),
        *("FindLocation", "Lead", "Schedule", "SubmitApplication"),
    }
