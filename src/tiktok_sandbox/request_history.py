"""Keeps the newest requests and events, bounded, and counts all of them."""

import copy
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from tiktok_sandbox.access import fingerprint
from tiktok_sandbox.arrival import Arrival
from tiktok_sandbox.judge import Head
from tiktok_sandbox.kept_events import KeptEvents
from tiktok_sandbox.options import SandboxOptions
from tiktok_sandbox.records import Counts, EventCounts, EventFilter, ReceivedEvent, ReceivedRequest
from tiktok_sandbox.seen import SeenEvents, Taking, event_key
from tiktok_sandbox.verdict import Verdict

_MAX_COUNTED_PIXELS: Final = 1_000
_OTHER_PIXELS: Final = "(other)"


class RequestHistory:
    def __init__(self, options: SandboxOptions) -> None:
        self._events = KeptEvents(options.keep_events, options.keep_payload_bytes)
        self._requests: deque[ReceivedRequest] = deque(maxlen=options.keep_requests)
        self._faults: deque[str] = deque(maxlen=options.keep_requests)
        self._seen = SeenEvents(options.remember_event_ids)
        self._request_number = 0
        self._event_number = 0
        self._counts = Counts()

    def enter(self, arrival: Arrival, head: Head, verdict: Verdict, status: int | None) -> list[ReceivedEvent]:
        """Add a request and the decision about it; return its events as added."""
        self._request_number += 1
        request = _request_of(self._request_number, arrival, head, verdict, status)
        self._requests.append(request)
        tally = EventCounts()
        events = list(self._enter_events(arrival, head, verdict, request, tally))
        self._count(request, tally)
        return events

    def note_faults(self, faults: Iterable[str]) -> None:
        for fault in faults:
            self._faults.append(fault)
            self._counts.faults += 1

    def events(self, which: EventFilter, limit: int | None = None) -> list[ReceivedEvent]:
        """Return the newest of these events, in order of arrival."""
        matching = (event for event in self._events.newest_first() if which.matches(event))
        return list(islice(matching, limit))[::-1]

    def requests(self, limit: int | None = None) -> list[ReceivedRequest]:
        """Return the newest requests, in order of arrival."""
        return list(islice(reversed(self._requests), limit))[::-1]

    def faults(self) -> list[str]:
        return list(self._faults)

    def counts(self) -> Counts:
        return copy.deepcopy(self._counts)

    def clear(self) -> None:
        """Remove everything, the memory of duplicates included; numbers continue."""
        self._events.clear()
        self._requests.clear()
        self._faults.clear()
        self._seen.clear()
        self._counts = Counts()

    def _enter_events(
        self, arrival: Arrival, head: Head, verdict: Verdict, request: ReceivedRequest, tally: EventCounts
    ) -> Iterator[ReceivedEvent]:
        source = arrival.root_text("event_source") if arrival.endpoint.api == "2.0" else "web"
        taking = Taking(head.at_seconds, confirmed=verdict.code is not None) if verdict.takes_events else None
        for index, (name, event_id) in enumerate(zip(arrival.event_names, arrival.event_ids, strict=True)):
            self._event_number += 1
            event = ReceivedEvent(
                number=self._event_number,
                request_number=request.number,
                at_ms=request.at_ms,
                path=request.path,
                event_source=source or "",
                event_source_id=request.event_source_id,
                event=name,
                event_id=event_id,
                code=request.code,
                message=request.message,
                duplicate=self._take(request, name, event_id, taking if index not in verdict.failed else None, tally),
                warnings=tuple(verdict.warnings[index]) if verdict.warnings else (),
                payload=arrival.payloads[index],
            )
            self._events.add(event)
            tally.with_warnings += bool(event.warnings)
            yield event

    def _take(
        self,
        request: ReceivedRequest,
        name: str | None,
        event_id: str | None,
        taking: Taking | None,
        tally: EventCounts,
    ) -> bool:
        """Count one event, whose `taking` is None if TikTok does not keep it; return whether it is a duplicate."""
        tally.events += 1
        if request.code is None:
            tally.unanswered += 1
        elif taking is None:
            tally.refused += 1
        if taking is None:
            return False
        earlier = self._seen.take(event_key(request.event_source_id, name, event_id), taking) if event_id else None
        if taking.confirmed and not (earlier and earlier.confirmed):
            tally.delivered += 1
        if earlier:
            tally.duplicates += 1
        return earlier is not None

    def _count(self, request: ReceivedRequest, tally: EventCounts) -> None:
        counts = self._counts
        counts.requests += 1
        code = "none" if request.code is None else str(request.code)
        counts.requests_by_code[code] = counts.requests_by_code.get(code, 0) + 1
        counts.add(tally)
        if tally.events:
            pixel = request.event_source_id or ""
            if pixel not in counts.by_pixel and len(counts.by_pixel) >= _MAX_COUNTED_PIXELS:
                pixel = _OTHER_PIXELS
            counts.by_pixel.setdefault(pixel, EventCounts()).add(tally)


def _request_of(number: int, arrival: Arrival, head: Head, verdict: Verdict, status: int | None) -> ReceivedRequest:
    return ReceivedRequest(
        number=number,
        at_ms=int(head.at_seconds * 1000),
        path=arrival.endpoint.path,
        token=fingerprint(head.token) if head.token else None,
        event_source_id=arrival.pixel,
        events=len(arrival.events),
        body_bytes=arrival.body_bytes,
        status=status,
        code=verdict.code,
        message=verdict.message,
        rule=verdict.rule,
        scripted=verdict.step_name if verdict.is_scripted else None,
        test_event_code=arrival.root_text("test_event_code"),
        partner_name=arrival.root_text("partner_name"),
        warnings=verdict.envelope_warnings,
    )
