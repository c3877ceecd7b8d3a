"""Creating and editing a connection: one form of all its settings."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import structs
from starlette.responses import Response

from tiktok_forwarder.api.connections import ADD_CONNECTION, SET_CONNECTION, SHOW_CONNECTION
from tiktok_forwarder.api.inputs import LIST_INPUTS
from tiktok_forwarder.api.types import ConnectionChange, ConnectionView
from tiktok_forwarder.console.api import ApiError
from tiktok_forwarder.console.connection_facts import page_of
from tiktok_forwarder.console.mappings.draft import mappings_of
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.console.setting_words import label_of, value_words
from tiktok_forwarder.console.settings_form import changed_settings, settings_form, settings_of
from tiktok_forwarder.mapping.connection import TOKEN

_NOT_COPIED: Final = ("name",)
_CONFLICT: Final = 409
_REFUSED: Final = 422
_MAX_NUMBER_LENGTH: Final = 19


async def _new(request: PageRequest) -> Response:
    source = await _source(request, request.query("from"))
    settings = source.settings if source is not None else {}
    return await _new_form(request, {name: value for name, value in settings.items() if name not in _NOT_COPIED})


async def _source(request: PageRequest, connection_id: str) -> ConnectionView | None:
    """Return the connection to duplicate, if any."""
    return await request.api.call(SHOW_CONNECTION, connection_id) if connection_id else None


async def _new_form(request: PageRequest, settings: Mapping[str, Any], problems: Sequence[str] = ()) -> Response:
    source = request.form.text("from") or request.query("from")
    copied = await _source(request, source)
    values = {
        "form": settings_form(settings, problems),
        "source": source,
        "source_name": copied.connection().name if copied is not None else "",
        "mappings": len(mappings_of(copied)) if copied is not None else 0,
        "inputs": await request.api.call(LIST_INPUTS),
    }
    return request.page("connections/new.html", values, _REFUSED if problems else 200)


async def _create(request: PageRequest) -> Response:
    settings = settings_of(request.form)
    source = await _source(request, request.form.text("from"))
    mappings = {"custom_mappings": mappings_of(source)} if source is not None else {}
    try:
        made = await request.api.call(ADD_CONNECTION, body={**settings, **mappings})
    except ApiError as error:
        return await _new_form(request, settings, error.problems)
    return request.go(page_of(made.id), f"{made.connection().name} is saved. Its access token is kept encrypted.")


async def _edit(request: PageRequest) -> Response:
    return await _edit_form(request, await request.api.call(SHOW_CONNECTION, request.path("connection_id")))


async def _edit_form(
    request: PageRequest,
    view: ConnectionView,
    typed: Mapping[str, Any] | None = None,
    problems: Sequence[str] = (),
    *,
    conflicts: Sequence[tuple[str, str, str]] | None = None,
) -> Response:
    values = {
        "view": view,
        "form": settings_form(view.settings if typed is None else typed, problems),
        "conflicts": conflicts,
        "inputs": await request.api.call(LIST_INPUTS),
    }
    status = _CONFLICT if conflicts is not None else _REFUSED if problems else 200
    return request.page("connections/edit.html", values, status)


async def _save(request: PageRequest) -> Response:
    view = await request.api.call(SHOW_CONNECTION, request.path("connection_id"))
    typed = settings_of(request.form)
    revision = _revision(request.form.text("revision"))
    if revision == view.revision and not changed_settings(view.settings, typed):
        return request.go(page_of(view.id), "Nothing changed.")
    try:
        change = ConnectionChange(typed, revision)
        changed = await request.api.call(SET_CONNECTION, view.id, body=change)
    except ApiError as error:
        if error.status == _CONFLICT:
            return await _conflict_page(request, view.id, typed)
        return await _edit_form(request, structs.replace(view, revision=revision), typed, error.problems)
    return request.go(page_of(view.id), f"{changed.connection().name} is saved.")


def _revision(text: str) -> int:
    """Return the revision that the form was built from; 0 if it is not a number."""
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
    return await _edit_form(request, view, typed, conflicts=conflicts)


def _both(name: str, stored: Any, typed: Any) -> tuple[str, str]:
    if name == TOKEN:
        return "unchanged", "replaced: type it again"
    return value_words(name, stored), value_words(name, typed)


CONNECTION_SETTINGS_PAGES: Final = (
    Page("GET", "/connections/new", "admin", _new),
    Page("POST", "/connections/new", "admin", _create),
    Page("GET", "/connections/{connection_id}/edit", "admin", _edit),
    Page("POST", "/connections/{connection_id}/edit", "admin", _save),
)
