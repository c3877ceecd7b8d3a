"""Reads request bodies: bounded in bytes, also after decompression, and in time."""

import asyncio
import zlib
from collections.abc import Sequence
from typing import Final, Self

from msgspec import Struct

from tiktok_forwarder.web.asgi import Receive

# zlib's window bits: 16 more for gzip, 32 more to detect gzip or zlib by their headers.
_WINDOW_BITS: Final = {b"gzip": 16 + zlib.MAX_WBITS, b"x-gzip": 16 + zlib.MAX_WBITS, b"deflate": 32 + zlib.MAX_WBITS}


# Each further member of a gzip body costs a copy of what follows it; senders make one.
_MAX_MEMBERS: Final = 64


class BodyLimits(Struct, frozen=True):
    """The limits of bodies.

    `max_bytes` bounds one body, `max_pending_bytes` all current ones, arriving ones included.
    """

    max_bytes: int
    max_pending_bytes: int
    timeout_seconds: float


class PendingBytes:
    """Counts the body bytes of all running requests."""

    def __init__(self) -> None:
        self.total = 0


class HeldBody:
    """The body of one request as received so far.

    Its bytes are given back to `PendingBytes` when the `with` block ends.
    """

    def __init__(self, pending: PendingBytes) -> None:
        self._pending = pending
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pending.total -= self._held

    def hold(self, count: int, limits: BodyLimits) -> None:
        """Count received bytes. Raises `BodyRefused`: 503 if all requests together hold too much."""
        self._held += count
        self._pending.total += count
        if self._pending.total > limits.max_pending_bytes:
            raise BodyRefused(503, "overloaded", "too many requests at once; retry later")


class BodyRefused(Exception):  # named for what happened
    """The body was not read to its end. `status` is the answer's; `reason` is a short name for metrics."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(message)


class SenderLeft(Exception):  # named for what happened
    """The sender closed the connection before its request was complete: no one waits for an answer."""


async def read_body(headers: dict[bytes, bytes], receive: Receive, limits: BodyLimits, held: HeldBody) -> bytes:
    """Return the decompressed body. Raises `BodyRefused` and `SenderLeft`."""
    encoding = _encoding_of(headers)
    length = headers.get(b"content-length", b"")
    if length.isdigit() and (len(length) > 18 or int(length) > limits.max_bytes):
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.timeout_seconds):
            raw = await _received(receive, limits, held)
    except TimeoutError:
        seconds = f"{limits.timeout_seconds:g}"
        raise BodyRefused(408, "timeout", f"the body did not arrive within {seconds} seconds") from None
    if raw is None:
        raise _too_large(limits)
    if encoding is None:
        return raw
    body = _decompressed(raw, _WINDOW_BITS[encoding], limits)
    held.hold(len(body), limits)
    return body


def joined_headers(given: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the headers by name. Several of one name are one list, as HTTP has it: none of them hides another."""
    headers = dict(given)
    if len(headers) < len(given):
        headers.clear()
        for name, value in given:
            headers[name] = value if name not in headers else b"%s, %s" % (headers[name], value)
    return headers


def _encoding_of(headers: dict[bytes, bytes]) -> bytes | None:
    """Return the compression of the body, None if there is none; `identity` in a list of encodings means nothing."""
    given = headers.get(b"content-encoding")
    if given is None:
        return None
    encodings = [encoding for each in given.lower().split(b",") if (encoding := each.strip()) not in (b"", b"identity")]
    if not encodings:
        return None
    if len(encodings) > 1 or encodings[0] not in _WINDOW_BITS:
        raise BodyRefused(400, "encoding", "the body's content-encoding must be gzip, deflate or identity")
    return encodings[0]


async def _received(receive: Receive, limits: BodyLimits, held: HeldBody) -> bytes | None:
    """Return the received bytes, or None once they are more than allowed."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise SenderLeft
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        held.hold(len(chunk), limits)
        if not more and not body:
            return chunk if len(chunk) <= limits.max_bytes else None
        body += chunk
        if len(body) > limits.max_bytes:
            return None
        if not more:
            return bytes(body)


def _too_large(limits: BodyLimits) -> BodyRefused:
    return BodyRefused(413, "too_large", f"the body is too large; the limit is {limits.max_bytes} bytes")


def _decompressed(raw: bytes, window_bits: int, limits: BodyLimits) -> bytes:
    """Return the decompressed body.

    Stops at the bound, not at the end: a bomb of 256 MiB costs only the bound's memory.
    """
    body = b""
    rest = raw
    try:
        for _ in range(_MAX_MEMBERS):
            decompressor = zlib.decompressobj(window_bits)
            body += decompressor.decompress(rest, limits.max_bytes + 1 - len(body))
            if len(body) > limits.max_bytes or decompressor.unconsumed_tail:
                raise _too_large(limits)
            if not decompressor.eof:
                raise BodyRefused(400, "compression", "the compressed body is incomplete")
            rest = decompressor.unused_data
            if not rest:
                return body
    except zlib.error:
        raise BodyRefused(400, "compression", "the body does not match its content-encoding") from None
    raise BodyRefused(400, "compression", f"the compressed body has more than {_MAX_MEMBERS} members")
