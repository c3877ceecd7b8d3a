"""Checks a request as TikTok does: the envelope, then each event; the first fault refuses the whole request."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from tiktok_sandbox.arrival import Arrival, Endpoint, JsonObject
from tiktok_sandbox.concerns import CONCERNS
from tiktok_sandbox.event_view import EventView
from tiktok_sandbox.facts import (
    BAD_PARAMETER,
    BATCH_1_0,
    ENVELOPE_2_0,
    EVENT_SOURCES,
    MESSAGES,
    NOT_HASHED,
    NOT_ON_ALLOWLIST,
    EventSource,
)
from tiktok_sandbox.finding import EventWarning, Finding, rules_of
from tiktok_sandbox.refusals import NOT_A_STRING, PAGE_URL_RULE, REFUSALS

_REFUSALS: Final = {api: rules_of(api, REFUSALS) for api in ("1.0", "2.0")}
_STRICT_REFUSALS: Final = {api: rules_of(api, (*REFUSALS, PAGE_URL_RULE)) for api in ("1.0", "2.0")}
_CONCERNS: Final = {api: rules_of(api, CONCERNS) for api in ("1.0", "2.0")}
_STRICT_CONCERNS: Final = {
    api: rules_of(api, tuple(rule for rule in CONCERNS if rule is not PAGE_URL_RULE)) for api in ("1.0", "2.0")
}


class Refusal(Struct, frozen=True):
    """A code other than 0 for the whole request. `bad_index` is that of the event which the message names."""

    rule: int
    code: int
    message: str
    bad_index: int | None = None


def find_envelope_fault(arrival: Arrival, content_type: str, *, allows_app_events: bool) -> Refusal | None:
    """Return the fault of the envelope by rules 6 to 12 and 31, or None."""
    envelope = arrival.envelope
    if envelope is None or content_type != "application/json":
        return Refusal(6, BAD_PARAMETER, "Invalid JSON body")
    endpoint = arrival.endpoint
    if endpoint.api == "2.0" and envelope.get("event_source") not in EVENT_SOURCES:
        return _envelope_refusal(7, "event_source", f"must be one of {', '.join(EVENT_SOURCES)}")
    pixel = envelope.get(endpoint.pixel_field)
    if type(pixel) is not str or not pixel:
        return _envelope_refusal(8 if endpoint.api == "2.0" else 9, endpoint.pixel_field, NOT_A_STRING)
    if envelope.get("event_source") == "app" and endpoint.api == "2.0" and not allows_app_events:
        return Refusal(31, NOT_ON_ALLOWLIST, "event_source app is only for developers on the allowlist.")
    return _find_list_fault(endpoint, envelope)


def _find_list_fault(endpoint: Endpoint, envelope: JsonObject) -> Refusal | None:
    field = endpoint.list_field
    if field is None:
        return None
    events = envelope.get(field)
    if type(events) is not list or not events:
        return _envelope_refusal(10, field, "not a valid list of events")
    if len(events) > endpoint.max_events:
        return _envelope_refusal(11 if endpoint.api == "2.0" else 12, field, f"more than {endpoint.max_events} events")
    return None


def _envelope_refusal(rule: int, field: str, problem: str) -> Refusal:
    return Refusal(rule, BAD_PARAMETER, f"Invalid value for {field}: {problem}.")


def find_envelope_warnings(arrival: Arrival) -> tuple[EventWarning, ...]:
    """Return the warnings of rule 40 for the members beside the list of events."""
    if arrival.endpoint.list_field is None or arrival.envelope is None:
        return ()
    known = ENVELOPE_2_0 if arrival.endpoint.api == "2.0" else BATCH_1_0
    unknown = [name for name in arrival.envelope if name not in known]
    return tuple(EventWarning(40, name, "unknown to TikTok, which ignores it") for name in unknown)


def examine_events(arrival: Arrival, now_seconds: float, *, is_strict: bool) -> Refusal | Sequence[list[EventWarning]]:
    """Return the refusal for the first event with a fault, or each event's warnings. The envelope must be valid."""
    endpoint = arrival.endpoint
    refusals = (_STRICT_REFUSALS if is_strict else _REFUSALS)[endpoint.api]
    concerns = (_STRICT_CONCERNS if is_strict else _CONCERNS)[endpoint.api]
    source: EventSource = arrival.envelope["event_source"] if arrival.envelope and endpoint.api == "2.0" else "web"
    is_batched = endpoint.list_field is not None
    warnings: list[list[EventWarning]] = []
    for index, event in enumerate(arrival.events):
        if type(event) is not dict:
            return _event_refusal(endpoint, index, 14, Finding("event", NOT_A_STRING))
        view = EventView(endpoint.api, source, is_batched, event, arrival.payloads[index], now_seconds)
        for rule, check in refusals:
            if fault := check(view):
                return _event_refusal(endpoint, index, rule, fault)
        warnings.append(
            [EventWarning(rule, found.field, found.problem) for rule, check in concerns if (found := check(view))]
        )
    return warnings


def _event_refusal(endpoint: Endpoint, index: int, rule: int, fault: Finding) -> Refusal:
    """Return the refusal in the wording that TikTok uses for each of its paths."""
    if endpoint.list_field == "batch":
        message = f"Batch.{index}.{fault.field}: {fault.problem[0].upper()}{fault.problem[1:]}"
    else:
        field = f"data.{index}.{fault.field}" if endpoint.list_field else fault.field
        message = f"Invalid value for {field}: {fault.problem}."
    if fault.code == NOT_HASHED:
        message = f"{MESSAGES[NOT_HASHED]}: {message}"
    return Refusal(rule, fault.code, message, index)
