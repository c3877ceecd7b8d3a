"""Importing connections: the changes are previewed first, and applied if they are still the same."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response

from tiktok_forwarder.api.connections import IMPORT_CONNECTIONS
from tiktok_forwarder.api.types import ImportBody, SaveQuery
from tiktok_forwarder.connections.connections import Difference
from tiktok_forwarder.console.api import ApiError
from tiktok_forwarder.console.connection_facts import all_connections
from tiktok_forwarder.console.import_text import Pasted, digest_of, read_pasted
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.console.setting_words import is_set, label_of, value_words
from tiktok_forwarder.domain.errors import ConfigurationError

_REFUSED: Final = 422
_CHANGED: Final = "The connections have changed since the preview. These are the changes as they are now"


async def _import(request: PageRequest) -> Response:
    return _form(request)


def _form(
    request: PageRequest,
    problems: Sequence[str] = (),
    pasted: Pasted | None = None,
    differences: Sequence[Difference] | None = None,
) -> Response:
    values = {
        "text": request.form.secret("text"),
        "problems": problems,
        "tokens": pasted.tokens if pasted is not None else [],
        "differences": differences,
        "digest": digest_of(differences) if differences is not None else "",
        "changing": [each for each in differences or () if each.change != "none"],
        "is_set": is_set,
        "label_of": label_of,
        "value_words": value_words,
    }
    return request.page("connections/import.html", values, _REFUSED if problems else 200)


async def _preview_or_apply(request: PageRequest) -> Response:
    pasted: Pasted | None = None
    differences = None
    try:
        pasted = await _pasted(request)
        differences = await _call_import(request, pasted.for_dry_run(), dry_run=True)
        if not request.form.has("apply"):
            return _form(request, (), pasted, differences)
        problems = _reasons_not_to_apply(request, pasted, differences)
        if not problems:
            return await _apply(request, pasted)
    except ConfigurationError as error:
        problems = list(error.problems)
    except ApiError as error:
        problems = error.problems
    return _form(request, problems, pasted, differences)


async def _pasted(request: PageRequest) -> Pasted:
    text = request.form.secret("text")
    if not text.strip():
        raise ConfigurationError(["the text is empty: paste connections or choose a file"])
    known = {each.name.lower() for each in await all_connections(request.api)}
    typed = {name: value.strip() for name, value in request.form.fields if name.startswith("token-")}
    # In a thread: a long text takes up to a second, and senders are waiting.
    return await asyncio.to_thread(read_pasted, text, known, typed)


def _reasons_not_to_apply(request: PageRequest, pasted: Pasted, differences: Sequence[Difference]) -> list[str]:
    if digest_of(differences) != request.form.text("digest"):
        return [_CHANGED]
    return [f"{each.connection}: type its access token" for each in pasted.missing]


async def _apply(request: PageRequest, pasted: Pasted) -> Response:
    done = await _call_import(request, pasted.connections, dry_run=False)
    names = [each.name for each in done if each.change != "none"]
    return request.go("/connections", f"Imported: {', '.join(names)}." if names else "Nothing changed.")


async def _call_import(request: PageRequest, connections: list[dict[str, Any]], *, dry_run: bool) -> list[Difference]:
    query = SaveQuery(check=not dry_run)
    return await request.api.call(IMPORT_CONNECTIONS, query=query, body=ImportBody(connections, dry_run))


CONNECTION_IMPORT_PAGES: Final = (
    Page("GET", "/connections/import", "admin", _import),
    Page("POST", "/connections/import", "admin", _preview_or_apply),
)
