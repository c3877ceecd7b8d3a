"""Explains for people where each field of a mapped event came from and what was done to it.

The mapping's rules note the sources that they chose; the table here has the transformation of each. If the sources of
an event are unknown, it names every place that a field may come from under the connection's settings.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping import places as at
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.custom import PropertySource
from tiktok_forwarder.mapping.custom_properties import PRODUCT_FIELD
from tiktok_forwarder.mapping.event import standard_events
from tiktok_forwarder.mapping.identity import MPID, IdentityKind, identity_types
from tiktok_forwarder.mapping.sources import CommonField, Source
from tiktok_forwarder.mapping.visitor import HASHED_ATTRIBUTES, MATCHING_ATTRIBUTES


class Explanation(Struct, frozen=True):
    """The origin of a field. `field` is a path in the payload.

    `sources` are paths in the batch, or `connection.…` for a setting. `transformation` describes what was done to the
    values of the sources.
    """

    field: str
    sources: tuple[str, ...]
    transformation: str


def explain(
    payload: bytes, connection: Connection, sources: FieldSources | None, event_index: int | None = None
) -> list[Explanation]:
    """Return one explanation for each field of an event that was mapped by these settings.

    `sources` are those that the mapping chose, None if they are unknown; `event_index` is the event's in its batch.
    """
    event = msgspec.json.decode(payload)
    if sources is not None and sources.get("custom_mapping", 0) > len(connection.custom_mappings):
        # After a restored backup, different settings may have a revision of the same number.
        sources = None
    numbers = _possible_mappings(event["event"], connection, sources)
    explainers = [_Explainer(event, connection, number, sources) for number in numbers]
    prefix = f"events[{event_index}]." if event_index is not None else ""
    return [
        _explanation(path, [place for explainer in explainers for place in explainer.places(path)], prefix)
        for path, _ in fields(event)
    ]


def omitted_fields(connection: Connection) -> list[Explanation]:
    """Return an explanation for each field that the connection never sends."""
    return [Explanation(name, ("connection.omit",), "omitted by setting") for name in connection.omit]


def fields(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield each field of a payload with its value, in order, by paths such as `properties.contents[0].price`."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from fields(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, member in enumerate(value):
            yield from fields(member, f"{path}[{index}]")
    else:
        yield path, value


# --- the table -------------------------------------------------------------------------------------------------------


class _Place(Struct, frozen=True):
    """A place that a field may come from: the paths that are read together, and what is done to their values."""

    paths: tuple[str, ...]
    transformation: str


_Places = dict[str, _Place]
"""The places of one field in the order in which the mapping tries them, by what it notes of its choice."""

_AS_IS: Final = "unchanged, not hashed"
_AS_TEXT: Final = "as text"
_HASHED: Final = "already hashed: lower case"
_AS_PROPERTY: Final[Mapping[str, str]] = {
    "price": "as a number",
    "value": "as a number",
    "quantity": "whole, at least 1",
    "currency": "upper case",
    "predicted_ltv": "as a number",
    "num_items": "whole, at least 1",
    "customer_type": "lower case",
    "content_ids": "as a list of texts, without repeats",
}
"""The transformation of a property that is not sent as text."""

_IDENTITY_SETTINGS: Final[Mapping[str, str]] = {
    "email": "email_identity_type",
    "phone": "phone_identity_type",
    "external_id": "external_identity_type",
}


def _each(transformation: str, *paths: str) -> _Places:
    return {path: _Place((path,), transformation) for path in paths}


def _together(transformation: str, *paths: str) -> _Places:
    return {paths[0]: _Place(paths, transformation)}


def _table(connection: Connection, number: int, event: str) -> dict[str, _Places]:
    """Return the places by field, for the custom mapping of this number; 0 is the standard mapping."""
    if number == 0:
        setting = ("connection.purchase_event",) if event == connection.purchase_event else ()
        standard = _together("standard mapping of the product action", at.ACTION_NAME, *setting)
        return {**_event_places(connection), **_commerce_places(connection), "event": standard}
    mapping = connection.custom_mappings[number - 1]
    path, name = f"connection.custom_mappings[{number - 1}]", at.NAMES[mapping.event_type]
    default = _default_currency(connection)
    filled = _commerce_places(connection) if mapping.event_type == "commerce_event" else {"currency": default}
    mapped = {key: _mapped(key, source, path, mapping.event_type) for key, source in mapping.properties.items()}
    if "currency" in mapped:
        mapped["currency"] |= default
    made = _together(f"custom mapping {number}", name, f"{path}.event")
    return {**_event_places(connection), **filled, **mapped, "event": made}


def _event_places(connection: Connection) -> dict[str, _Places]:
    time = connection.wire_form.time_format
    page = "unchanged, email addresses and identities redacted" if connection.redact_emails else "unchanged"
    made = "derived from what identifies the event, which has no ID: SHA-256, shortened"
    future = _Place((at.RECEIPT,), f"instead of a time in the future: {time}")
    return {
        "event_id": {**_common(connection, "event_id", _AS_TEXT), **_each(made, at.MADE_ID)},
        "event_time": {**_each(time, *at.EVENT_TIMES), at.RECEIPT_FOR_FUTURE: future},
        "url": _common(connection, "page_url", page),
        "referrer": _common(connection, "page_referrer", page),
        "ttclid": _common(connection, "ttclid", _AS_IS),
        "ttp": _common(connection, "ttp", _AS_IS),
        "ip": {**_common(connection, "ip", "one address, as written, not hashed"), **_each(_AS_IS, at.REQUESTS["ip"])},
        "user_agent": {**_common(connection, "user_agent", _AS_IS), **_each(_AS_IS, at.REQUESTS["user_agent"])},
        "email": _identity(connection, "email", "stripped, lower case, SHA-256"),
        "phone": _identity(connection, "phone", "E.164 with the plus, SHA-256"),
        "external_id": _identity(connection, "external_id", "stripped, SHA-256"),
        "limited_data_use": _limits(connection),
        "content_type": _each("the connection's setting", "connection.content_type"),
        **{
            field: _together(
                "white space removed, lower case, SHA-256"
                if field in HASHED_ATTRIBUTES
                else "letters and digits, lower case",
                f"user_attributes.{attribute}",
                "connection.advanced_matching",
            )
            for field, attribute in MATCHING_ATTRIBUTES.items()
        },
    }


def _common(connection: Connection, field: CommonField, transformation: str) -> _Places:
    """Return the places of what every event has, in the connection's order."""
    found: _Places = {}
    for source in connection.sources_of(field):
        name = str(source.value)
        if source.kind == "url_parameter":
            urls = [_path(each, at.ANY_TYPE) for each in connection.sources_of("page_url")]
            parameter = f"its parameter {name}, percent-decoded"
            for url in dict.fromkeys((*urls, at.MPARTICLES_URL)):
                found[at.parameter_path(url, name)] = _Place((url,), parameter)
        else:
            found.update(_each(transformation, _path(source, at.ANY_TYPE)))
    return found


def _path(source: Source, event_type: str) -> str:
    return at.path_of(source.kind, str(source.value), event_type)


def _limits(connection: Connection) -> _Places:
    opt_out = "consent_state.ccpa.data_sale_opt_out"
    found = _together("true because the user opted out of data sale", opt_out, "connection.ccpa_opt_out")
    for number, rule in enumerate(connection.forwarding_rules):
        if rule.action == "limit_data_use":
            found.update(_each(f"true because the rule {rule.name} holds", at.rule_path(number)))
    return found


def _commerce_places(connection: Connection) -> dict[str, _Places]:
    """Return the places of a commerce event's properties."""
    products = "the sum of the products, rounded to 4 decimals"
    for_zero = _Place((at.TOTAL, at.SUM, "connection.zero_total_is_missing"), f"{products}, instead of a total of 0")
    return {
        "currency": {**_each("upper case", *at.GIVEN_CURRENCIES), **_default_currency(connection)},
        "value": {
            **_each("as a number", at.TOTAL),
            **(_together(products, at.SUM, "connection.value_from_products") if connection.value_from_products else {}),
            **({at.SUM_FOR_ZERO: for_zero} if connection.zero_total_is_missing else {}),
        },
        "description": _each(_AS_TEXT, "data.custom_attributes.description"),
        "order_id": _each(_AS_TEXT, at.TRANSACTION_ID),
        **{name: _each(_done(name), at.path_of("product", field, "")) for name, field in PRODUCT_FIELD.items()},
    }


def _default_currency(connection: Connection) -> _Places:
    default = _each("the default, since the event has none", at.DEFAULT_CURRENCY)
    return default if connection.default_currency is not None else {}


def _identity(connection: Connection, kind: IdentityKind, transformation: str) -> _Places:
    settings = [_IDENTITY_SETTINGS[kind]]
    types = identity_types(connection, kind)
    if len(types) > 1:
        settings.append(f"extra_{settings[0]}s")
    paths = tuple(MPID if name == MPID else f"user_identities.{name}" for name in types)
    everything = (*paths, *(f"connection.{setting}" for setting in settings))
    return {paths[0]: _Place(everything, transformation), _HASHED: _Place(everything, _HASHED)}


def _mapped(name: str, source: PropertySource, mapping: str, event_type: str) -> _Places:
    """Return the places of a mapped property. `mapping` is a path."""
    transformation = f"{_done(name)}; custom mapping"
    found: _Places = {}
    for number, single in enumerate(source.sources):
        if single.kind == "static":
            first = f".first[{number}]" if len(source.sources) > 1 else ""
            found.update(_each(transformation, f"{mapping}.properties.{name}{first}.static"))
        elif single.kind == "field" and single.value == "currency_code":
            found.update(_each(transformation, *at.GIVEN_CURRENCIES))
        else:
            found.update(_each(transformation, _path(single, event_type)))
    return found


def _done(name: str) -> str:
    return _AS_PROPERTY.get(name, _AS_TEXT)


# --- one event -------------------------------------------------------------------------------------------------------

_OF_EVENT: Final = ("data.", "event_type")
_ITEM: Final = re.compile(r"properties\.contents\[([0-9]+)\]\.(?!content_type)")
_RULES: Final[Mapping[str, str]] = {
    "callback": "ttclid",
    "phone_number": "phone",
    "timestamp": "event_time",
    "search_string": "query",
}
"""The rule of a field whose name is another in 1.0 or 2.0."""

_OF_ITEMS: Final[Mapping[str, tuple[str, str]]] = {
    "content_ids": ("content_id", "the items' content_id, in order, without repeats"),
    "num_items": ("quantity", "the sum of the items' quantities"),
}
"""Fields that are made from a member of the items, and how."""


def _possible_mappings(event: str, connection: Connection, sources: FieldSources | None) -> list[int]:
    """Return the numbers of the custom mappings that made the event, or may have; 0 is the standard mapping."""
    if sources is not None:
        return [sources.get("custom_mapping", 0)]
    found = [number for number, mapping in enumerate(connection.custom_mappings, 1) if mapping.event == event]
    return [*found, 0] if event in standard_events(connection).values() or not found else found


def _explanation(path: str, places: Sequence[_Place], prefix: str) -> Explanation:
    """Return the explanation of the field at `path`. `prefix` is the event's path in its batch."""
    paths = dict.fromkeys(each for place in places for each in place.paths)
    transformation = dict.fromkeys(place.transformation for place in places)
    sources = tuple(f"{prefix}{each}" if each.startswith(_OF_EVENT) else each for each in paths)
    return Explanation(path, sources, "; or ".join(transformation))


class _Explainer:
    """Explains fields under one mapping that made the event or may have."""

    def __init__(self, event: Any, connection: Connection, number: int, sources: FieldSources | None) -> None:
        self._event = event
        self._sources = sources
        self._table = _table(connection, number, event["event"])
        letters = sources.get("items", "") if sources is not None else ""
        # Numbers of the products behind the items, if some became no item; otherwise the numbers are the same.
        self._products = [number for number, letter in enumerate(letters) if letter == "i"]

    def places(self, path: str) -> list[_Place]:
        """Return the places that the field was taken from; if unknown, all that it may have been taken from."""
        name = path.rpartition(".")[2]
        item = _ITEM.match(path)
        if item is not None:
            return self._item_places(name, int(item[1]))
        if name in _OF_ITEMS and name not in self._table:
            member, transformation = _OF_ITEMS[name]
            items = [number for number, each in enumerate(self._event["properties"]["contents"]) if member in each]
            return [
                _Place(place.paths, transformation) for number in items for place in self._item_places(member, number)
            ]
        return self._taken(_RULES.get(name, name), 0)

    def _item_places(self, name: str, item: int) -> list[_Place]:
        places = self._taken(name, item)
        if self._sources is None:
            return places
        product = f"[{self._products[item] if self._products else item}]"
        return [
            _Place(tuple(path.replace(at.ANY, product) for path in each.paths), each.transformation) for each in places
        ]

    def _taken(self, name: str, item: int) -> list[_Place]:
        places = self._table.get(name, {})
        if self._sources is None or not places:
            return list(places.values())
        place = _chosen(name, item, places, self._sources)
        return [
            _Place(tuple(path for each in place.paths for path in _exact(each, self._sources)), place.transformation)
        ]


def _chosen(name: str, item: int, places: _Places, sources: FieldSources) -> _Place:
    first = next(iter(places))
    if name in _IDENTITY_SETTINGS:
        transformation = places[_HASHED if name in sources.get("hashed", ()) else first].transformation
        noted = sources.get(name, first)
        return _Place(tuple(noted) if isinstance(noted, list) else (str(noted),), transformation)
    chosen = sources.get("first", {}).get(name)
    if chosen is not None:
        return list(places.values())[chosen[item]]
    given = sources.get("given_currency", first)
    found = str(sources.get(name, given if given in places else first))
    return places.get(found) or _Place((found,), places[first].transformation)


def _exact(path: str, sources: FieldSources) -> Sequence[str]:
    """Return the paths behind a place that is described in words."""
    if path == at.MADE_ID:
        return sources.get("made_from", ())
    if path == at.SUM:
        amounts = [(number, at.AMOUNTS.get(letter, ())) for number, letter in enumerate(sources.get("summed", ""))]
        return [f"{at.PRODUCTS}[{number}].{member}" for number, members in amounts for member in members]
    return (path,)
