"""The headers around an application, whatever it answers."""

import pytest

from tests.unit.console.door_rig import SAFE_HEADERS
from tiktok_forwarder.console.headers import with_headers
from tiktok_forwarder.web.asgi import Message, Receive, Scope, Send

SAFE = [(name.encode(), value.encode()) for name, value in SAFE_HEADERS.items()]
NO_STORE = (b"cache-control", b"no-store")
ONE_YEAR = (b"strict-transport-security", b"max-age=31536000")


async def sent(*headers: tuple[bytes, bytes], is_behind_tls: bool = False) -> list[Message]:
    """Return the messages of an answer that the application gives these headers."""
    messages: list[Message] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": headers})
        await send({"type": "http.response.body", "body": b"tea"})

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def send(message: Message) -> None:
        messages.append(message)

    await with_headers(application, is_behind_tls=is_behind_tls)({"type": "http"}, receive, send)
    return messages


@pytest.mark.parametrize(("is_behind_tls", "more"), [(False, [NO_STORE]), (True, [ONE_YEAR, NO_STORE])])
async def test_answer_gets_these_headers_and_no_other(is_behind_tls: bool, more: list[tuple[bytes, bytes]]) -> None:
    """The application's own headers, status and body stay; only behind TLS is the browser bound to TLS, for a year."""
    own = (b"content-type", b"text/plain")
    assert await sent(own, is_behind_tls=is_behind_tls) == [
        {"type": "http.response.start", "status": 418, "headers": [own, *SAFE, *more]},
        {"type": "http.response.body", "body": b"tea"},
    ]


async def test_answer_that_says_how_long_it_may_be_kept_is_believed() -> None:
    """A static file is named by its contents, so browsers may keep it; it gets no second, contrary header."""
    kept = (b"cache-control", b"public, max-age=31536000, immutable")
    start, _ = await sent((b"content-type", b"text/css"), kept)
    assert start["headers"] == [(b"content-type", b"text/css"), kept, *SAFE]
