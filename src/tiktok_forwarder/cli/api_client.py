"""Speaks the service's API: over the socket of the data directory, or in-process when no service runs there.

Either way it is the same ASGI application that answers, so there is one way to change anything.
"""

import asyncio
import json
import os
from collections.abc import MutableMapping
from typing import Any, Final

import aiohttp

from tiktok_forwarder.domain.errors import ConfigurationError, ForwarderError
from tiktok_forwarder.settings import Settings

_TIMEOUT_SECONDS: Final = 60.0
_REFUSED: Final = 400


def call(settings: Settings, method: str, path: str, body: object = None) -> Any:
    """One API call and its decoded answer. Raises `ConfigurationError` for what the API refuses as invalid."""
    content = json.dumps(body).encode() if body is not None else b""
    return _understood(*asyncio.run(_called(settings, method, path, content)))


def call_running(settings: Settings, method: str, path: str, body: object = None) -> Any:
    """As `call`, but only of a service that runs. Raises `ForwarderError` if none does."""
    content = json.dumps(body).encode() if body is not None else b""
    try:
        answer = asyncio.run(_over_socket(settings, method, path, content))
    except (aiohttp.ClientError, TimeoutError):
        raise ForwarderError(f"no service answers on {settings.data_dir}") from None
    return _understood(*answer)


def _understood(status: int, answer: bytes) -> Any:
    decoded = json.loads(answer) if answer else None
    if status < _REFUSED:
        return decoded
    messages = [error["message"] for error in decoded["errors"]] if isinstance(decoded, dict) else [f"HTTP {status}"]
    raise ConfigurationError(messages)


async def _called(settings: Settings, method: str, path: str, content: bytes) -> tuple[int, bytes]:
    try:
        return await _over_socket(settings, method, path, content)
    except aiohttp.ClientConnectorError:
        return await _in_process(settings, method, path, content)
    except (aiohttp.ClientError, TimeoutError) as error:
        why = f"the service on {settings.data_dir} gave no answer ({type(error).__name__})"
        raise ForwarderError(f"{why}: whether it did what was asked is not known") from None


async def _over_socket(settings: Settings, method: str, path: str, content: bytes) -> tuple[int, bytes]:
    connector = aiohttp.UnixConnector(path=str(settings.admin_socket))
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.request(method, f"http://localhost{path}", data=content or None) as answer,
    ):
        return answer.status, await answer.read()


async def _in_process(settings: Settings, method: str, path: str, content: bytes) -> tuple[int, bytes]:
    from tiktok_forwarder.bootstrap import open_application  # noqa: PLC0415  # heavy, and mostly a service runs

    async with open_application(settings, os.environ) as application:
        return await asgi_call(application.api, method, path, content)


async def asgi_call(app: Any, method: str, path: str, content: bytes) -> tuple[int, bytes]:
    """One request to an ASGI application in this process: status and body of its answer."""
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
        "path": plain,
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": None,
        "server": None,
    }
    await app(scope, receive, send)
    return status, bytes(answer)
