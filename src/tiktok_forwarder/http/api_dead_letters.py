"""The API's endpoints of dead letters."""

import re
from typing import Any, Final

import msgspec

from tiktok_forwarder.domain.errors import UnknownName
from tiktok_forwarder.http.api_types import (
    DeadLetterDetail,
    DeadLetterQuery,
    DeadLetterSelection,
    DeadLetterView,
    TouchedView,
)
from tiktok_forwarder.http.endpoint import Call, Endpoint
from tiktok_forwarder.ports import DeadLetterFilter
from tiktok_forwarder.service.audit import AuditedAction
from tiktok_forwarder.service.dead_letters import Selection

_EVENT_NO: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


def _filter(call: Call, given: DeadLetterQuery | DeadLetterSelection) -> DeadLetterFilter:
    connection_id = None
    if given.connection is not None:
        found = call.parts.connections.find(given.connection)
        # A deleted connection's dead letters are found by its id.
        connection_id = found.id if found is not None else given.connection
    numbers = given.event_nos if isinstance(given, DeadLetterSelection) else None
    return DeadLetterFilter(connection_id, given.reason, given.from_ms, given.until_ms, numbers)


def _name(call: Call, connection_id: str) -> str:
    found = call.parts.connections.find(connection_id)
    return found.name if found is not None else connection_id


async def _list(call: Call) -> list[DeadLetterView]:
    query: DeadLetterQuery = call.query
    letters = await call.parts.dead_letters.page(_filter(call, query), limit=query.limit, after=query.after)
    return [DeadLetterView.of(letter, _name(call, letter.connection_id)) for letter in letters]


async def _show(call: Call) -> DeadLetterDetail:
    text = call.path["event_no"]
    if not _EVENT_NO.fullmatch(text):
        raise UnknownName(f"there is no dead letter {text}")
    letter = await call.parts.dead_letters.one(int(text))
    view = DeadLetterView.of(letter, _name(call, letter.connection_id))
    return DeadLetterDetail(view, letter.wire_form, letter.connection_revision, msgspec.Raw(letter.payload))


async def _replay(call: Call) -> TouchedView:
    return await _touch(call, "replay", call.parts.dead_letters.replay)


async def _discard(call: Call) -> TouchedView:
    return await _touch(call, "discard", call.parts.dead_letters.discard)


async def _touch(call: Call, action: AuditedAction, change: Any) -> TouchedView:
    given: DeadLetterSelection = call.body
    which = _filter(call, given)
    run = call.parts.dead_letters.selection if given.dry_run else change
    selection: Selection = await run(which)
    if not given.dry_run:
        what = {"count": selection.count, "by_reason": selection.by_reason, "connection_id": which.connection_id}
        await call.parts.audit.record(action, call.who, what)
    return TouchedView(selection.count, selection.by_reason, given.dry_run, _warning(selection))


def _warning(selection: Selection) -> str:
    told: list[str] = []
    if selection.beyond_48_hours:
        told.append(
            f"{selection.beyond_48_hours} of them were first tried more than 48 hours ago: "
            "if TikTok did get them then, it counts them twice when they are sent again"
        )
    if selection.homeless:
        told.append(f"{selection.homeless} are of deleted connections: they can be discarded, but not replayed")
    return "; ".join(told)


DEAD_LETTER_ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/api/dead-letters",
        "list_dead_letters",
        "Events that were given up on, oldest first.",
        "read",
        list[DeadLetterView],
        _list,
        query=DeadLetterQuery,
    ),
    Endpoint(
        "POST",
        "/api/dead-letters/replay",
        "replay_dead_letters",
        "Deliver them again: same bytes, same event ids.",
        "operate",
        TouchedView,
        _replay,
        body=DeadLetterSelection,
    ),
    Endpoint(
        "POST",
        "/api/dead-letters/discard",
        "discard_dead_letters",
        "Delete them for good.",
        "operate",
        TouchedView,
        _discard,
        body=DeadLetterSelection,
    ),
    Endpoint(
        "GET",
        "/api/dead-letters/{event_no:int}",
        "show_dead_letter",
        "One of them with its payload, which holds digests, IP address and user agent.",
        "read",
        DeadLetterDetail,
        _show,
        can_miss=True,
    ),
)
