"""The custom mappings of a connection: their list, and the editor of one TikTok event's."""

from typing import Any, Final

from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tiktok_forwarder.api.connections import SET_CONNECTION, SHOW_CONNECTION
from tiktok_forwarder.api.previews import LIST_SEEN, SeenQuery
from tiktok_forwarder.api.types import ConnectionChange, ConnectionView
from tiktok_forwarder.console.api import ApiError
from tiktok_forwarder.console.connection_facts import page_of
from tiktok_forwarder.console.mappings.cards import cards_of
from tiktok_forwarder.console.mappings.choices import EVENT_TYPE_LABELS, events_of
from tiktok_forwarder.console.mappings.draft import DraftMapping, draft_of, mappings_of, without_unsupported_sources
from tiktok_forwarder.console.mappings.editing import Editing
from tiktok_forwarder.console.mappings.form import changed, focus_after, read_drafts
from tiktok_forwarder.console.mappings.labels import EVENT_WORDS
from tiktok_forwarder.console.mappings.places import NO_PROBLEMS, Problems
from tiktok_forwarder.console.mappings.preview import run_preview
from tiktok_forwarder.console.mappings.samples import Samples, samples_of
from tiktok_forwarder.console.mappings.seen import SeenNames
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.mapping.fields import STANDARD_EVENTS

_CONFLICT: Final = 409
_CHANGED_ELSEWHERE: Final = (
    "This connection was changed elsewhere while you were editing. Your changes are kept below but not saved yet. "
    "Save again to replace the mappings that this TikTok event has now."
)


async def _connection(request: PageRequest) -> ConnectionView:
    return await request.api.call(SHOW_CONNECTION, request.path("id"))


def _event_name(request: PageRequest, view: ConnectionView) -> str:
    name = request.path("event")
    if name not in [event.name for event in events_of(view.connection().events_api)]:
        raise HTTPException(404)
    return name


def _common(view: ConnectionView) -> dict[str, Any]:
    """Return what both pages show: TikTok's events with their custom and standard mappings."""
    connection = view.connection()
    counts: dict[str, int] = {}
    for mapping in connection.custom_mappings:
        counts[mapping.event] = counts.get(mapping.event, 0) + 1
    names = [event.name for event in events_of(connection.events_api)]
    return {
        "connection": view,
        "events": sorted(names, key=lambda name: EVENT_WORDS[name].title),
        "counts": counts,
        "words_of": EVENT_WORDS,
        "kinds": EVENT_TYPE_LABELS,
        "standard": {
            event: action for action, event in {**STANDARD_EVENTS, "purchase": connection.purchase_event}.items()
        },
    }


async def _overview(request: PageRequest) -> Response:
    return request.page("mappings/mappings.html", _common(await _connection(request)))


# --- one TikTok event ---


def _stored_drafts(view: ConnectionView, event: str) -> list[DraftMapping]:
    documents = [each for each in mappings_of(view) if each["event"] == event]
    return [
        without_unsupported_sources(draft_of(each, f"m{number}"), event) for number, each in enumerate(documents, 1)
    ]


async def _event(request: PageRequest) -> Response:
    view = await _connection(request)
    event = _event_name(request, view)
    drafts = _stored_drafts(view, event)
    if not request.is_admin:
        cards = cards_of(drafts, SeenNames([]), NO_PROBLEMS)
        return request.page("mappings/reading.html", {**_common(view), "event": event, "cards": cards})
    return await _editor(request, Editing(view, event, drafts))


async def _editor(
    request: PageRequest,
    editing: Editing,
    problems: Problems = NO_PROBLEMS,
    status: int = 200,
    *,
    is_newest: bool = False,
) -> Response:
    """Show the form. A part of it has no preview, which htmx requests separately.

    The form keeps the revision that was opened; `is_newest` after a conflict, which the user has been shown.
    """
    samples = await _samples(request, editing)
    preview = None if request.is_htmx else await run_preview(request.api, editing, samples)
    values = {
        **_common(editing.view),
        "event": editing.event,
        "cards": cards_of(editing.drafts, await _seen(request, editing.view.id), problems),
        "problems": problems.general,
        "samples": samples,
        "preview": preview,
        "focus": focus_after(editing.drafts, request.form.text("do")),
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
    event = _event_name(request, view)
    return Editing(view, event, read_drafts(request.form, event))


async def _redraft(request: PageRequest) -> Response:
    """Show the form after a button's change; nothing is saved."""
    editing = await _typed(request)
    return await _editor(
        request, replace(editing, drafts=changed(editing.drafts, request.form.text("do"), editing.event))
    )


async def _preview(request: PageRequest) -> Response:
    editing = await _typed(request)
    preview = await run_preview(request.api, editing, await _samples(request, editing))
    return request.page("mappings/preview.html", {"preview": preview, "event": editing.event, "words_of": EVENT_WORDS})


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
    title = EVENT_WORDS[editing.event].title
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
