"""The trials: requests that show how TikTok answers valid test events and deliberate faults.

A trial says what is sent, and nothing about the answer: what to expect is the sandbox's to say.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Struct

from tiktok_forwarder.tiktok.payload import Content, Page, Properties, encode
from tiktok_forwarder.tiktok.wire_form import Visitor, WireForm

TrialToken = Literal["valid", "wrong", "empty"]
Change = Callable[[dict[str, Any]], object]
"""Changes an event, or the envelope of a request, in place."""

_DAY_MS: Final = 86_400_000
_VIEW: Final = "ViewContent"
_TIMES: Final = ("event_time", "timestamp")
_PIXELS: Final = ("event_source_id", "pixel_code")
_PHONES: Final = ("phone", "phone_number")
_CLICK_IDS: Final = ("ttclid", "callback")


class Trial(Struct, frozen=True, kw_only=True):
    """One request. `about` says what is special about it.

    Without changes it is valid. `change_event` changes the last of its events, before they are put in an envelope.
    `events` are names at TikTok; those that a version of the Events API does not have are left out, and with them the
    trial. `repeats` is the trial whose event IDs it sends again.
    """

    name: str
    about: str
    events: tuple[str, ...] = (_VIEW,)
    count: int = 1
    change_event: Change | None = None
    change_envelope: Change | None = None
    token: TrialToken = "valid"  # noqa: S105  # which token, not the token
    age_ms: int = 0
    repeats: str = ""

    @property
    def needs_lists(self) -> bool:
        """Return whether the request holds several events, which not every version takes with a test event code."""
        return self.count * len(self.events) > 1


class Run(NamedTuple):
    """One run of the trials. Its ID makes its event IDs different from those of every other run."""

    id: str
    pixel_id: str
    test_event_code: str
    now_ms: int


def trials_of(form: WireForm) -> Mapping[str, Trial]:
    """Return the trials of a version of the Events API by name, in the order of sending."""
    return {trial.name: trial for trial in _TRIALS if _fits(trial, form)}


def build_request(trial: Trial, form: WireForm, run: Run) -> tuple[str, bytes]:
    """Return path and body."""
    names = trial.events * trial.count
    prefix, at_ms = f"prove-{run.id}-{trial.repeats or trial.name}", run.now_ms - trial.age_ms
    events = [_event(form, name, f"{prefix}-{place}", at_ms) for place, name in enumerate(names, 1)]
    if trial.change_event is not None:
        trial.change_event(events[-1])
    path, body = form.build_request(run.pixel_id, [encode(event) for event in events], run.test_event_code)
    if trial.change_envelope is not None:
        envelope = msgspec.json.decode(body)
        trial.change_envelope(envelope)
        body = encode(envelope)
    return path, body


def _fits(trial: Trial, form: WireForm) -> bool:
    if trial.needs_lists and form.max_test_events == 1:
        return False
    return all(form.event_named(name) is not None for name in trial.events)


# --- invented events -------------------------------------------------------------------------------------------------


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _event(form: WireForm, name: str, event_id: str, at_ms: int) -> dict[str, Any]:
    """Return a valid event with all that the mapping can send, as JSON."""
    visitor = Visitor(
        email=_hash("visitor@example.com"),
        phone=_hash("+14155550100"),
        external_id=_hash("customer-1"),
        ttp="invented-cookie-of-a-trial",
        ip="203.0.113.1",
        user_agent="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
    )
    page = Page("https://shop.example.com/trial", "https://example.com/")
    click_id = "E.C.P.invented-click-id"
    event = form.build_event(name, at_ms, event_id, visitor, click_id, page, _properties(form, name))
    plain: dict[str, Any] = msgspec.json.decode(encode(event))
    return plain


def _properties(form: WireForm, name: str) -> Properties:
    found = form.event_named(name)
    properties = Properties(currency="USD", value=58.5, description="an invented event of a trial")
    if name == "Search":
        setattr(properties, form.search_property, "socks")
    if found is not None and found.has_contents:
        content_type = "product" if form.has_content_type_in_items else None
        properties.contents = [
            Content(8.5, 1, "trial-1", "Apparel", "Socks", "Example", content_type),
            Content(25, 2, "trial-2", "Apparel", "Shirt", "Example", content_type),
        ]
        properties.content_type = "product"
        if form.has_content_ids_and_number:
            properties.content_ids, properties.num_items = ["trial-1", "trial-2"], 3
        if form.has_order_id:
            properties.order_id = "trial-order-1"
    return properties


# --- deliberate faults -----------------------------------------------------------------------------------------------


def _holder_of(value: Any, names: tuple[str, ...]) -> tuple[dict[str, Any], str] | None:
    """Return the first object that has a member of one of these names: versions name and nest members differently."""
    if isinstance(value, dict):
        for name in names:
            if name in value:
                return value, name
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for each in inner if (found := _holder_of(each, names)) is not None), None)


def _put(value: Any, *names: str) -> Change:
    def change(holder: dict[str, Any]) -> None:
        found, name = _member_of(holder, names)
        found[name] = value

    return change


def _remove(*names: str) -> Change:
    def change(holder: dict[str, Any]) -> None:
        found, name = _member_of(holder, names)
        del found[name]

    return change


def _member_of(holder: dict[str, Any], names: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    found = _holder_of(holder, names)
    if found is None:
        raise LookupError(f"an event of a trial has none of {', '.join(names)}")
    return found


def _add(name: str, value: Any) -> Change:
    def change(holder: dict[str, Any]) -> None:
        holder[name] = value

    return change


def _forget(event: dict[str, Any]) -> None:
    """Remove everything that could match the event to a person."""
    for names in (("email",), _PHONES, ("external_id",), ("ttp",), _CLICK_IDS):
        _remove(*names)(event)


_COMMERCE: Final = ("AddToCart", "AddToWishlist", "InitiateCheckout")
_PURCHASE: Final = "CompletePayment"

_TRIALS: Final = (
    Trial(name="view", about="A product view with all properties."),
    Trial(name="cart", about="An addition to the cart.", events=("AddToCart",)),
    Trial(name="checkout", about="The begin of a checkout.", events=("InitiateCheckout",)),
    Trial(name="purchase", about="A purchase of two products.", events=(_PURCHASE,)),
    Trial(name="order", about="An order, the hosted output's name for a purchase.", events=("PlaceAnOrder",)),
    Trial(name="search", about="A search.", events=("Search",)),
    Trial(name="own-name", about="An event name of one's own.", events=("trial-event",)),
    Trial(name="group", about="Three events of different names in one request.", events=_COMMERCE),
    Trial(
        name="repeat",
        about="The purchase again, with the same event ID.",
        events=(_PURCHASE,),
        repeats="purchase",
    ),
    Trial(name="without-event-id", about="No event ID.", change_event=_remove("event_id")),
    Trial(name="without-identities", about="No identity of the visitor.", change_event=_forget),
    Trial(name="without-page", about="No page URL.", change_event=_remove("url")),
    Trial(name="relative-page", about="A page URL without a scheme.", change_event=_put("/trial", "url")),
    Trial(name="old", about="An event of 40 days ago.", age_ms=40 * _DAY_MS),
    Trial(name="future", about="An event of tomorrow.", age_ms=-_DAY_MS),
    Trial(name="time-as-text", about="A time that is not one.", change_event=_put("tomorrow", *_TIMES)),
    Trial(name="number-as-event-id", about="An event ID that is a number.", change_event=_put(7, "event_id")),
    Trial(name="empty-event-name", about="An empty event name.", change_event=_put("", "event")),
    Trial(
        name="unhashed-email",
        about="An email address that is not hashed.",
        change_event=_put("visitor@example.com", "email"),
    ),
    Trial(
        name="unhashed-phone",
        about="A phone number that is not hashed.",
        change_event=_put("+14155550100", *_PHONES),
    ),
    Trial(name="number-as-product", about="A product ID that is a number.", change_event=_put(7, "content_id")),
    Trial(name="value-as-text", about="A value that is text.", change_event=_put("58.50", "value")),
    Trial(name="half-quantity", about="A quantity of one and a half.", change_event=_put(1.5, "quantity")),
    Trial(name="malformed-currency", about="A currency that is no code.", change_event=_put("dollars", "currency")),
    Trial(name="long-click-id", about="A click ID of 1,001 characters.", change_event=_put("x" * 1001, *_CLICK_IDS)),
    Trial(
        name="long-text", about="A description of 20,000 characters.", change_event=_put("x" * 20_000, "description")
    ),
    Trial(name="unknown-member", about="A member that TikTok does not know.", change_event=_add("unknown", "x")),
    Trial(
        name="third-of-three",
        about="Three events, of which the third has a number as event ID.",
        count=3,
        change_event=_put(7, "event_id"),
    ),
    Trial(name="too-many-events", about="1,001 events in one request.", count=1001),
    Trial(name="without-pixel", about="No Pixel ID.", change_envelope=_remove(*_PIXELS)),
    Trial(
        name="unknown-pixel", about="A Pixel ID that does not exist.", change_envelope=_put("NO-SUCH-PIXEL", *_PIXELS)
    ),
    Trial(name="wrong-token", about="A wrong access token.", token="wrong"),  # noqa: S106
    Trial(name="empty-token", about="An empty access token.", token="empty"),  # noqa: S106
)
