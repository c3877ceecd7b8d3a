"""Creating and editing a connection: one form of all its settings."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, structs
from starlette.responses import Response

from tiktok_forwarder.api.connections import ADD_CONNECTION, SET_CONNECTION, SHOW_CONNECTION
from tiktok_forwarder.api.inputs import LIST_INPUTS
from tiktok_forwarder.api.previews import LIST_SEEN, PREVIEW, PreviewBody, SeenQuery
from tiktok_forwarder.api.types import ConnectionChange, ConnectionView, SaveQuery
from tiktok_forwarder.console import conditions
from tiktok_forwarder.console.api import ApiError
from tiktok_forwarder.console.connection_facts import page_of
from tiktok_forwarder.console.first_steps import NEW_STEPS
from tiktok_forwarder.console.mappings.draft import mappings_of
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.console.setting_words import choice_words, label_of, value_words
from tiktok_forwarder.console.settings.buttons import press_button
from tiktok_forwarder.console.settings.rule_words import ACTION_LABELS
from tiktok_forwarder.console.settings.topics import DECISIONS
from tiktok_forwarder.console.settings.trial import run_trial
from tiktok_forwarder.console.settings_form import (
    changed_settings,
    settings_form,
    settings_of,
    unanswered_questions,
)
from tiktok_forwarder.mapping.connection import TOKEN
from tiktok_forwarder.mapping.fields import STANDARD_EVENTS

_NOT_COPIED: Final = ("name",)
_CONFLICT: Final = 409
_REFUSED: Final = 422
_CHECK: Final = SaveQuery(check=True)
_MAX_NUMBER_LENGTH: Final = 19
_NOTHING: Final[Mapping[str, Any]] = {"events": []}
"""A batch to preview for the sake of the settings."""


class _Shown(Struct, frozen=True):
    """What the form shows: settings, problems, what has no answer yet, and what a button of the form asks for."""

    settings: Mapping[str, Any]
    problems: Sequence[str] = ()
    unanswered: Sequence[str] = ()
    focus: str = ""
    opened: str = ""


def _redrafted(request: PageRequest) -> _Shown:
    """Return the form after a button's change; nothing is saved."""
    field = request.http.headers.get("hx-trigger-name", "")
    changed = press_button(settings_of(request.form), request.form.text("do"), field)
    unanswered = list(unanswered_questions(request.form))
    return _Shown(changed.settings, unanswered=unanswered, focus=changed.focus, opened=changed.opened)


async def _form_values(
    request: PageRequest, shown: _Shown, draft_path: str, connection_id: str | None
) -> dict[str, Any]:
    """Return what the form needs, on either page."""
    seen = (await request.api.call(LIST_SEEN, query=SeenQuery(connection_id))).events
    form = request.form
    # A button of the form changes a part that has no trial, which htmx requests separately.
    trial = None
    if not request.is_htmx or form.text("do") == "try":
        trial = await run_trial(request.api, shown.settings, connection_id, form.text("sample"), form.secret("batch"))
    return {
        "form": settings_form(shown.settings, shown.problems, unanswered=shown.unanswered, opened=shown.opened),
        "trial": trial,
        "focus": shown.focus,
        "draft_path": draft_path,
        "inputs": await request.api.call(LIST_INPUTS),
        "suggestions": {
            "attribute": sorted({name for each in seen for name in each.attributes}),
            "user_attribute": sorted({name for each in seen for name in each.user_attributes}),
        },
        "actions": ACTION_LABELS,
        "about_conditions": conditions,
        "choice_words": choice_words,
        "standard": {**STANDARD_EVENTS, "purchase": shown.settings.get("purchase_event") or "the purchase event"},
    }


async def _problems_of_form(request: PageRequest, settings: Mapping[str, Any], connection_id: str | None) -> list[str]:
    """Return the questions without a valid answer, with the API's problems, so that all are shown at the same time."""
    questions = [f"{name}: {message}" for name, message in unanswered_questions(request.form).items()]
    if not questions:
        return []
    plain = {name: value for name, value in settings.items() if name != TOKEN}
    try:
        await request.api.call(PREVIEW, body=PreviewBody(_NOTHING, connection_id, plain))
    except ApiError as error:
        return [*error.problems, *questions]
    return questions


# --- a new connection ---


async def _new(request: PageRequest) -> Response:
    source = await _source(request, request.query("from"))
    settings = source.settings if source is not None else {}
    copied = {name: value for name, value in settings.items() if name not in _NOT_COPIED}
    return await _new_form(request, _Shown(copied, unanswered=() if source is not None else DECISIONS))


async def _source(request: PageRequest, connection_id: str) -> ConnectionView | None:
    """Return the connection to duplicate, if any."""
    return await request.api.call(SHOW_CONNECTION, connection_id) if connection_id else None


async def _new_form(request: PageRequest, shown: _Shown) -> Response:
    source = request.form.text("from") or request.query("from")
    copied = await _source(request, source)
    values = {
        **await _form_values(request, shown, "/connections/new/draft", None),
        "source": source,
        "source_name": copied.connection().name if copied is not None else "",
        "mappings": len(mappings_of(copied)) if copied is not None else 0,
        "steps": NEW_STEPS,
        "is_new": True,
    }
    template = "connections/groups.html" if request.is_htmx else "connections/new.html"
    return request.page(template, values, _REFUSED if shown.problems else 200)


async def _create(request: PageRequest) -> Response:
    settings = settings_of(request.form)
    source = await _source(request, request.form.text("from"))
    mappings = {"custom_mappings": mappings_of(source)} if source is not None else {}
    problems = await _problems_of_form(request, settings, None)
    try:
        if not problems:
            made = await request.api.call(ADD_CONNECTION, query=_CHECK, body={**settings, **mappings})
            encrypted = " Its access token is kept encrypted." if settings.get(TOKEN) else ""
            return request.go(page_of(made.id), f"{made.connection().name} is saved.{encrypted}")
    except ApiError as error:
        problems = error.problems
    return await _new_form(request, _Shown(settings, problems, list(unanswered_questions(request.form))))


async def _redraft_new(request: PageRequest) -> Response:
    return await _new_form(request, _redrafted(request))


# --- an existing connection ---


async def _view(request: PageRequest) -> ConnectionView:
    return await request.api.call(SHOW_CONNECTION, request.path("connection_id"))


async def _edit(request: PageRequest) -> Response:
    view = await _view(request)
    return await _edit_form(request, view, _Shown(view.settings))


async def _edit_form(
    request: PageRequest,
    view: ConnectionView,
    shown: _Shown,
    *,
    conflicts: Sequence[tuple[str, str, str]] | None = None,
) -> Response:
    values = {
        **await _form_values(request, shown, page_of(view.id, "/edit/draft"), view.id),
        "view": view,
        "conflicts": conflicts,
        "is_new": False,
    }
    status = _CONFLICT if conflicts is not None else _REFUSED if shown.problems else 200
    return request.page("connections/groups.html" if request.is_htmx else "connections/edit.html", values, status)


async def _save(request: PageRequest) -> Response:
    view = await _view(request)
    typed = settings_of(request.form)
    revision = _revision(request)
    problems = await _problems_of_form(request, typed, view.id)
    if not problems and revision == view.revision and not changed_settings(view.settings, typed):
        return request.go(page_of(view.id), "Nothing changed.")
    try:
        if not problems:
            change = ConnectionChange(typed, revision)
            changed = await request.api.call(SET_CONNECTION, view.id, query=_CHECK, body=change)
            return request.go(page_of(view.id), f"{changed.connection().name} is saved.")
    except ApiError as error:
        if error.status == _CONFLICT:
            return await _conflict_page(request, view.id, typed)
        problems = error.problems
    shown = _Shown(typed, problems, list(unanswered_questions(request.form)))
    return await _edit_form(request, structs.replace(view, revision=revision), shown)


async def _redraft_edited(request: PageRequest) -> Response:
    view = structs.replace(await _view(request), revision=_revision(request))
    return await _edit_form(request, view, _redrafted(request))


def _revision(request: PageRequest) -> int:
    """Return the revision that the form was built from; 0 if it is not a number."""
    text = request.form.text("revision")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _MAX_NUMBER_LENGTH else 0


async def _conflict_page(request: PageRequest, connection_id: str, typed: Mapping[str, Any]) -> Response:
    """Show the stored values next to the typed ones, to be saved again or discarded."""
    view = await request.api.call(SHOW_CONNECTION, connection_id)
    stored = view.settings
    conflicts = [
        (label_of(name), *_both(name, stored.get(name), value))
        for name, value in changed_settings(stored, typed).items()
        if name in stored or value is not None
    ]
    return await _edit_form(request, view, _Shown(typed), conflicts=conflicts)


def _both(name: str, stored: Any, typed: Any) -> tuple[str, str]:
    if name == TOKEN:
        return "unchanged", "replaced: type it again"
    return value_words(name, stored), value_words(name, typed)


CONNECTION_SETTINGS_PAGES: Final = (
    Page("GET", "/connections/new", "admin", _new),
    Page("POST", "/connections/new", "admin", _create),
    Page("POST", "/connections/new/draft", "admin", _redraft_new),
    Page("GET", "/connections/{connection_id}/edit", "admin", _edit),
    Page("POST", "/connections/{connection_id}/edit", "admin", _save),
    Page("POST", "/connections/{connection_id}/edit/draft", "admin", _redraft_edited),
)
