"""Calls an ASGI application of this process, without a socket in between."""

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

from tiktok_forwarder.web.asgi import AsgiApplication


async def asgi_call(
    app: AsgiApplication, method: str, path: str, content: bytes, **members: object
) -> tuple[int, bytes]:
    """Make one request with JSON; return status and body of its answer. `members` are added to the request's scope."""
    status = 500
    answer = bytearray()

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            answer.extend(message.get("body", b""))

    plain, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(plain),
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": None,
        "server": None,
        **members,
    }
    await app(scope, receive, send)
    return status, bytes(answer)
