"""Events API 1.0: events of one pixel, in a batch, or alone with a test event code."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from msgspec import Struct

from tiktok_forwarder.tiktok.payload import Page, Properties
from tiktok_forwarder.tiktok.wire_form import Visitor, WireForm, envelope_opening

_TRACK_PATH: Final = "/open_api/v1.3/pixel/track/"
_BATCH_PATH: Final = "/open_api/v1.3/pixel/batch/"
# Items of a batch request name their type; a request for one event does not.
_BATCH_ITEM_OPENING: Final = b'{"type":"track",'
_EVENTS: Final = frozenset(
    """
    AddPaymentInfo AddToCart AddToWishlist ClickButton CompletePayment CompleteRegistration Contact Download
    InitiateCheckout PlaceAnOrder Search SubmitForm Subscribe ViewContent
    """.split()  # noqa: SIM905  # names, as TikTok's page lists them
)


class Ad(Struct, omit_defaults=True, gc=False):
    callback: str


class User(Struct, omit_defaults=True, gc=False):
    """The visitor's identities: digests except for `ttp`."""

    external_id: str | list[str] | None = None
    phone_number: str | list[str] | None = None
    email: str | list[str] | None = None
    ttp: str | None = None


class Context(Struct, omit_defaults=True, gc=False):
    ad: Ad | None = None
    page: Page | None = None
    user: User | None = None
    ip: str | None = None
    user_agent: str | None = None


class Event(Struct, omit_defaults=True, gc=False):
    """An item of `batch`, without its `type`. `timestamp` is ISO 8601 in UTC with milliseconds.

    Members are written in this order.
    """

    event: str
    event_id: str
    timestamp: str
    context: Context | None = None
    properties: Properties | None = None
    limited_data_use: bool | None = None


_NOBODY: Final = User()


def _event(
    name: str,
    timestamp_ms: int,
    event_id: str,
    visitor: Visitor,
    ttclid: str | None,
    page: Page,
    properties: Properties | None,
) -> Event:
    ad = Ad(ttclid) if ttclid is not None else None
    context = Context(ad, page, _user(visitor), visitor.ip, visitor.user_agent)
    timestamp = f"{_second(timestamp_ms // 1000)}.{timestamp_ms % 1000:03d}Z"
    return Event(name, event_id, timestamp, context, properties, visitor.limited_data_use)


def _user(visitor: Visitor) -> User | None:
    """Return the user object, or None if it would be empty."""
    user = User(visitor.external_id, visitor.phone, visitor.email, visitor.ttp)
    return user if user != _NOBODY else None


@lru_cache(maxsize=4096)
def _second(unix_seconds: int) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _request(pixel_id: str, payloads: Sequence[bytes], test_event_code: str | None) -> tuple[str, bytes]:
    """Return path and body. A batch cannot contain a test event code: with one, `payloads` must hold a single event."""
    if test_event_code is None:
        items = b",".join(_BATCH_ITEM_OPENING + payload[1:] for payload in payloads)
        return _BATCH_PATH, b"".join((envelope_opening({"pixel_code": pixel_id}), b',"batch":[', items, b"]}"))
    (payload,) = payloads
    envelope = {"pixel_code": pixel_id, "test_event_code": test_event_code}
    return _TRACK_PATH, envelope_opening(envelope) + b"," + payload[1:]


V1_0: Final = WireForm(
    name="1.0",
    summary="the older version, which mParticle's hosted output uses",
    max_events=50,
    max_test_events=1,
    events=_EVENTS,
    match_keys={
        "email": "email",
        "phone": "phone_number",
        "external_id": "external_id",
        "click_id": "callback",
        "ttp": "ttp",
    },
    time_format="ISO 8601 in UTC",
    search_property="query",
    has_content_type_in_items=True,
    has_content_ids_and_number=False,
    has_order_id=False,
    is_open=False,
    incomplete_event=b'{"context":{}}',
    build_event=_event,
    build_request=_request,
)
