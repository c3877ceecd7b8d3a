"""The parts of one version of TikTok's Events API: everything in which it may differ from another."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.outcome import WireFormName
from tiktok_forwarder.tiktok.events import ALL_PROPERTIES, DESCRIPTION, EVENTS, TikTokEvent, own_event
from tiktok_forwarder.tiktok.payload import Page, Properties

MatchKey = Literal["email", "phone", "external_id", "click_id", "ttp"]


class Visitor(Struct, gc=False):
    """The visitor whose events a batch contains. Email, phone and external ID are digests, or lists of them.

    `matching` are the fields of advanced matching. `users` are the objects that a wire form has made of the visitor, by
    click ID: a batch's events mostly share one.
    """

    email: str | list[str] | None = None
    phone: str | list[str] | None = None
    external_id: str | list[str] | None = None
    ttp: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    limited_data_use: bool | None = None
    matching: Mapping[str, str] = {}
    users: dict[str | None, Any] = {}


BuildEvent = Callable[[str, int, str, Visitor, str | None, Page, Properties | None], Struct]
"""Builds an event object: TikTok's event name, time in milliseconds, event ID, visitor, click ID, page, properties."""

BuildRequest = Callable[[str, Sequence[bytes], str | None], tuple[str, bytes]]
"""Path and body of a request, from a pixel ID, event objects and perhaps a test event code.

Each event object is JSON with at least one member. The stored bytes are joined in an envelope, not decoded or encoded.
"""


class WireForm(Struct, frozen=True, kw_only=True):
    """One version of the Events API. An event is mapped in it, and stays in it until it is delivered.

    `max_events` is how many events a request may hold, `max_test_events` the same with a test event code; `events` are
    the names it knows. `match_keys` are its names of what matches an event to a person. `summary` and `time_format` are
    for people. `incomplete_event` lacks what every event must have. `is_open`: every event takes every property,
    events may have names of one's own, and users several identities of a kind and fields of advanced matching.
    """

    name: WireFormName
    summary: str
    max_events: int
    max_test_events: int
    events: frozenset[str]
    match_keys: Mapping[MatchKey, str]
    time_format: str
    search_property: str
    has_content_type_in_items: bool
    has_content_ids_and_number: bool
    has_order_id: bool
    is_open: bool
    incomplete_event: bytes
    build_event: BuildEvent
    build_request: BuildRequest

    def known_events(self) -> list[TikTokEvent]:
        return [event for event in EVENTS.values() if event.name in self.events]

    def event_named(self, name: str) -> TikTokEvent | None:
        """Return the event of this name, which may be one's own; None if this version does not take it."""
        if name in EVENTS:
            return EVENTS[name] if name in self.events else None
        return own_event(name) if self.is_open else None

    def properties_of(self, event: TikTokEvent) -> tuple[str, ...]:
        """Return the properties that may be mapped for an event."""
        return (*(ALL_PROPERTIES if self.is_open else event.properties), DESCRIPTION)


def envelope_opening(envelope: Mapping[str, str]) -> bytes:
    """Return the envelope's JSON without its closing brace, for members to follow."""
    return msgspec.json.encode(envelope)[:-1]
