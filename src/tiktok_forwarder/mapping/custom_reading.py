"""Checks the custom mappings of a connection when it is saved: reports what a TikTok event cannot take."""

import math
from collections.abc import Mapping, Sequence
from typing import cast

from tiktok_forwarder.mapping.custom import (
    COMMERCE_FIELDS,
    EVENT_TYPES,
    PRODUCT_FIELDS,
    SOURCE_KINDS,
    Condition,
    CustomMapping,
    PropertySource,
    SourceKind,
)
from tiktok_forwarder.mapping.reading import Problems, shown
from tiktok_forwarder.mparticle.values import number_of, text_of
from tiktok_forwarder.tiktok.events import (
    CONTENT_PROPERTIES,
    EVENTS,
    INTEGER_PROPERTIES,
    NUMBER_PROPERTIES,
    TikTokEvent,
)
from tiktok_forwarder.tiktok.wire_form import WireForm

_KEYS = ("event", "event_type", "event_name", "custom_event_type", "conditions", "properties")


def read_custom_mappings(given: object, form: WireForm, problems: Problems) -> tuple[CustomMapping, ...]:
    if given is None:
        return ()
    if not isinstance(given, Sequence) or isinstance(given, str):
        problems.add("custom_mappings", f"must be a list of mappings, not {shown(given)}")
        return ()
    read = (_Reader(f"custom_mappings[{index}]", problems, form).mapping(item) for index, item in enumerate(given))
    return tuple(mapping for mapping in read if mapping is not None)


class _Reader:
    """Reads one mapping; `where` begins the key of every problem."""

    def __init__(self, where: str, problems: Problems, form: WireForm) -> None:
        self._where = where
        self._problems = problems
        self._form = form

    def _problem(self, key: str, message: str) -> None:
        self._problems.add(f"{self._where}.{key}", message)

    def mapping(self, given: object) -> CustomMapping | None:
        if not isinstance(given, Mapping):
            self._problems.add(self._where, f"must be a mapping with {', '.join(_KEYS)}, not {shown(given)}")
            return None
        self._problems.unknown_keys(given, _KEYS, f"{self._where}.")
        event = self._tiktok_event(given.get("event"))
        event_type = self._event_type(given.get("event_type"))
        event_name = text_of(given.get("event_name"))
        if event_name is None:
            self._problem("event_name", "is required: the event's or screen's name, or the product action")
        custom_event_type = text_of(given.get("custom_event_type"))
        if custom_event_type is not None and event_type not in (None, "custom_event"):
            self._problem("custom_event_type", f"must be used with event_type custom_event only, not with {event_type}")
        conditions = self._conditions(given.get("conditions"))
        properties = self._properties(given.get("properties"), event, event_type)
        if event is None or event_type is None or event_name is None:
            return None
        return CustomMapping(
            event=event.name,
            event_type=event_type,
            event_name=event_name,
            custom_event_type=custom_event_type,
            conditions=conditions,
            properties=properties,
        )

    def _tiktok_event(self, given: object) -> TikTokEvent | None:
        allowed = [event.name for event in self._form.known_events()]
        event = EVENTS.get(given) if isinstance(given, str) else None
        if event is not None and event.name in allowed:
            return event
        found = shown(given) if event is None else f"{event.name}, which Events API {self._form.name} does not have"
        self._problem("event", f"must be one of {', '.join(allowed)}, not {found}")
        return None

    def _event_type(self, given: object) -> str | None:
        text = (text_of(given) or "").lower()
        if text in EVENT_TYPES:
            return text
        self._problem("event_type", f"must be one of {', '.join(EVENT_TYPES)}, not {shown(given)}")
        return None

    def _conditions(self, given: object) -> tuple[Condition, ...]:
        if given is None:
            return ()
        if not isinstance(given, Sequence) or isinstance(given, str):
            self._problem("conditions", f"must be a list of {{attribute, values}}, not {shown(given)}")
            return ()
        read = (self._condition(f"conditions[{index}]", item) for index, item in enumerate(given))
        return tuple(condition for condition in read if condition is not None)

    def _condition(self, key: str, given: object) -> Condition | None:
        if not isinstance(given, Mapping):
            self._problem(key, f"must have attribute and values, not {shown(given)}")
            return None
        self._problems.unknown_keys(given, ("attribute", "values"), f"{self._where}.{key}.")
        attribute, values = given.get("attribute"), given.get("values")
        if not isinstance(attribute, str) or not attribute.strip():
            self._problem(f"{key}.attribute", f"must be the name of an attribute, not {shown(attribute)}")
            return None
        texts = [text_of(value) for value in values] if isinstance(values, list | tuple) else []
        if not texts or None in texts:
            self._problem(f"{key}.values", f"must be a list of texts, none of them empty, not {shown(values)}")
            return None
        return Condition(attribute, tuple(text for text in texts if text is not None))

    def _properties(
        self, given: object, event: TikTokEvent | None, event_type: str | None
    ) -> Mapping[str, PropertySource]:
        if given is None:
            return {}
        if not isinstance(given, Mapping):
            self._problem("properties", f"must name a source per property, not {shown(given)}")
            return {}
        if event is not None:
            self._unsupported(given, event)
        read = {str(name): self._source(str(name), item, event_type) for name, item in given.items()}
        return {name: source for name, source in read.items() if source is not None}

    def _unsupported(self, given: Mapping[object, object], event: TikTokEvent) -> None:
        allowed = (*event.properties, "description")
        for name in given:
            if name not in allowed:
                self._problem(
                    f"properties.{name}", f"is not a property of {event.name}, which has {', '.join(allowed)}"
                )

    def _source(self, name: str, given: object, event_type: str | None) -> PropertySource | None:
        key = f"properties.{name}"
        if not isinstance(given, Mapping):
            self._problem(key, f"must name one source of {', '.join(SOURCE_KINDS)}, not {shown(given)}")
            return None
        self._problems.unknown_keys(given, (*SOURCE_KINDS, "required"), f"{self._where}.{key}.")
        kinds = [kind for kind in SOURCE_KINDS if kind in given]
        required = given.get("required", False)
        if not isinstance(required, bool):
            self._problem(f"{key}.required", f"must be true or false, not {shown(required)}")
            required = False
        if len(kinds) != 1:
            self._problem(key, f"must have exactly one source of {', '.join(SOURCE_KINDS)}, not {len(kinds)}")
            return None
        source = PropertySource(kinds[0], cast("str", given[kinds[0]]), required)
        fits = (
            self._fits_static(key, name, source)
            if source.kind == "static"
            else self._fits(key, name, source, event_type)
        )
        return source if fits else None

    def _fits_static(self, key: str, name: str, source: PropertySource) -> bool:
        if name in NUMBER_PROPERTIES | INTEGER_PROPERTIES:
            number = number_of(source.value)
            if number is None or not math.isfinite(number):
                self._problem(f"{key}.static", f"must be a number, not {shown(source.value)}")
                return False
        elif text_of(source.value) is None:
            self._problem(f"{key}.static", f"must be text, a number, true or false, not {shown(source.value)}")
            return False
        return True

    def _fits(self, key: str, name: str, source: PropertySource, event_type: str | None) -> bool:
        kind, value = source.kind, source.value
        if not isinstance(value, str) or not value.strip():
            self._problem(f"{key}.{kind}", f"must be a name, not {shown(value)}")
            return False
        if source.is_of_product and name not in CONTENT_PROPERTIES:
            self._problem(f"{key}.{kind}", f"can only be used for {', '.join(CONTENT_PROPERTIES)}, not for {name}")
            return False
        if (source.is_of_product or (kind == "field" and value != "name")) and event_type not in (
            None,
            "commerce_event",
        ):
            self._problem(f"{key}.{kind}", f"can be {value} in commerce events only, not in a {event_type}")
            return False
        return self._is_known(key, kind, value)

    def _is_known(self, key: str, kind: SourceKind, value: str) -> bool:
        known = {"field": ("name", *COMMERCE_FIELDS), "product": PRODUCT_FIELDS}.get(kind)
        if known is not None and value not in known:
            self._problem(f"{key}.{kind}", f"must be one of {', '.join(known)}, not {shown(value)}")
            return False
        return True
