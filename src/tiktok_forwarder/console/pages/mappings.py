"""The custom mappings of a connection: their list, and the editor of one TikTok event's."""

from collections.abc import Iterable
from typing import Any, Final

from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tiktok_forwarder.api.connections import SET_CONNECTION, SHOW_CONNECTION
from tiktok_forwarder.api.previews import LIST_SEEN, SeenQuery
from tiktok_forwarder.api.types import ConnectionChange, ConnectionView
from tiktok_forwarder.console import conditions
from tiktok_forwarder.console.api import ApiError
from tiktok_forwarder.console.conditions import document_sentence
from tiktok_forwarder.console.connection_facts import page_of
from tiktok_forwarder.console.mappings.buttons import changed, focus_after
from tiktok_forwarder.console.mappings.cards import cards_of
from tiktok_forwarder.console.mappings.choices import EVENT_NAME_LABELS, EVENT_TYPE_LABELS, PROPERTY_LABELS
from tiktok_forwarder.console.mappings.draft import DraftMapping, draft_of, mappings_of, without_unsupported_sources
from tiktok_forwarder.console.mappings.editing import Editing
from tiktok_forwarder.console.mappings.form import pressed_button, read_drafts
from tiktok_forwarder.console.mappings.labels import event_words
from tiktok_forwarder.console.mappings.places import NO_PROBLEMS, Problems
from tiktok_forwarder.console.mappings.preview import run_preview
from tiktok_forwarder.console.mappings.samples import Samples, samples_of
from tiktok_forwarder.console.mappings.seen import SeenNames
from tiktok_forwarder.console.mappings.target import OWN_NAME_RULE, TargetEvent, target_meant, target_named
from tiktok_forwarder.console.mappings.wanted import Filled, WantedEvent, with_wanted
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.mapping.custom import MappingDocument
from tiktok_forwarder.mapping.event import standard_events

_CONFLICT: Final = 409
_INVALID: Final = 422
_CHANGED_ELSEWHERE: Final = (
    "This connection was changed elsewhere while you were editing. Your changes are kept below but not saved yet. "
    "Save again to replace the mappings that this TikTok event has now."
)


async def _connection(request: PageRequest) -> ConnectionView:
    return await request.api.call(SHOW_CONNECTION, request.path("id"))


def _target(request: PageRequest, view: ConnectionView) -> TargetEvent:
    target = target_named(request.path("event"), view.connection())
    if target is None:
        raise HTTPException(404)
    return target


def _common(view: ConnectionView, event: str = "") -> dict[str, Any]:
    """Return what both pages show: TikTok's events with their custom and standard mappings. `event` is the page's."""
    connection = view.connection()
    counts: dict[str, int] = {}
    for mapping in connection.custom_mappings:
        counts[mapping.event] = counts.get(mapping.event, 0) + 1
    known = [each.name for each in connection.wire_form.known_events()]
    own = [name for name in dict.fromkeys([*counts, event]) if name and name not in known]
    standard = {tiktok_event: action for action, tiktok_event in standard_events(connection).items()}
    return {
        "connection": view,
        "events": [*_by_title(known), *_by_title(own)],
        "counts": counts,
        "words_of": event_words,
        "kinds": EVENT_TYPE_LABELS,
        "standard": {name: action for name, action in standard.items() if action in connection.standard_events},
        "own_name_rule": OWN_NAME_RULE if connection.wire_form.is_open else "",
    }


def _by_title(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: event_words(name).title)


async def _overview(request: PageRequest) -> Response:
    view = await _connection(request)
    typed, wanted = request.query("event").strip(), WantedEvent.of(request)
    target = target_meant(typed, view.connection()) if typed else None
    if target is not None:
        page = page_of(view.id, f"/mappings/{target.name}")
        return request.go(wanted.address(page) if wanted is not None else page)
    mappings = [(mapping, _sentences(mapping)) for mapping in mappings_of(view)]
    values = {
        **_common(view),
        "mappings": mappings,
        "properties": PROPERTY_LABELS,
        "typed": typed,
        "wanted": wanted if request.is_admin else None,
        "name_labels": EVENT_NAME_LABELS,
    }
    return request.page("mappings/mappings.html", values, _INVALID if typed else 200)


def _sentences(mapping: MappingDocument) -> list[str]:
    return [document_sentence(each) for each in mapping.get("conditions") or ()]


# --- one TikTok event ---


def _stored_drafts(view: ConnectionView, target: TargetEvent) -> list[DraftMapping]:
    documents = [each for each in mappings_of(view) if each["event"] == target.name]
    return [
        without_unsupported_sources(draft_of(each, f"m{number}"), target) for number, each in enumerate(documents, 1)
    ]


async def _event(request: PageRequest) -> Response:
    view = await _connection(request)
    target = _target(request, view)
    drafts = _stored_drafts(view, target)
    if not request.is_admin:
        cards = cards_of(drafts, target, SeenNames([]), NO_PROBLEMS)
        values = {**_common(view, target.name), "event": target.name, "cards": cards}
        return request.page("mappings/reading.html", values)
    wanted = WantedEvent.of(request)
    seen = await _seen(request, view.id)
    filled = with_wanted(drafts, wanted, target, seen) if wanted is not None else None
    return await _editor(request, Editing(view, target, filled.drafts if filled else drafts), filled=filled)


async def _editor(
    request: PageRequest,
    editing: Editing,
    problems: Problems = NO_PROBLEMS,
    status: int = 200,
    *,
    is_newest: bool = False,
    filled: Filled | None = None,
) -> Response:
    """Show the form. A part of it has no preview, which htmx requests separately.

    The form keeps the revision that was opened; `is_newest` after a conflict, which the user has been shown.
    """
    samples = await _samples(request, editing)
    preview = None if request.is_htmx else await run_preview(request.api, editing, samples)
    values = {
        **_common(editing.view, editing.event),
        "event": editing.event,
        "about_conditions": conditions,
        "cards": cards_of(editing.drafts, editing.target, await _seen(request, editing.view.id), problems),
        "problems": problems.general,
        "samples": samples,
        "preview": preview,
        "filled": filled,
        "focus": f"{filled.key}-event_type" if filled else focus_after(editing.drafts, pressed_button(request.form)),
        "revision": (not is_newest and request.form.text("revision")) or editing.view.revision,
    }
    return request.page("mappings/editor.html" if request.is_htmx else "mappings/event.html", values, status)


async def _seen(request: PageRequest, connection_id: str) -> SeenNames:
    return SeenNames((await request.api.call(LIST_SEEN, query=SeenQuery(connection_id))).events)


async def _samples(request: PageRequest, editing: Editing) -> Samples:
    pasted = request.form.secret("batch")
    # A first mapping is previewed with its own sample, unless another one was chosen.
    is_open = request.form.text("do") == "add" and not pasted.strip()
    return await samples_of(request.api, editing, "" if is_open else request.form.text("sample"), pasted)


# --- buttons ---


async def _typed(request: PageRequest) -> Editing:
    """Return the mappings of the form."""
    view = await _connection(request)
    target = _target(request, view)
    return Editing(view, target, read_drafts(request.form, target))


async def _redraft(request: PageRequest) -> Response:
    """Show the form after a button's change; nothing is saved."""
    editing = await _typed(request)
    drafts = changed(editing.drafts, pressed_button(request.form), editing.target)
    return await _editor(request, replace(editing, drafts=drafts))


async def _preview(request: PageRequest) -> Response:
    editing = await _typed(request)
    preview = await run_preview(request.api, editing, await _samples(request, editing))
    return request.page("mappings/preview.html", {"preview": preview, "event": editing.event, "words_of": event_words})


async def _save(request: PageRequest) -> Response:
    editing = await _typed(request)
    merged = editing.merged()
    revision = request.form.text("revision")
    change = ConnectionChange(
        {"custom_mappings": merged.mappings}, expected_revision=int(revision) if revision.isdecimal() else None
    )
    try:
        await request.api.call(SET_CONNECTION, editing.view.id, body=change)
    except ApiError as error:
        return await _refused(request, editing, error)
    title = event_words(editing.event).title
    page = page_of(editing.view.id, f"/mappings/{editing.event}")
    return request.go(page, f"The mappings to {title} are saved and apply from now on.")


async def _refused(request: PageRequest, editing: Editing, error: ApiError) -> Response:
    if error.status == _CONFLICT:
        return await _editor(request, editing, Problems([_CHANGED_ELSEWHERE], {}), _CONFLICT, is_newest=True)
    return await _editor(request, editing, editing.problems(error.problems), error.status)


_ONE: Final = "/connections/{id}/mappings/{event}"
MAPPINGS_PAGES: Final = (
    Page("GET", "/connections/{id}/mappings", "viewer", _overview),
    Page("GET", _ONE, "viewer", _event),
    Page("POST", _ONE, "admin", _save),
    Page("POST", f"{_ONE}/draft", "admin", _redraft),
    Page("POST", f"{_ONE}/preview", "admin", _preview),
)
