"""Custom mappings as the API gives them, drawn from all that a connection may hold."""

from typing import Any

from hypothesis import strategies as st

from tiktok_forwarder.console.conditions import ABSENT, SUBJECT_CHOICES, allowed_tests, names_of
from tiktok_forwarder.console.mappings.choices import is_number, kinds_of, members_of
from tiktok_forwarder.console.mappings.target import TargetEvent
from tiktok_forwarder.mapping.conditions import BARE_SUBJECTS, EXISTS, NUMBER_TESTS
from tiktok_forwarder.mapping.connection import Connection, connection_document, read_connection
from tiktok_forwarder.mapping.custom import EVENT_TYPES, MappingDocument
from tiktok_forwarder.mapping.sources import PRODUCT_SOURCES
from tiktok_forwarder.tiktok.events import EVENTS
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS

Document = MappingDocument
NAMES = st.text(min_size=1, max_size=12).filter(lambda text: text.strip() != "")
NUMBERS = st.one_of(st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False))
SHOP = {"name": "Shop", "pixel_id": "P"}


def connection_of(*mappings: Document, **settings: Any) -> Connection:
    """A connection with these mappings. Raises `ConfigurationError`."""
    given = {**SHOP, **settings, "custom_mappings": list(mappings)}
    return read_connection(given, needs_token=False).connection


def target_of(event: str, events_api: str = "2.0") -> TargetEvent:
    """The TikTok event of this name in a version of the Events API."""
    form = WIRE_FORMS[events_api]
    found = form.event_named(event)
    assert found is not None
    return TargetEvent(found, form)


def settings_of(*mappings: Document, **settings: Any) -> dict[str, Any]:
    """A connection's settings as the API shows them. Raises `ConfigurationError`."""
    return connection_document(connection_of(*mappings, **settings))


def stored(document: Document) -> Document:
    """The mapping as the API shows it once it is saved."""
    mappings: Any = settings_of(document)["custom_mappings"]
    found: Document = mappings[0]
    return found


@st.composite
def single_sources(draw: st.DrawFn, event_type: str, name: str, kinds: list[str]) -> dict[str, Any]:
    kind = draw(st.sampled_from(kinds))
    members = members_of(event_type, kind)
    value: Any = draw(NAMES)
    if members is not None:
        value = draw(st.sampled_from([each.value for each in members]))
    elif kind == "static" and is_number(name):
        value = draw(NUMBERS)
    elif kind == "static":
        value = draw(st.one_of(NAMES, NUMBERS, st.booleans()))
    return {kind: value}


@st.composite
def sources(draw: st.DrawFn, event_type: str, name: str) -> dict[str, Any]:
    kinds = [each.value for each in kinds_of(event_type, name)]
    required = {"required": True} if draw(st.booleans()) else {}
    if not draw(st.booleans()):
        return {**draw(single_sources(event_type, name, kinds)), **required}
    of_product = draw(st.booleans()) and not PRODUCT_SOURCES.isdisjoint(kinds)
    kinds = [kind for kind in kinds if (kind in PRODUCT_SOURCES) == of_product]
    several = draw(st.lists(single_sources(event_type, name, kinds), min_size=2, max_size=5))
    return {"first": several, **required}


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    subject = draw(st.sampled_from(SUBJECT_CHOICES)).value
    test = draw(st.sampled_from(allowed_tests(subject))).value
    names = names_of(subject)
    named: Any = True
    if subject not in BARE_SUBJECTS:
        named = draw(NAMES) if names is None else draw(st.sampled_from([each.value for each in names]))
    if test in (EXISTS, ABSENT):
        return {subject: named, EXISTS: test == EXISTS}
    expected = draw(NUMBERS) if test in NUMBER_TESTS else draw(st.lists(NAMES, min_size=1, max_size=3))
    return {subject: named, test: expected}


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A valid mapping, as the API shows it."""
    event = draw(st.sampled_from([*sorted(EVENTS), "Quiz_Done"]))
    event_type = draw(st.sampled_from(EVENT_TYPES))
    named = draw(st.sets(st.sampled_from(target_of(event).properties), max_size=6))
    document: Document = {"event": event, "event_type": event_type, "event_name": draw(NAMES)}
    if event_type == "custom_event" and draw(st.booleans()):
        document["custom_event_type"] = draw(NAMES)
    if draw(st.booleans()):
        document["conditions"] = draw(st.lists(conditions(), min_size=1, max_size=3))
    document["properties"] = {name: draw(sources(event_type, name)) for name in sorted(named)}
    return stored(document)
