"""Request bodies for TikTok: stored event objects joined inside an envelope, not decoded or encoded again."""

from collections.abc import Sequence
from typing import Final

import msgspec

from tiktok_forwarder.domain.outcome import WireForm

EVENT_TRACK_PATH: Final = "/open_api/v1.3/event/track/"
PIXEL_TRACK_PATH: Final = "/open_api/v1.3/pixel/track/"
PIXEL_BATCH_PATH: Final = "/open_api/v1.3/pixel/batch/"

# Items of a batch request say what they are; a request for one event does not.
_BATCH_ITEM_OPENING: Final = b'{"type":"track",'


def build_group(
    wire_form: WireForm, pixel_id: str, payloads: Sequence[bytes], test_event_code: str | None
) -> tuple[str, bytes]:
    """Path and body of the request that carries these event objects, each of them JSON with at least one member.

    1.0 has no place for a test event code in a batch: with one, `payloads` must hold a single event.
    """
    if wire_form == "2.0":
        return EVENT_TRACK_PATH, _event_track(pixel_id, payloads, test_event_code)
    if test_event_code is None:
        return PIXEL_BATCH_PATH, _pixel_batch(pixel_id, payloads)
    (payload,) = payloads
    return PIXEL_TRACK_PATH, _pixel_track(pixel_id, payload, test_event_code)


def _event_track(pixel_id: str, payloads: Sequence[bytes], test_event_code: str | None) -> bytes:
    envelope = {"event_source": "web", "event_source_id": pixel_id}
    if test_event_code is not None:
        envelope["test_event_code"] = test_event_code
    return b"".join((_opened(envelope), b',"data":[', b",".join(payloads), b"]}"))


def _pixel_batch(pixel_id: str, payloads: Sequence[bytes]) -> bytes:
    items = b",".join(_BATCH_ITEM_OPENING + payload[1:] for payload in payloads)
    return b"".join((_opened({"pixel_code": pixel_id}), b',"batch":[', items, b"]}"))


def _pixel_track(pixel_id: str, payload: bytes, test_event_code: str) -> bytes:
    return _opened({"pixel_code": pixel_id, "test_event_code": test_event_code}) + b"," + payload[1:]


def _opened(envelope: dict[str, str]) -> bytes:
    """The envelope's JSON without its closing brace, for members to follow."""
    return msgspec.json.encode(envelope)[:-1]
