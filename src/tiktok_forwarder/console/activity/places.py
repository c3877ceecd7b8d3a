"""Paths of the activity's pages."""

from typing import Final

from tiktok_forwarder.api.activity import NO_NAME, RecordView
from tiktok_forwarder.console.rendering import part

# Browsers resolve these as steps in the path, even when they are percent-encoded.
_STEPS: Final = (".", "..")


def way_path(connection: str, event: str, event_id: str) -> str:
    return f"{part(connection)}/{part(event or NO_NAME)}/{part(event_id)}"


def page_of(record: RecordView) -> str:
    """Return the path of the record's event page, or of the record's own page if it has no event ID."""
    event_id = record.event_id
    if not event_id or event_id in _STEPS:
        return f"/activity/record/{record.record_no}"
    return f"/activity/{way_path(record.connection_id, record.event, event_id)}"
