"""Recently received names, as suggestions of a form."""

from collections.abc import Iterable, Sequence

from tiktok_forwarder.activity.seen_names import SeenEvent
from tiktok_forwarder.console.mappings.choices import COMMERCE, CUSTOM_EVENT_TYPES, PRODUCT_ACTIONS


class SeenNames:
    """Suggestions from the `events` of `/api/seen`."""

    def __init__(self, events: Sequence[SeenEvent]) -> None:
        self._events = events

    def names(self, event_type: str) -> list[str]:
        """Return names of events, screens or product actions; mParticle's own actions always."""
        seen = [each.event_name for each in self._events if each.event_type == event_type]
        return _distinct([*seen, *(PRODUCT_ACTIONS if event_type == COMMERCE else ())])

    def custom_event_types(self, event_name: str) -> list[str]:
        seen = [name for each in self._of("custom_event", event_name) for name in each.custom_event_types]
        return _distinct([*seen, *CUSTOM_EVENT_TYPES])

    def attributes(self, kind: str, event_type: str, event_name: str) -> list[str]:
        """Return names for a source of kind attribute, user_attribute or product_attribute."""
        return _distinct(name for each in self._of(event_type, event_name) for name in _attributes(each, kind))

    def attributes_of(self, event_type: str, event_name: str) -> list[str]:
        """Return the attributes of the events of this name only."""
        named = [
            each
            for each in self._events
            if (each.event_type, each.event_name.lower()) == (event_type, event_name.lower())
        ]
        return _distinct(name for each in named for name in each.attributes)

    def _of(self, event_type: str, event_name: str) -> list[SeenEvent]:
        """Return the events of this name, or all of the kind if there are none."""
        of_kind = [each for each in self._events if each.event_type == event_type]
        named = [each for each in of_kind if each.event_name.lower() == event_name.lower()]
        return named or of_kind


def _attributes(event: SeenEvent, kind: str) -> list[str]:
    kinds = {"attribute": event.attributes, "user_attribute": event.user_attributes}
    return kinds.get(kind, event.product_attributes)


def _distinct(names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name]
