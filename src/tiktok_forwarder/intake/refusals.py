"""What a sender is told when its request is not accepted.

mParticle senders try again only after 408, 429, 500, 502, 503 and 504; any other refusal loses their data. So a request
that may succeed later gets 503 with `Retry-After`, and a body of which anything can be read is accepted.
"""

from typing import Final

import msgspec

from tiktok_forwarder.domain.errors import ConnectionsFull, StoreFull, StoreUnavailable, UnreadableBody
from tiktok_forwarder.domain.outcome import CONNECTION_FULL
from tiktok_forwarder.web.body import BodyRefused
from tiktok_forwarder.web.exchange import Header

RETRY_AFTER_SECONDS: Final = 5
JSON: Final = (b"content-type", b"application/json")
_RETRY_AFTER: Final = (b"retry-after", str(RETRY_AFTER_SECONDS).encode())
# Soon: another service answers, or this one starts again. deploy/caddy/Caddyfile recognizes it, and asks another node.
_RETRY_AFTER_STOP: Final = (b"retry-after", b"1")
# A slow sender's connection is closed. Others may send the rest of a refused body, which the server discards: a
# connection that is closed while data arrives is reset, and its sender never sees the answer.
_BODY_HEADERS: Final = {408: ((b"connection", b"close"),), 503: (_RETRY_AFTER,)}
_BODY_CODES: Final = {413: "TOO_LARGE", 408: "TIMEOUT", 503: "UNAVAILABLE"}


class Refusal(Exception):
    """A request that is answered with an error. `reason` is a short name for metrics."""

    def __init__(self, status: int, code: str, message: str, *, reason: str, headers: tuple[Header, ...] = ()) -> None:
        self.status = status
        self.code = code
        self.reason = reason
        self.headers = headers
        super().__init__(message)

    def encoded(self) -> bytes:
        return msgspec.json.encode({"errors": [{"code": self.code, "message": str(self)}]})


def later(message: str, reason: str) -> Refusal:
    """Return the refusal of a request that may succeed later."""
    return Refusal(
        503, "UNAVAILABLE", f"{message}; retry later (see Retry-After)", reason=reason, headers=(_RETRY_AFTER,)
    )


def stopping() -> Refusal:
    """Return the refusal of a service that stops."""
    refusal = later("the service is stopping", "stopping")
    refusal.headers = (_RETRY_AFTER_STOP,)
    return refusal


def refusal_of(error: Exception) -> Refusal | None:
    """Return how an error is answered; None if it is internal."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, BodyRefused):
        code = _BODY_CODES.get(error.status, "BAD_REQUEST")
        headers = _BODY_HEADERS.get(error.status, ())
        return Refusal(error.status, code, str(error), reason=error.reason, headers=headers)
    if isinstance(error, UnreadableBody):
        if error.too_large:
            return Refusal(413, "TOO_LARGE", str(error), reason="too_large")
        return Refusal(400, "BAD_REQUEST", str(error), reason="unreadable")
    return _refusal_by_store(error)


def _refusal_by_store(error: Exception) -> Refusal | None:
    if isinstance(error, ConnectionsFull):
        return later(str(error), CONNECTION_FULL)
    if isinstance(error, StoreFull):
        return later("the event store is full", "store_full")
    if isinstance(error, StoreUnavailable):
        return later("the event store cannot be written", "store_unavailable")
    return None
