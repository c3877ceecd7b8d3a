"""The event ID and the time of an event."""

from collections.abc import Sequence
from hashlib import sha256

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.candidates import candidates
from tiktok_forwarder.mapping.places import (
    ACTION_NAME,
    BATCH_TIME,
    EVENT_NAME,
    EVENT_TIME,
    MADE_ID,
    RECEIPT,
    SCREEN_NAME,
    TRANSACTION_ID,
)
from tiktok_forwarder.mapping.redaction.emails import holds_address
from tiktok_forwarder.mapping.sources import Occurrence, Source
from tiktok_forwarder.mapping.texts import MAX_CHARACTERS, TEXT_CUT, seen_text
from tiktok_forwarder.mparticle.values import MAX_RAW_CHARACTERS, is_dummy, is_milliseconds, text_of, time_of


def event_id_of(
    given: Sequence[Source], occurrence: Occurrence, mpid: str | None, warnings: list[str], sources: FieldSources
) -> str:
    """Return the first usable ID; if there is none, one that is made so that a repeat gets it too."""
    for candidate in candidates(given, occurrence):
        event_id = seen_text(candidate.text)
        if not event_id:
            continue
        if len(event_id) <= MAX_RAW_CHARACTERS and is_dummy(event_id):
            warnings.append("dummy_event_id")
        elif len(event_id) > MAX_CHARACTERS:
            warnings.append(TEXT_CUT)
        else:
            candidate.note("event_id", given, sources)
            if holds_address(event_id):
                warnings.append("personal_data_in_event_id")
            return event_id
    sources["event_id"] = MADE_ID
    return _made_event_id(occurrence, mpid, sources)


def _made_event_id(occurrence: Occurrence, mpid: str | None, sources: FieldSources) -> str:
    data = occurrence.data
    action = occurrence.product_action
    names = (
        (ACTION_NAME, (text_of(action.action) or "").lower() if action is not None else None),
        (EVENT_NAME, text_of(data.event_name)),
        (SCREEN_NAME, text_of(data.screen_name)),
    )
    time: FieldSources = {}
    timestamp_ms = timestamp_ms_of(occurrence, [], time)
    parts = (
        ("mpid", mpid),
        ("event_type", occurrence.event_type),
        next((name for name in names if name[1]), names[0]),
        (time.get("event_time", EVENT_TIME), str(timestamp_ms) if timestamp_ms is not None else None),
        (TRANSACTION_ID, text_of(action.transaction_id) if action is not None else None),
    )
    sources["made_from"] = [path for path, part in parts if part]
    text = "\n".join(part or "" for _, part in parts)
    return f"tf-{sha256(text.encode()).hexdigest()[:32]}"


def timestamp_ms_of(occurrence: Occurrence, warnings: list[str], sources: FieldSources) -> int | None:
    """Return the first of `EVENT_TIMES` that is present; None if that is the time of receipt."""
    given = occurrence.data.timestamp_unixtime_ms
    if type(given) is int and is_milliseconds(given):
        return given
    if given is not None:
        milliseconds, warning = time_of(given)
        if warning is not None:
            warnings.append(warning)
        if milliseconds is not None:
            return milliseconds
    milliseconds, warning = time_of(occurrence.batch.timestamp_unixtime_ms)
    if warning is not None:
        warnings.append(warning)
    sources["event_time"] = BATCH_TIME if milliseconds is not None else RECEIPT
    return milliseconds
