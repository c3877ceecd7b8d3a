"""The envelopes around stored event objects."""

import json

import pytest

from tiktok_forwarder.tiktok.request import build_group

EVENT_1_0 = (
    b'{"event":"AddToCart","event_id":"e1","timestamp":"2016-02-12T00:22:00.490Z","context":{"ip":"203.0.113.9"}}'
)
EVENT_2_0 = b'{"event":"AddToCart","event_time":1455236520,"event_id":"e1","user":{"ip":"203.0.113.9"}}'


def test_a_2_0_group_carries_the_stored_bytes_as_they_are() -> None:
    """Event objects are joined in order inside `data`, byte for byte."""
    path, body = build_group("2.0", "PIXEL", [EVENT_2_0, b'{"event":"x" , "n":1.50}'], None)
    assert path == "/open_api/v1.3/event/track/"
    assert body == (
        b'{"event_source":"web","event_source_id":"PIXEL","data":[' + EVENT_2_0 + b',{"event":"x" , "n":1.50}]}'
    )


def test_a_2_0_test_event_code_stands_at_the_root() -> None:
    """Test events go in groups like others."""
    _, body = build_group("2.0", "PIXEL", [EVENT_2_0, EVENT_2_0], "TEST123")
    assert json.loads(body) == {
        "event_source": "web",
        "event_source_id": "PIXEL",
        "test_event_code": "TEST123",
        "data": [json.loads(EVENT_2_0)] * 2,
    }


def test_a_1_0_group_marks_each_item_as_track() -> None:
    """Each item of a batch gets its `type`, and the pixel code stands at the root."""
    path, body = build_group("1.0", "PIXEL", [EVENT_1_0, EVENT_1_0], None)
    assert path == "/open_api/v1.3/pixel/batch/"
    item = {"type": "track", **json.loads(EVENT_1_0)}
    assert json.loads(body) == {"pixel_code": "PIXEL", "batch": [item, item]}
    assert EVENT_1_0[1:] in body


def test_a_1_0_test_event_goes_alone() -> None:
    """With a test event code a 1.0 event is the root of its own request, without `type`."""
    path, body = build_group("1.0", "PIXEL", [EVENT_1_0], "TEST123")
    assert path == "/open_api/v1.3/pixel/track/"
    assert json.loads(body) == {"pixel_code": "PIXEL", "test_event_code": "TEST123", **json.loads(EVENT_1_0)}


def test_a_1_0_test_request_refuses_several_events() -> None:
    """Several test events in one 1.0 request would be lost silently, so it is an error of the caller."""
    with pytest.raises(ValueError, match="unpack"):
        build_group("1.0", "PIXEL", [EVENT_1_0, EVENT_1_0], "TEST123")


def test_settings_cannot_break_out_of_the_envelope() -> None:
    """Quotes in a pixel id or test code are escaped."""
    _, body = build_group("2.0", 'P"x', [EVENT_2_0], 'T"\\')
    assert json.loads(body)["event_source_id"] == 'P"x'
    assert json.loads(body)["test_event_code"] == 'T"\\'
