"""A received request: its envelope and its events, decoded once, with each event's original bytes."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from tiktok_sandbox.facts import Api

JsonObject = dict[str, Any]


class Endpoint(Struct, frozen=True):
    """One of TikTok's paths. `list_field` is None if the body itself is the only event."""

    path: str
    api: Api
    pixel_field: str
    list_field: str | None
    max_events: int


# TikTok states 1,000 for 2.0. For 1.0 no official sentence is known: 50 is the limit that partners use.
ENDPOINTS: Final = {
    endpoint.path: endpoint
    for endpoint in (
        Endpoint("/open_api/v1.3/pixel/track/", "1.0", "pixel_code", None, 1),
        Endpoint("/open_api/v1.3/pixel/batch/", "1.0", "pixel_code", "batch", 50),
        Endpoint("/open_api/v1.3/event/track/", "2.0", "event_source_id", "data", 1000),
    )
}


class Arrival(Struct, frozen=True):
    """A request as read. `envelope` is None if the body is not a JSON object; `payloads` are the events' own bytes."""

    endpoint: Endpoint
    body_bytes: int
    envelope: JsonObject | None = None
    events: Sequence[Any] = ()
    payloads: Sequence[bytes] = ()
    event_names: Sequence[str | None] = ()
    event_ids: Sequence[str | None] = ()

    def root_text(self, field: str) -> str | None:
        return text_of(self.envelope.get(field)) if self.envelope else None

    @property
    def pixel(self) -> str | None:
        return self.root_text(self.endpoint.pixel_field)


class _RawData(Struct):
    data: list[Raw] = []


class _RawBatch(Struct):
    batch: list[Raw] = []


_DECODER: Final = msgspec.json.Decoder()
_DATA_DECODER: Final = msgspec.json.Decoder(_RawData)
_BATCH_DECODER: Final = msgspec.json.Decoder(_RawBatch)


def read_arrival(endpoint: Endpoint, body: bytes) -> Arrival:
    """Read a request. Never raises: a body that is not a JSON object makes an arrival without an envelope."""
    try:
        envelope = _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError):
        envelope = None
    if type(envelope) is not dict:
        return Arrival(endpoint, len(body))
    events, payloads = _events_of(endpoint, envelope, body)
    return Arrival(
        endpoint,
        len(body),
        envelope,
        events,
        payloads,
        event_names=[text_of(event.get("event")) if type(event) is dict else None for event in events],
        event_ids=[text_of(event.get("event_id")) if type(event) is dict else None for event in events],
    )


def _events_of(endpoint: Endpoint, envelope: JsonObject, body: bytes) -> tuple[list[Any], list[bytes]]:
    if endpoint.list_field is None:
        return [envelope], [body]
    events = envelope.get(endpoint.list_field)
    if type(events) is not list:
        return [], []
    raws = _DATA_DECODER.decode(body).data if endpoint.api == "2.0" else _BATCH_DECODER.decode(body).batch
    return events, [bytes(raw) for raw in raws]


def text_of(value: object) -> str | None:
    """Return a value to show and compare: strings unchanged, numbers in digits, anything else as None."""
    if type(value) is str:
        return value
    return str(value) if type(value) is int or type(value) is float else None
