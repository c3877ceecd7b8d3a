"""The API's endpoints of dead letters."""

import re
from typing import Final

import msgspec

from tiktok_forwarder.access.audit import AuditedAction
from tiktok_forwarder.api.endpoint import AnyCall, Call, Endpoint, Nothing, PlainCall
from tiktok_forwarder.api.explained import explained_dead_letter
from tiktok_forwarder.api.services import Services
from tiktok_forwarder.api.types import (
    DeadLetterCountView,
    DeadLetterDetail,
    DeadLetterQuery,
    DeadLetterSelection,
    DeadLetterView,
    TouchedView,
)
from tiktok_forwarder.domain.errors import UnknownName
from tiktok_forwarder.operations.dead_letters import Selection
from tiktok_forwarder.operations.replays import ReplayProgress
from tiktok_forwarder.store.dead_letters import DeadLetterFilter

_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


def _filter(services: Services, given: DeadLetterQuery | DeadLetterSelection) -> DeadLetterFilter:
    connection_id = None
    if given.connection is not None:
        found = services.connections.find(given.connection)
        # A deleted connection's dead letters are found by its ID.
        connection_id = found.id if found is not None else given.connection
    numbers = given.event_nos if isinstance(given, DeadLetterSelection) else None
    return DeadLetterFilter(connection_id, given.reason, given.from_ms, given.until_ms, numbers)


def _name(services: Services, connection_id: str) -> str:
    found = services.connections.find(connection_id)
    return found.name if found is not None else connection_id


async def _list(call: Call[DeadLetterQuery, None]) -> list[DeadLetterView]:
    query = call.query
    letters = await call.services.dead_letters.page(_filter(call.services, query), limit=query.limit, after=query.after)
    rule = await call.services.dead_letters.end_rule()
    return [DeadLetterView.from_letter(letter, _name(call.services, letter.connection_id), rule) for letter in letters]


def _number(call: AnyCall, parameter: str, what: str) -> int:
    text = call.path[parameter]
    if not _NUMBER.fullmatch(text):
        raise UnknownName(f"{what} {text} not found")
    return int(text)


async def _show(call: PlainCall) -> DeadLetterDetail:
    letter = await call.services.dead_letters.one(_number(call, "event_no", "dead letter"))
    rule = await call.services.dead_letters.end_rule()
    view = DeadLetterView.from_letter(letter, _name(call.services, letter.connection_id), rule)
    explanation = await explained_dead_letter(call.services, letter)
    payload = msgspec.Raw(letter.payload)
    return DeadLetterDetail(view, letter.wire_form, letter.connection_revision, payload, explanation)


async def _summary(call: PlainCall) -> list[DeadLetterCountView]:
    counts = await call.services.dead_letters.counts()
    rule = await call.services.dead_letters.end_rule()
    return [DeadLetterCountView.from_count(each, _name(call.services, each.connection_id), rule) for each in counts]


async def _replay(call: Call[Nothing, DeadLetterSelection]) -> TouchedView:
    which = _filter(call.services, call.body)
    if call.body.dry_run:
        return _touched(await call.services.dead_letters.selection(which), dry_run=True)
    replayed = await call.services.dead_letters.replay(which)
    await _record(call, "replay", which, replayed.selection)
    return _touched(replayed.selection, dry_run=False, replay_no=replayed.replay_no)


async def _progress(call: PlainCall) -> ReplayProgress:
    return await call.services.dead_letters.progress(_number(call, "replay_no", "replay"))


async def _discard(call: Call[Nothing, DeadLetterSelection]) -> TouchedView:
    which = _filter(call.services, call.body)
    if call.body.dry_run:
        return _touched(await call.services.dead_letters.selection(which), dry_run=True)
    selection = await call.services.dead_letters.discard(which)
    await _record(call, "discard", which, selection)
    return _touched(selection, dry_run=False)


async def _record(call: AnyCall, action: AuditedAction, which: DeadLetterFilter, selection: Selection) -> None:
    what = {"count": selection.count, "by_reason": selection.by_reason, "connection_id": which.connection_id}
    await call.services.audit.record(action, call.who, what)


def _touched(selection: Selection, *, dry_run: bool, replay_no: int | None = None) -> TouchedView:
    return TouchedView(selection.count, selection.by_reason, dry_run, _warning(selection), replay_no)


def _warning(selection: Selection) -> str:
    warnings: list[str] = []
    if selection.beyond_48_hours:
        warnings.append(
            f"{selection.beyond_48_hours} of them were first attempted more than 48 hours ago: "
            "if TikTok received them then, it counts them again"
        )
    if selection.orphaned:
        warnings.append(f"{selection.orphaned} belong to deleted connections: they can be discarded, but not replayed")
    return "; ".join(warnings)


LIST_DEAD_LETTERS: Final = Endpoint(
    "GET",
    "/api/dead-letters",
    "list_dead_letters",
    "List dead letters, oldest first.",
    "read",
    _list,
)
COUNT_DEAD_LETTERS: Final = Endpoint(
    "GET",
    "/api/dead-letters/summary",
    "count_dead_letters",
    "Count dead letters by connection and reason.",
    "read",
    _summary,
)
SHOW_REPLAY: Final = Endpoint(
    "GET",
    "/api/dead-letters/replays/{replay_no:int}",
    "show_replay",
    "Return the progress of a replay that was made since the service started.",
    "read",
    _progress,
    can_miss=True,
)
REPLAY_DEAD_LETTERS: Final = Endpoint(
    "POST",
    "/api/dead-letters/replay",
    "replay_dead_letters",
    "Deliver dead letters again, with the same bytes and event IDs.",
    "operate",
    _replay,
)
DISCARD_DEAD_LETTERS: Final = Endpoint(
    "POST",
    "/api/dead-letters/discard",
    "discard_dead_letters",
    "Delete dead letters permanently.",
    "operate",
    _discard,
)
SHOW_DEAD_LETTER: Final = Endpoint(
    "GET",
    "/api/dead-letters/{event_no:int}",
    "show_dead_letter",
    "Return one dead letter with its payload, which contains digests, IP address and user agent.",
    "read",
    _show,
    can_miss=True,
)

DEAD_LETTER_ENDPOINTS: Final = (
    LIST_DEAD_LETTERS,
    COUNT_DEAD_LETTERS,
    SHOW_REPLAY,
    REPLAY_DEAD_LETTERS,
    DISCARD_DEAD_LETTERS,
    SHOW_DEAD_LETTER,
)
