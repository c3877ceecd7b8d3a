"""The page for people: the newest events as they arrive. All text of events is escaped; there is no inline script."""

from datetime import UTC, datetime
from html import escape
from importlib import resources
from typing import Final

import msgspec
from aiohttp import web

from tiktok_sandbox.facts import OK, PARTLY
from tiktok_sandbox.records import Counts, EventFilter, ReceivedEvent
from tiktok_sandbox.request_history import RequestHistory

_SHOWN_EVENTS: Final = 100
_SHOWN_FAULTS: Final = 10
_SHOWN_PAYLOAD_CHARACTERS: Final = 20_000
_STATIC: Final = {"page.css": "text/css", "page.js": "text/javascript"}
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TikTok sandbox</title>
<link rel="stylesheet" href="/sandbox/page.css">
<script src="/sandbox/page.js" defer></script>
<noscript><meta http-equiv="refresh" content="5"></noscript>
</head>
<body>
<header>
<h1>TikTok sandbox</h1>
<p>Events that the TikTok Events API would have received. Nothing is sent anywhere.</p>
</header>
<main id="live">
{live}
</main>
</body>
</html>
"""
_EVENT: Final = """<details class="event" id="event-{number}">
<summary>
<time datetime="{time}">{clock}</time>
<b class="name">{name}</b>
<span class="badges">{badges}</span>
<span class="pixel">{pixel}</span>
<code class="id">{event_id}</code>
</summary>
<dl>
<dt>Answer</dt><dd>{answer}</dd>
<dt>Endpoint</dt><dd><code>{path}</code>, request {request_number}</dd>
{warnings}
</dl>
<pre tabindex="0">{payload}</pre>
</details>"""


class Page:
    def __init__(self, history: RequestHistory) -> None:
        self._history = history
        folder = resources.files("tiktok_sandbox").joinpath("static")
        self._static = {name: folder.joinpath(name).read_bytes() for name in _STATIC}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/", self.show)
        router.add_get("/sandbox/{name:page\\.(?:css|js)}", self.show_static)

    async def show(self, _: web.Request) -> web.Response:
        events = self._history.events(EventFilter(), _SHOWN_EVENTS)[::-1]
        live = _counts_html(self._history.counts()) + _faults_html(self._history.faults()) + _events_html(events)
        return web.Response(text=_PAGE.format(live=live), content_type="text/html", headers=_HEADERS)

    async def show_static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.Response(body=self._static[name], content_type=_STATIC[name], headers=_HEADERS)


def _counts_html(counts: Counts) -> str:
    tiles = (
        ("Requests", counts.requests),
        ("Events", counts.events),
        ("Delivered", counts.delivered),
        ("Duplicates", counts.duplicates),
        ("Refused", counts.refused),
        ("Unanswered", counts.unanswered),
        ("With warnings", counts.with_warnings),
    )
    return '<dl class="counts">' + "".join(f"<div><dt>{n}</dt><dd>{v:,}</dd></div>" for n, v in tiles) + "</dl>\n"


def _faults_html(faults: list[str]) -> str:
    if not faults:
        return ""
    items = "".join(f"<li>{escape(fault)}</li>" for fault in faults[-_SHOWN_FAULTS:])
    return f'<section class="faults"><h2>Errors of the client</h2><ul>{items}</ul></section>\n'


def _events_html(events: list[ReceivedEvent]) -> str:
    if not events:
        return '<p class="empty">No events received yet.</p>'
    return f"<h2>Newest {len(events)}</h2>\n" + "\n".join(_event_html(event) for event in events)


def _event_html(event: ReceivedEvent) -> str:
    moment = datetime.fromtimestamp(event.at_ms / 1000, UTC)
    answer = event.message if event.code is None else f"{event.code} {event.message}"
    return _EVENT.format(
        number=event.number,
        time=moment.isoformat(timespec="milliseconds"),
        clock=f"{moment:%H:%M:%S} UTC",
        name=escape(event.event or "(no name)"),
        badges="".join(_badges(event)),
        pixel=escape(event.event_source_id or "(no pixel)"),
        event_id=escape(event.event_id or "(no event_id)"),
        answer=escape(answer),
        path=escape(event.path),
        request_number=event.request_number,
        warnings="".join(
            f"<dt>Warning {each.rule}</dt><dd><code>{escape(each.field)}</code> {escape(each.problem)}</dd>"
            for each in event.warnings
        ),
        payload=escape(_indented(event.payload)),
    )


def _badges(event: ReceivedEvent) -> list[str]:
    kind = "none" if event.code is None else "good" if event.code in {OK, PARTLY} else "bad"
    badges = [f'<span class="badge {kind}">{"no code" if event.code is None else event.code}</span>']
    if event.duplicate:
        badges.append('<span class="badge warn">duplicate</span>')
    if event.warnings:
        plural = "" if len(event.warnings) == 1 else "s"
        badges.append(f'<span class="badge warn">{len(event.warnings)} warning{plural}</span>')
    return badges


def _indented(payload: bytes) -> str:
    text = msgspec.json.format(payload, indent=2).decode("utf-8", "replace")
    if len(text) <= _SHOWN_PAYLOAD_CHARACTERS:
        return text
    return f"{text[:_SHOWN_PAYLOAD_CHARACTERS]}\n… {len(text) - _SHOWN_PAYLOAD_CHARACTERS:,} characters more"
