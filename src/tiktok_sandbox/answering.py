"""Carries out a step on the wire: answers, or fails to answer in the way that the step defines."""

import asyncio
import socket
import struct
from typing import Any, Final, NoReturn

import msgspec
from aiohttp import web

from tiktok_sandbox.steps import Code, Drip, Endless, Http, Reset, Silence, Wire
from tiktok_sandbox.verdict import Verdict

_ENCODER: Final = msgspec.json.Encoder()
_CHUNK: Final = b"400\r\n" + b" " * 1024 + b"\r\n"
_MAX_UNSENT_BYTES: Final = 1024 * 1024
_SHORTEST_INTERVAL_SECONDS: Final = 0.001


async def answer(request: web.Request, verdict: Verdict, status: int | None, request_id: str) -> web.StreamResponse:
    """Send the step's answer. A step without a whole answer never returns: the end of the connection ends it."""
    if verdict.delay_seconds:
        await asyncio.sleep(verdict.delay_seconds)
    step = verdict.step
    if isinstance(step, Code):
        return _code_answer(step, verdict.message, status, request_id)
    if isinstance(step, Http):
        return _http_answer(step)
    await _fail_to_answer(request, step, request_id)
    return await _wait_for_end()


async def _fail_to_answer(request: web.Request, step: Wire | Silence | Reset | Drip | Endless, request_id: str) -> None:
    transport = request.transport
    if transport is None:
        return
    match step:
        case Wire():
            transport.write(step.text.encode())
            transport.close()
        case Reset():
            await _reset(transport, request_id, with_half_an_answer=step.when == "mid_answer")
        case Drip():
            await _drip(transport, step, request_id)
        case Endless():
            await _answer_for_ever(transport, step)
        case Silence():
            pass


def _code_answer(step: Code, message: str, status: int | None, request_id: str) -> web.Response:
    return web.Response(
        status=status or 200,
        body=_code_body(step.code, message, request_id, step.data),
        headers={"Content-Type": "application/json", "X-TT-LOGID": request_id, **step.headers},
    )


def _code_body(code: int, message: str, request_id: str, members: dict[str, Any] | None = None) -> bytes:
    return _ENCODER.encode({"code": code, "message": message, "request_id": request_id, "data": members or {}})


def _http_answer(step: Http) -> web.Response:
    body = step.body_content()
    headers = {"Content-Type": step.content_type, **step.headers}
    if step.gzip:
        headers["Content-Encoding"] = "gzip"
    return web.Response(status=step.status, body=body, headers=headers)


def _plain_answer(request_id: str) -> tuple[bytes, bytes]:
    """Return head and body of a success, as bytes for the wire."""
    body = _code_body(0, "OK", request_id)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode(), body


async def _reset(transport: asyncio.Transport, request_id: str, *, with_half_an_answer: bool) -> None:
    if with_half_an_answer:
        head, body = _plain_answer(request_id)
        transport.write(head + body[: len(body) // 2])
        await asyncio.sleep(0.02)  # a reset would discard bytes that the other side has not read yet
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _drip(transport: asyncio.Transport, step: Drip, request_id: str) -> None:
    head, body = _plain_answer(request_id)
    content = head + body
    if step.part == "body":
        transport.write(head)
        content = body
    for position in range(len(content)):
        transport.write(content[position : position + 1])
        await asyncio.sleep(step.interval_seconds)
    transport.close()


async def _answer_for_ever(transport: asyncio.Transport, step: Endless) -> NoReturn:
    transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        if transport.get_write_buffer_size() < _MAX_UNSENT_BYTES:
            transport.write(_CHUNK)
        await asyncio.sleep(max(step.interval_seconds, _SHORTEST_INTERVAL_SECONDS))


async def _wait_for_end() -> NoReturn:
    """Wait until aiohttp cancels this, when the connection is gone or the sandbox stops."""
    while True:
        await asyncio.Event().wait()
