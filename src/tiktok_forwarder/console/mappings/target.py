"""The TikTok event that mappings are edited for, and what its version of the Events API lets them send."""

from typing import Final

from msgspec import Struct

from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.tiktok.events import DESCRIPTION, EVENTS, MAX_OWN_NAME_LENGTH, TikTokEvent
from tiktok_forwarder.tiktok.wire_form import WireForm

OWN_NAME_RULE: Final = (
    f"1 to {MAX_OWN_NAME_LENGTH} letters (A to Z), digits, underscores and hyphens, beginning with a letter, but no "
    f"name that TikTok reserves"
)
_STANDARD_NAMES: Final = {name.lower(): name for name in EVENTS}


class TargetEvent(Struct, frozen=True):
    event: TikTokEvent
    form: WireForm

    @property
    def name(self) -> str:
        return self.event.name

    @property
    def properties(self) -> tuple[str, ...]:
        """Return all properties that a mapping may send, in the order of the form: first those shown without asking."""
        allowed = self.form.properties_of(self.event)
        first = self.first_properties
        return (*first, *(name for name in allowed if name not in first))

    @property
    def first_properties(self) -> tuple[str, ...]:
        """Return the properties that TikTok's table gives the event, and the description."""
        return (*self.event.properties, DESCRIPTION)


def target_named(name: str, connection: Connection) -> TargetEvent | None:
    """Return the event of this name; None if the connection's version of the Events API does not take it."""
    event = connection.wire_form.event_named(name)
    return TargetEvent(event, connection.wire_form) if event is not None else None


def target_meant(name: str, connection: Connection) -> TargetEvent | None:
    """Return the event of a typed name: a standard event in any letters' case, or one with a name of one's own."""
    return target_named(_STANDARD_NAMES.get(name.lower(), name), connection)
