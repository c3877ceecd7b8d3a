"""What is known of an event that was not sent, as rows of its page."""

from typing import Final

from tiktok_forwarder.activity.records import ReceivedEvent
from tiktok_forwarder.console.mappings.choices import EVENT_NAME_LABELS, EVENT_TYPE_LABELS
from tiktok_forwarder.console.rendering import wire_label
from tiktok_forwarder.mparticle.identities import IDENTITY_TYPES

# Shown whether the event had them or not: connections send these unless their settings name others.
_USUAL_IDENTITIES: Final = ("email", "mobile_number", "customer_id")


def known_fields(event: ReceivedEvent) -> list[tuple[str, str]]:
    """Return labels and values: type, name, platform, and for each kind of identity whether the event had it."""
    kind = EVENT_TYPE_LABELS.get(event.event_type) or wire_label(event.event_type)
    rows = [("Type", kind)]
    if event.event_name:
        rows.append((EVENT_NAME_LABELS.get(event.event_type, "Event name"), event.event_name))
    rows.append(("Platform", event.platform or "not given"))
    identities = dict.fromkeys([*_USUAL_IDENTITIES, *event.identities])
    rows += [
        (f"Identity: {IDENTITY_TYPES.get(name, name)}", "yes" if name in event.identities else "no")
        for name in identities
    ]
    return rows
