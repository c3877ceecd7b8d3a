"""The last resort of both servers: turns an internal error into a 500, reported without the request's content."""

from typing import Final, Protocol

import msgspec
from starlette.requests import ClientDisconnect

from tiktok_forwarder.web.asgi import AsgiApplication, Message, Receive, Scope, Send

INTERNAL_ERROR: Final = msgspec.json.encode(
    {"errors": [{"code": "INTERNAL", "message": "internal error; the service log shows where; retry later"}]}
)


class FaultObserver(Protocol):
    """Receives internal errors. An error's text may quote a request, so it must not be logged."""

    def on_internal_error(self, error: Exception) -> None: ...


def guarded(application: AsgiApplication, observer: FaultObserver) -> AsgiApplication:
    """Return the application with every exception turned into a 500: senders try again after that.

    A peer that leaves in the middle of its request is no error.
    """

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await application(scope, receive, watched_send)
        except ClientDisconnect:
            pass  # The peer left before its request was complete: no one waits for an answer.
        except Exception as error:
            observer.on_internal_error(error)
            if not started:
                headers = [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(INTERNAL_ERROR)).encode()),
                ]
                await send({"type": "http.response.start", "status": 500, "headers": headers})
                await send({"type": "http.response.body", "body": INTERNAL_ERROR})

    return guard
