"""The live view: one stream of server-sent events for each viewer, bounded in number."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from html import escape
from typing import Final

from starlette.responses import Response

from tiktok_forwarder.web.asgi import Receive, Scope, Send

MAX_STREAMS: Final = 20
MAX_STREAMS_OF_USER: Final = 5
_FULL: Final = "Too many live views are open. Reload this page to see new records."
_FULL_OF_USER: Final = (
    f"You have {MAX_STREAMS_OF_USER} live views open, as many as a user may. Close one, and reload this page."
)
_EVERY_SECONDS: Final = 1.0
# Close the stream when the browser has read nothing for this long.
_SEND_TIMEOUT_SECONDS: Final = 10.0
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),  # a proxy forwards every event immediately
)


class LiveViews:
    """Counts the open streams, by user. `stop` ends all of them, so that the service does not wait for them."""

    def __init__(self, max_streams: int = MAX_STREAMS, max_streams_of_user: int = MAX_STREAMS_OF_USER) -> None:
        self._max_streams = max_streams
        self._max_streams_of_user = max_streams_of_user
        self._by_user: Counter[str] = Counter()
        self._stopping = asyncio.Event()

    @property
    def watching(self) -> int:
        return self._by_user.total()

    @contextlib.contextmanager
    def watched(self, user_id: str) -> Iterator[str]:
        """Count a stream of the user for the block; yield why it is refused, an empty text if it is not."""
        if self._by_user[user_id] >= self._max_streams_of_user:
            yield _FULL_OF_USER
            return
        if self.watching >= self._max_streams:
            yield _FULL
            return
        self._by_user[user_id] += 1
        try:
            yield ""
        finally:
            self._by_user[user_id] -= 1

    def stop(self) -> None:
        self._stopping.set()

    async def wait_for_tick(self, seconds: float = _EVERY_SECONDS) -> bool:
        """Wait for the next turn. Return False if the service is stopping."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return not self._stopping.is_set()


def event(name: str, html: str, number: str = "") -> str:
    """Format a server-sent event. The browser sends `number` when it reconnects."""
    lines = [f"event: {name}", *(f"data: {line}" for line in html.splitlines() or [""])]
    return "\n".join([*lines, *([f"id: {number}"] if number else []), "", ""])


def final_events(message: str) -> str:
    """Format the message that ends a stream."""
    return event("state", escape(message)) + event("over", "")


class LiveStream(Response):
    """Streams what `turn` returns, about once a second, until it returns None, the client disconnects or the service
    stops. If too many streams are open, it is a message only.
    """

    def __init__(self, views: LiveViews, user_id: str, turn: Callable[[], Awaitable[str | None]]) -> None:
        super().__init__()
        self._views = views
        self._user_id = user_id
        self._turn = turn

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Counted before anything is awaited, so that many streams opened at the same time are no exception.
        with self._views.watched(self._user_id) as refusal:
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            if refusal:
                await _send_part(send, final_events(refusal), more=False)
                return
            sending = asyncio.ensure_future(self._send_turns(send))
            leaving = asyncio.ensure_future(_wait_for_disconnect(receive))
            try:
                await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
                sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, TimeoutError):
                await sending

    async def _send_turns(self, send: Send) -> None:
        while (text := await self._turn()) is not None:
            await _send_part(send, text, more=True)
            if not await self._views.wait_for_tick():
                break
        await _send_part(send, "", more=False)


async def _send_part(send: Send, text: str, *, more: bool) -> None:
    async with asyncio.timeout(_SEND_TIMEOUT_SECONDS):
        await send({"type": "http.response.body", "body": text.encode(), "more_body": more})


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
