"""Checks the sources of a connection when it is saved: for properties, and for what every outgoing event has."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from tiktok_forwarder.mapping.custom import PropertySource
from tiktok_forwarder.mapping.reading import Problems, shown
from tiktok_forwarder.mapping.sources import (
    COMMON_FIELDS,
    COMMON_SOURCES,
    DEFAULT_SOURCES,
    EVENT_FIELDS,
    NAME,
    PRODUCT_FIELDS,
    PROPERTY_SOURCES,
    CommonField,
    Source,
    SourceKind,
)
from tiktok_forwarder.mparticle.values import number_of, text_of
from tiktok_forwarder.tiktok.events import CONTENT_PROPERTIES, INTEGER_PROPERTIES, NUMBER_PROPERTIES

FIRST: Final = "first"
MAX_FIRST: Final = 5
MAX_SOURCES: Final = 10
_COMMERCE_ONLY: Final = "commerce_event"


def read_property_source(
    where: str, name: str, given: object, event_type: str | None, problems: Problems
) -> PropertySource | None:
    """Read a property's source. `where` begins the key of every problem."""
    kinds = ", ".join((*PROPERTY_SOURCES, FIRST))
    if not isinstance(given, Mapping):
        problems.add(where, f"must name one source of {kinds}, not {shown(given)}")
        return None
    problems.unknown_keys(given, (*PROPERTY_SOURCES, FIRST, "required"), f"{where}.")
    required = given.get("required", False)
    if not isinstance(required, bool):
        problems.add(f"{where}.required", f"must be true or false, not {shown(required)}")
        required = False
    found = [kind for kind in (*PROPERTY_SOURCES, FIRST) if kind in given]
    if len(found) != 1:
        problems.add(where, f"must have exactly one source of {kinds}, not {len(found)}")
        return None
    if found[0] != FIRST:
        source = _property_source(where, name, found[0], given[found[0]], event_type, problems)
        return PropertySource((source,), required) if source is not None else None
    sources = _first(f"{where}.{FIRST}", name, given[FIRST], event_type, problems)
    return PropertySource(sources, required) if sources is not None else None


def _first(
    where: str, name: str, given: object, event_type: str | None, problems: Problems
) -> tuple[Source, ...] | None:
    if not isinstance(given, Sequence) or isinstance(given, str) or not 2 <= len(given) <= MAX_FIRST:
        problems.add(where, f"must be a list of 2 to {MAX_FIRST} sources, not {shown(given)}")
        return None
    found: list[Source] = []
    for index, item in enumerate(given):
        kind = _only_kind(f"{where}[{index}]", item, PROPERTY_SOURCES, problems)
        source = _property_source(f"{where}[{index}]", name, kind, item[kind], event_type, problems) if kind else None
        if source is not None:
            found.append(source)
    if len(found) < len(given):
        return None
    if len({source.is_of_product for source in found}) > 1:
        problems.add(where, "must name sources of the event, or sources of the product, not both")
        return None
    return tuple(found)


def _only_kind(where: str, given: Any, kinds: Sequence[SourceKind], problems: Problems) -> SourceKind | None:
    """Return the kind of a source that is written with nothing else."""
    named = ", ".join(kinds)
    if not isinstance(given, Mapping):
        problems.add(where, f"must name one source of {named}, not {shown(given)}")
        return None
    problems.unknown_keys(given, kinds, f"{where}.")
    found = [kind for kind in kinds if kind in given]
    if len(found) != 1:
        problems.add(where, f"must have exactly one source of {named}, not {len(found)}")
        return None
    return found[0]


def _property_source(
    where: str, name: str, kind: str, value: object, event_type: str | None, problems: Problems
) -> Source | None:
    source = Source(cast("SourceKind", kind), cast("str", value))
    if kind == "static":
        return source if _fits_static(where, name, value, problems) else None
    if not _is_name(f"{where}.{kind}", value, problems):
        return None
    if source.is_of_product and name not in CONTENT_PROPERTIES:
        problems.add(f"{where}.{kind}", f"can only be used for {', '.join(CONTENT_PROPERTIES)}, not for {name}")
        return None
    of_commerce = source.is_of_product or (kind == "field" and value != NAME)
    if of_commerce and event_type not in (None, _COMMERCE_ONLY):
        problems.add(f"{where}.{kind}", f"can be {value} in commerce events only, not in a {event_type}")
        return None
    return source if _is_known(f"{where}.{kind}", source, EVENT_FIELDS, problems) else None


def _fits_static(where: str, name: str, value: object, problems: Problems) -> bool:
    if name in NUMBER_PROPERTIES | INTEGER_PROPERTIES:
        number = number_of(value)
        if number is None or not math.isfinite(number):
            problems.add(f"{where}.static", f"must be a number, not {shown(value)}")
            return False
    elif text_of(value) is None:
        problems.add(f"{where}.static", f"must be text, a number, true or false, not {shown(value)}")
        return False
    return True


def _is_name(where: str, value: object, problems: Problems) -> bool:
    if isinstance(value, str) and value.strip():
        return True
    problems.add(where, f"must be a name, not {shown(value)}")
    return False


def _is_known(where: str, source: Source, fields: Sequence[str], problems: Problems) -> bool:
    known = {"field": fields, "product": PRODUCT_FIELDS}.get(source.kind)
    if known is None or source.value in known:
        return True
    problems.add(where, f"must be one of {', '.join(known)}, not {shown(source.value)}")
    return False


# --- what every outgoing event has -----------------------------------------------------------------------------------


def read_sources(given: object, problems: Problems) -> dict[CommonField, tuple[Source, ...]]:
    """Read the table `sources`: a list of sources for each field that is named."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        problems.add("sources", f"must name a list of sources for some of {', '.join(DEFAULT_SOURCES)}")
        return {}
    problems.unknown_keys(given, DEFAULT_SOURCES, "sources.")
    found: dict[CommonField, tuple[Source, ...]] = {}
    for field in DEFAULT_SOURCES:
        if given.get(field) is not None:
            sources = _common_sources(f"sources.{field}", field, given[field], problems)
            if sources:
                found[field] = sources
    return found


def _common_sources(where: str, field: CommonField, given: object, problems: Problems) -> tuple[Source, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str) or not 1 <= len(given) <= MAX_SOURCES:
        problems.add(where, f"must be a list of 1 to {MAX_SOURCES} sources, not {shown(given)}")
        return ()
    found: list[Source] = []
    for index, item in enumerate(given):
        place = f"{where}[{index}]"
        kind = _only_kind(place, item, COMMON_SOURCES, problems)
        if kind is None or not _is_name(f"{place}.{kind}", item[kind], problems):
            continue
        source = Source(kind, item[kind])
        if kind == "url_parameter" and field == "page_url":
            problems.add(f"{place}.{kind}", "can be used for any field but page_url, which it would be a part of")
        elif _is_known(f"{place}.{kind}", source, COMMON_FIELDS, problems):
            found.append(source)
    return tuple(found)
