"""The routes under `/sandbox/`, with which other processes inspect and control the sandbox."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from tiktok_sandbox.records import EventFilter, ReceivedEvent
from tiktok_sandbox.request_history import RequestHistory
from tiktok_sandbox.script import Script, ScriptDocument, ScriptUnusable

DEFAULT_LIMIT: Final = 100
_ENCODER: Final = msgspec.json.Encoder()
_SCRIPT_DECODER: Final = msgspec.json.Decoder(ScriptDocument)
_EVENT_FILTERS: Final = frozenset({"event_source_id", "event", "event_id", "duplicates", "limit"})
_TRUTHS: Final = {"true": True, "false": False}


class Control:
    def __init__(self, history: RequestHistory, script: Script, clear: Callable[[], None]) -> None:
        self._history = history
        self._script = script
        self._clear = clear

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/sandbox/events", self.show_events)
        router.add_delete("/sandbox/events", self.forget_events)
        router.add_get("/sandbox/requests", self.show_requests)
        router.add_get("/sandbox/counts", self.show_counts)
        router.add_get("/sandbox/faults", self.show_faults)
        router.add_get("/sandbox/script", self.show_script)
        router.add_post("/sandbox/script", self.extend_script)
        router.add_delete("/sandbox/script", self.clear_script)

    async def show_events(self, request: web.Request) -> web.Response:
        """Return the events. Filters: event_source_id, event, event_id, duplicates (true or false), limit."""
        query = request.query
        if unknown := set(query) - _EVENT_FILTERS:
            raise web.HTTPBadRequest(
                text=f"{min(unknown)} is not a filter; filters are {', '.join(sorted(_EVENT_FILTERS))}"
            )
        which = EventFilter(
            query.get("event_source_id"), query.get("event"), query.get("event_id"), _truth(query.get("duplicates"))
        )
        events = self._history.events(which, _limit(request))
        return _json({"events": [_shown(event) for event in events]})

    async def forget_events(self, _: web.Request) -> web.Response:
        self._clear()
        return web.Response(status=204)

    async def show_requests(self, request: web.Request) -> web.Response:
        return _json({"requests": self._history.requests(_limit(request))})

    async def show_counts(self, _: web.Request) -> web.Response:
        return _json(self._history.counts())

    async def show_faults(self, _: web.Request) -> web.Response:
        return _json({"faults": self._history.faults()})

    async def show_script(self, _: web.Request) -> web.Response:
        return _json(self._script.remaining())

    async def extend_script(self, request: web.Request) -> web.Response:
        """Extend the script. Takes only the JSON content type, which no page of another site may send unasked."""
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="a script must be application/json")
        try:
            self._script.add(_SCRIPT_DECODER.decode(await request.read()))
        except (msgspec.DecodeError, ScriptUnusable) as error:
            raise web.HTTPBadRequest(text=f"invalid script: {error}") from None
        return web.Response(status=204)

    async def clear_script(self, _: web.Request) -> web.Response:
        self._script.clear()
        return web.Response(status=204)


def _json(content: object) -> web.Response:
    return web.Response(body=_ENCODER.encode(content), content_type="application/json")


def _shown(event: ReceivedEvent) -> dict[str, Any]:
    members = msgspec.structs.asdict(event)
    return {**members, "payload": msgspec.Raw(event.payload or b"null")}


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(DEFAULT_LIMIT))
    if not text.isascii() or not text.isdigit():
        raise web.HTTPBadRequest(text="limit must be a whole number")
    return int(text)


def _truth(text: str | None) -> bool | None:
    if text is not None and text not in _TRUTHS:
        raise web.HTTPBadRequest(text="duplicates must be true or false")
    return None if text is None else _TRUTHS[text]
