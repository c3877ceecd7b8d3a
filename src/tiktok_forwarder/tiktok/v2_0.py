"""Events API 2.0: one endpoint for all sources, events in `data`."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from tiktok_forwarder.tiktok.payload import Page, Properties
from tiktok_forwarder.tiktok.wire_form import Visitor, WireForm, envelope_opening

_PATH: Final = "/open_api/v1.3/event/track/"
_EVENTS: Final = frozenset(
    """
    AddPaymentInfo AddToCart AddToWishlist ApplicationApproval ClickButton CompletePayment CompleteRegistration Contact
    CustomizeProduct Download FindLocation InitiateCheckout Lead PlaceAnOrder Purchase Schedule Search StartTrial
    SubmitApplication SubmitForm Subscribe ViewContent
    """.split()  # noqa: SIM905  # names, as TikTok's page lists them
)


class User(Struct, omit_defaults=True, gc=False):
    """Email, phone, external ID, names and zip code are digests; nothing else is hashed."""

    ttclid: str | None = None
    ttp: str | None = None
    email: str | list[str] | None = None
    phone: str | list[str] | None = None
    external_id: str | list[str] | None = None
    ip: str | None = None
    user_agent: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    zip_code: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None


class Event(Struct, omit_defaults=True, gc=False):
    """An item of `data`. `event_time` is in whole seconds. Members are written in this order."""

    event: str
    event_time: int
    event_id: str
    user: User | None = None
    page: Page | None = None
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
    user = visitor.users[ttclid] if ttclid in visitor.users else _user(visitor, ttclid)
    return Event(name, timestamp_ms // 1000, event_id, user, page, properties, visitor.limited_data_use)


def _user(visitor: Visitor, ttclid: str | None) -> User | None:
    """Return the user object, or None if it would be empty."""
    user = User(ttclid, visitor.ttp, visitor.email, visitor.phone, visitor.external_id, visitor.ip, visitor.user_agent)
    for field, text in visitor.matching.items():
        setattr(user, field, text)
    visitor.users[ttclid] = found = user if user != _NOBODY else None
    return found


def _request(pixel_id: str, payloads: Sequence[bytes], test_event_code: str | None) -> tuple[str, bytes]:
    envelope = {"event_source": "web", "event_source_id": pixel_id}
    if test_event_code is not None:
        envelope["test_event_code"] = test_event_code
    return _PATH, b"".join((envelope_opening(envelope), b',"data":[', b",".join(payloads), b"]}"))


V2_0: Final = WireForm(
    name="2.0",
    summary="TikTok's current version",
    max_events=1000,
    max_test_events=1000,
    events=_EVENTS,
    match_keys={
        "email": "email",
        "phone": "phone",
        "external_id": "external_id",
        "click_id": "ttclid",
        "ttp": "ttp",
    },
    time_format="seconds, rounded down",
    search_property="search_string",
    has_content_type_in_items=False,
    has_content_ids_and_number=True,
    has_order_id=True,
    is_open=True,
    incomplete_event=b'{"event":"ViewContent"}',
    build_event=_event,
    build_request=_request,
)
