"""Checks the custom mappings of a connection when it is saved: reports what a TikTok event cannot take."""

from collections.abc import Mapping, Sequence

from tiktok_forwarder.mapping.condition_reading import read_conditions
from tiktok_forwarder.mapping.custom import EVENT_TYPES, CustomMapping, PropertySource
from tiktok_forwarder.mapping.reading import Problems, shown
from tiktok_forwarder.mapping.source_reading import read_property_source
from tiktok_forwarder.mparticle.values import text_of
from tiktok_forwarder.tiktok.events import EVENTS, MAX_OWN_NAME_LENGTH, TikTokEvent
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
        conditions = read_conditions(f"{self._where}.conditions", given.get("conditions"), self._problems)
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
        event = self._form.event_named(given) if isinstance(given, str) else None
        if event is not None:
            return event
        allowed = ", ".join(event.name for event in self._form.known_events())
        if self._form.is_open:
            allowed += (
                f" or a name of your own (a letter, then at most {MAX_OWN_NAME_LENGTH - 1} letters, digits, _ and -)"
            )
        known = f"{given}, which Events API {self._form.name} does not have"
        found = known if isinstance(given, str) and given in EVENTS else shown(given)
        self._problem("event", f"must be one of {allowed}, not {found}")
        return None

    def _event_type(self, given: object) -> str | None:
        text = (text_of(given) or "").lower()
        if text in EVENT_TYPES:
            return text
        self._problem("event_type", f"must be one of {', '.join(EVENT_TYPES)}, not {shown(given)}")
        return None

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
        read = {
            str(name): read_property_source(
                f"{self._where}.properties.{name}", str(name), item, event_type, self._problems
            )
            for name, item in given.items()
        }
        return {name: source for name, source in read.items() if source is not None}

    def _unsupported(self, given: Mapping[object, object], event: TikTokEvent) -> None:
        allowed = self._form.properties_of(event)
        for name in given:
            if name not in allowed:
                self._problem(
                    f"properties.{name}", f"is not a property of {event.name}, which has {', '.join(allowed)}"
                )
