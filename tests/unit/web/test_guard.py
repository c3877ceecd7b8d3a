"""The last resort: a fault is answered once, told, and quotes nothing."""

import asyncio
import json

import pytest
from starlette.requests import Request

from tiktok_forwarder.web.asgi import AsgiApplication, Message, Receive, Scope, Send
from tiktok_forwarder.web.guard import guarded


class Told:
    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def on_internal_error(self, error: Exception) -> None:
        self.errors.append(error)


def failing(*, after_start: bool) -> AsgiApplication:
    async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
        if after_start:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise KeyError("canary@example.com")

    return application


async def test_peer_that_leaves_is_no_internal_error() -> None:
    """A browser that closes its connection in the middle of a form is not the service's fault, and gets no answer."""
    told = Told()

    async def reading(scope: Scope, receive: Receive, _send: Send) -> None:
        await Request(scope, receive).body()

    assert await sent_by(guarded(reading, told)) == []
    assert told.errors == []


async def sent_by(application: AsgiApplication) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await application({"type": "http"}, receive, send)
    return sent


async def test_a_fault_is_answered_500() -> None:
    """Senders try again after 500; the answer says nothing of what the fault was about."""
    told = Told()
    start, body = await sent_by(guarded(failing(after_start=False), told))
    assert start["status"] == 500 and "canary" not in str(body)
    assert json.loads(body["body"])["errors"][0]["code"] == "INTERNAL"
    assert [type(error) for error in told.errors] == [KeyError]


async def test_a_fault_behind_an_answer_is_told_only() -> None:
    """Once an answer has begun there is no second one."""
    told = Told()
    assert [message["status"] for message in await sent_by(guarded(failing(after_start=True), told))] == [200]
    assert len(told.errors) == 1


async def test_stopping_is_no_fault() -> None:
    """What cancels a request goes through."""

    async def cancelled(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise asyncio.CancelledError

    told = Told()
    with pytest.raises(asyncio.CancelledError):
        await sent_by(guarded(cancelled, told))
    assert told.errors == []
