"""Making a connection, and changing one: one form of all its settings."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

from tiktok_forwarder.console.api import ApiRefused
from tiktok_forwarder.console.connection_facts import page_of, path_of
from tiktok_forwarder.console.page import Page, Visit
from tiktok_forwarder.console.setting_words import label_of, value_words
from tiktok_forwarder.console.settings_form import differing, settings_form, settings_of
from tiktok_forwarder.mapping.connection import TOKEN

_NOT_COPIED: Final = ("name",)
_CONFLICT: Final = 409
_REFUSED: Final = 422
_MAX_NUMBER_LENGTH: Final = 19


async def _new(visit: Visit) -> Response:
    source = visit.query("from")
    settings = await _settings_of_source(visit, source)
    return await _new_form(visit, {name: value for name, value in settings.items() if name not in _NOT_COPIED})


async def _settings_of_source(visit: Visit, source: str) -> Mapping[str, Any]:
    if not source:
        return {}
    settings: Mapping[str, Any] = (await visit.api.get(path_of(source)))["settings"]
    return settings


async def _new_form(visit: Visit, settings: Mapping[str, Any], problems: Sequence[str] = ()) -> Response:
    source = visit.form.text("from") or visit.query("from")
    copied = await _settings_of_source(visit, source)
    values = {
        "form": settings_form(settings, problems),
        "source": source,
        "source_name": copied.get("name", ""),
        "mappings": len(copied.get("custom_mappings", [])),
        "inputs": await visit.api.get("/api/inputs"),
    }
    return visit.page("connections/new.html", values, _REFUSED if problems else 200)


async def _create(visit: Visit) -> Response:
    settings = settings_of(visit.form)
    source = await _settings_of_source(visit, visit.form.text("from"))
    mappings = {"custom_mappings": source["custom_mappings"]} if source else {}
    try:
        made = await visit.api.post("/api/connections", {**settings, **mappings})
    except ApiRefused as refused:
        return await _new_form(visit, settings, refused.problems)
    return visit.go(page_of(made["id"]), f"{made['settings']['name']} is saved. Its access token is kept encrypted.")


async def _edit(visit: Visit) -> Response:
    return await _edit_form(visit, await visit.api.get(path_of(visit.path("connection_id"))))


async def _edit_form(
    visit: Visit,
    view: Mapping[str, Any],
    typed: Mapping[str, Any] | None = None,
    problems: Sequence[str] = (),
    *,
    conflicts: Sequence[tuple[str, str, str]] | None = None,
) -> Response:
    values = {
        "view": view,
        "form": settings_form(view["settings"] if typed is None else typed, problems),
        "conflicts": conflicts,
        "inputs": await visit.api.get("/api/inputs"),
    }
    status = _CONFLICT if conflicts is not None else _REFUSED if problems else 200
    return visit.page("connections/edit.html", values, status)


async def _save(visit: Visit) -> Response:
    view = await visit.api.get(path_of(visit.path("connection_id")))
    typed = settings_of(visit.form)
    revision = _revision(visit.form.text("revision"))
    if revision == view["revision"] and not differing(view["settings"], typed):
        return visit.go(page_of(view["id"]), "Nothing was changed.")
    try:
        changed = await visit.api.patch(path_of(view["id"]), {"settings": typed, "expected_revision": revision})
    except ApiRefused as refused:
        if refused.status == _CONFLICT:
            return await _told_conflict(visit, view["id"], typed)
        return await _edit_form(visit, {**view, "revision": revision}, typed, refused.problems)
    return visit.go(page_of(view["id"]), f"{changed['settings']['name']} is saved.")


def _revision(text: str) -> int:
    """The revision that the form was made from; 0 is none's."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _MAX_NUMBER_LENGTH else 0


async def _told_conflict(visit: Visit, connection_id: str, typed: Mapping[str, Any]) -> Response:
    """Somebody was quicker: what stands there now beside what was typed, to be saved again or left."""
    view = await visit.api.get(path_of(connection_id))
    stored = view["settings"]
    conflicts = [
        (label_of(name), *_both(name, stored.get(name), value))
        for name, value in differing(stored, typed).items()
        if name in stored or value is not None
    ]
    return await _edit_form(visit, view, typed, conflicts=conflicts)


def _both(name: str, stored: Any, typed: Any) -> tuple[str, str]:
    if name == TOKEN:
        return "kept", "a new one: type it again"
    return value_words(name, stored), value_words(name, typed)


CONNECTION_SETTINGS_PAGES: Final = (
    Page("GET", "/connections/new", "admin", _new),
    Page("POST", "/connections/new", "admin", _create),
    Page("GET", "/connections/{connection_id}/edit", "admin", _edit),
    Page("POST", "/connections/{connection_id}/edit", "admin", _save),
)
