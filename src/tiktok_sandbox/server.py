"""The sandbox itself: TikTok's three endpoints over HTTP, in the caller's event loop."""

import os
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from aiohttp.typedefs import Handler

from tiktok_sandbox.access import TokenGrants
from tiktok_sandbox.answering import answer
from tiktok_sandbox.arrival import ENDPOINTS, Arrival, Endpoint, read_arrival
from tiktok_sandbox.control import Control
from tiktok_sandbox.event_log import EventLog
from tiktok_sandbox.judge import Head, Judge
from tiktok_sandbox.options import SandboxOptions
from tiktok_sandbox.page import Page
from tiktok_sandbox.records import Counts, EventFilter, ReceivedEvent, ReceivedRequest
from tiktok_sandbox.repeats import RepeatWatch
from tiktok_sandbox.request_history import RequestHistory
from tiktok_sandbox.script import Script
from tiktok_sandbox.steps import AnyStep, Reset
from tiktok_sandbox.verdict import Verdict

_STOP_SECONDS: Final = 0.2


class SandboxError(OSError):
    """The sandbox cannot run; the text gives the reason, for a person."""


class Sandbox:
    """A simulator of TikTok's event endpoints.

    `grants` restricts access tokens and their pixels; without it every token is accepted. `log_path` is appended to.
    `now_seconds` is the wall clock for event ages, the 48 hours, rate limits and the header `Date`.
    """

    def __init__(
        self,
        options: SandboxOptions | None = None,
        *,
        grants: TokenGrants | None = None,
        log_path: Path | None = None,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self.script = Script()
        self.url = ""
        self._options = options or SandboxOptions()
        self._log_path = log_path
        self._log: EventLog | None = None
        self._now_seconds = now_seconds
        self._history = RequestHistory(self._options)
        self._judge = Judge(self._options, grants, self.script)
        self._repeats = RepeatWatch(self._options.remember_event_ids) if self._options.watch_repeats else None
        self._runner: web.AppRunner | None = None
        self._request_serial = 0

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen, on a free port if 0, and set `url`. Raises `SandboxError`."""
        try:
            self._log = EventLog(self._log_path) if self._log_path else None
        except OSError as error:
            raise SandboxError(f"Cannot write the log {self._log_path}: {error.strerror}.") from None
        # Handlers are cancelled when their client disconnects: that is what ends a silence.
        self._runner = web.AppRunner(
            self._application(), handler_cancellation=True, access_log=None, shutdown_timeout=_STOP_SECONDS
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.stop()
            # asyncio wraps the system's words in its own, names' lookup has numbers below 0.
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
            raise SandboxError(f"The sandbox cannot listen on {host}, port {port}: {reason}.") from None
        bound_host, bound_port = self._runner.addresses[0][:2]
        self.url = f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}"

    async def stop(self) -> None:
        """Stop listening and abort running answers."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._log is not None:
            self._log.close()
            self._log = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def counts(self) -> Counts:
        return self._history.counts()

    def events(
        self,
        *,
        event_source_id: str | None = None,
        event: str | None = None,
        event_id: str | None = None,
        duplicates: bool | None = None,
        limit: int | None = None,
    ) -> list[ReceivedEvent]:
        """Return the events still kept, in order of arrival; with a limit, the newest."""
        return self._history.events(EventFilter(event_source_id, event, event_id, duplicates), limit)

    def requests(self, *, limit: int | None = None) -> list[ReceivedRequest]:
        """Return the requests still kept, in order of arrival; with a limit, the newest."""
        return self._history.requests(limit)

    def faults(self) -> list[str]:
        """Return the faults that `watch_repeats` found, oldest first."""
        return self._history.faults()

    def clear(self) -> None:
        """Remove all events, requests, counts, faults, final answers and keys of duplicates; keep the script."""
        self._history.clear()
        if self._repeats:
            self._repeats.clear()

    def _application(self) -> web.Application:
        application = web.Application(
            client_max_size=self._options.max_body_bytes,
            middlewares=[self._date_answer, _answer_unknown_paths_as_tiktok],
        )
        for endpoint in ENDPOINTS.values():
            application.router.add_post(endpoint.path, self._receiver_of(endpoint))
        Control(self._history, self.script, self.clear).add_routes(application.router)
        Page(self._history).add_routes(application.router)
        return application

    @web.middleware
    async def _date_answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Date an answer by the sandbox's clock, unless a step of the script has dated it."""
        response = await handler(request)
        response.headers.setdefault("Date", formatdate(self._now_seconds(), usegmt=True))
        return response

    def _receiver_of(self, endpoint: Endpoint) -> Handler:
        async def receive(request: web.Request) -> web.StreamResponse:
            return await self._receive(endpoint, request)

        return receive

    async def _receive(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        head = Head(request.headers.get("Access-Token"), request.content_type, self._now_seconds())
        step = self.script.take_for_request()
        strikes_early = isinstance(step, Reset) and step.when == "before_body"
        arrival = Arrival(endpoint, 0) if strikes_early else read_arrival(endpoint, await request.read())
        verdict = self._decide(arrival, head, step)
        status = verdict.status(by_code=self._options.status_by_code)
        events = self._history.enter(arrival, head, verdict, status)
        if self._log is not None:
            try:
                self._log.write(events)
            except OSError as error:
                return web.Response(status=500, text=f"Cannot write the log {self._log_path}: {error.strerror}.")
        return await answer(request, verdict, status, self._next_request_id(head))

    def _decide(self, arrival: Arrival, head: Head, step: AnyStep | None) -> Verdict:
        if self._repeats is None:
            return self._judge.judge(arrival, head, step)
        self._history.note_faults(self._repeats.find_faults(arrival, self.script))
        verdict = self._judge.judge(arrival, head, step)
        self._repeats.learn(arrival, verdict)
        return verdict

    def _next_request_id(self, head: Head) -> str:
        """Return an ID in the form of TikTok's: time, then hexadecimal digits."""
        self._request_serial += 1
        return time.strftime("%Y%m%d%H%M%S", time.gmtime(head.at_seconds)) + f"{self._request_serial:018X}"


@web.middleware
async def _answer_unknown_paths_as_tiktok(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer unknown paths by rule 1: also a path that lacks its last slash."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return web.Response(status=404, text="404 page not found")
