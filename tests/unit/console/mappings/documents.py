"""Custom mappings as the API gives them, drawn from all that a connection may hold."""

from typing import Any

from hypothesis import strategies as st

from tiktok_forwarder.console.mappings.choices import kinds_of, members_of
from tiktok_forwarder.console.mappings.draft import properties_of
from tiktok_forwarder.mapping.connection import Connection, connection_document, read_connection
from tiktok_forwarder.mapping.custom import EVENT_TYPES, ConditionDocument, MappingDocument
from tiktok_forwarder.tiktok.events import EVENTS, INTEGER_PROPERTIES, NUMBER_PROPERTIES

Document = MappingDocument
NAMES = st.text(min_size=1, max_size=12).filter(lambda text: text.strip() != "")
NUMBERS = st.one_of(st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False))
SHOP = {"name": "Shop", "pixel_id": "P"}


def connection_of(*mappings: Document, **settings: Any) -> Connection:
    """A connection with these mappings. Raises `ConfigurationError`."""
    given = {**SHOP, **settings, "custom_mappings": list(mappings)}
    return read_connection(given, needs_token=False).connection


def settings_of(*mappings: Document, **settings: Any) -> dict[str, Any]:
    """A connection's settings as the API shows them. Raises `ConfigurationError`."""
    return connection_document(connection_of(*mappings, **settings))


def stored(document: Document) -> Document:
    """The mapping as the API shows it once it is saved."""
    mappings: Any = settings_of(document)["custom_mappings"]
    found: Document = mappings[0]
    return found


@st.composite
def sources(draw: st.DrawFn, event_type: str, name: str) -> dict[str, Any]:
    kind = draw(st.sampled_from([each.value for each in kinds_of(event_type, name, is_filled=True)[1:]]))
    members = members_of(event_type, kind)
    value: Any = draw(NAMES)
    if members is not None:
        value = draw(st.sampled_from([each.value for each in members]))
    elif kind == "static" and name in NUMBER_PROPERTIES | INTEGER_PROPERTIES:
        value = draw(NUMBERS)
    elif kind == "static":
        value = draw(st.one_of(NAMES, NUMBERS, st.booleans()))
    return {kind: value, **({"required": True} if draw(st.booleans()) else {})}


CONDITIONS: st.SearchStrategy[ConditionDocument] = st.builds(
    ConditionDocument, attribute=NAMES, values=st.lists(NAMES, min_size=1, max_size=3)
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A valid mapping, as the API shows it."""
    event = draw(st.sampled_from(sorted(EVENTS)))
    event_type = draw(st.sampled_from(EVENT_TYPES))
    named = draw(st.sets(st.sampled_from(properties_of(event))))
    document: Document = {"event": event, "event_type": event_type, "event_name": draw(NAMES)}
    if event_type == "custom_event" and draw(st.booleans()):
        document["custom_event_type"] = draw(NAMES)
    if draw(st.booleans()):
        document["conditions"] = draw(st.lists(CONDITIONS, min_size=1, max_size=3))
    document["properties"] = {name: draw(sources(event_type, name)) for name in sorted(named)}
    return stored(document)
