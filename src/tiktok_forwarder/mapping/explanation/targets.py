"""What the mappings of a connection make of an event, as far as its type and name tell."""

from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.custom import EVENT_TYPES
from tiktok_forwarder.mapping.event import standard_events
from tiktok_forwarder.mapping.redaction.emails import REDACTED


def targets_of(connection: Connection, event_type: str, event_name: str) -> list[str]:
    """Return the TikTok events that the connection sends for events of this type and name; empty if it sends none.

    Custom mappings may have conditions that some of the events do not meet.
    """
    lowered = event_name.lower()
    custom = [
        mapping.event
        for mapping in connection.custom_mappings
        if mapping.event_type == event_type and mapping.event_name.lower() == lowered
    ]
    if not custom and event_type == "commerce_event" and lowered in connection.standard_events:
        return [standard_events(connection)[lowered]]
    return list(dict.fromkeys(custom))


def can_be_mapped(event_type: str, event_name: str, max_name_length: int) -> bool:
    """Return whether a custom mapping can match such an event by its name, which was kept up to this length."""
    is_whole = REDACTED not in event_name and len(event_name) < max_name_length
    return event_type in EVENT_TYPES and bool(event_name) and is_whole
