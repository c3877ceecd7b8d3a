"""Bodies of requests as they arrive: bounded in bytes, also after decompression."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, field

# zlib's window bits: 16 more for gzip, 32 more to detect gzip or zlib by their headers.
_WINDOW_BITS: Final = {b"gzip": 16 + zlib.MAX_WBITS, b"x-gzip": 16 + zlib.MAX_WBITS, b"deflate": 32 + zlib.MAX_WBITS}

# Each further member of a gzip body costs a copy of what follows it; senders make one.
_MAX_MEMBERS: Final = 64


class PendingBytes:
    """Counts the body bytes of all running requests."""

    def __init__(self) -> None:
        self.total = 0


class BodyLimits(Struct, frozen=True):
    """The limits of bodies.

    `max_bytes` bounds one body, `max_pending_bytes` all current ones, arriving ones included, which `pending` counts. A
    body that is not whole after `timeout_seconds` is refused.
    """

    max_bytes: int
    max_pending_bytes: int
    timeout_seconds: float
    pending: PendingBytes = field(default_factory=PendingBytes)


class BodyRefused(Exception):  # named for what happened
    """The body was not read to its end. `status` is the answer's; `reason` is a short name for metrics."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(message)


class ArrivingBody:
    """The body of one request as received so far. Its bytes count as pending until `release`."""

    __slots__ = ("_encoding", "_held", "_limits", "_pending", "_received")

    def __init__(self, headers: Mapping[bytes, bytes], limits: BodyLimits) -> None:
        """Raises `BodyRefused` if the headers alone show that the body cannot be accepted."""
        self._encoding = _encoding_of(headers)
        length = headers.get(b"content-length", b"")
        if length.isdigit() and (len(length) > 18 or int(length) > limits.max_bytes):
            raise _too_large(limits)
        self._limits = limits
        self._pending = limits.pending
        self._held = 0
        self._received: bytes | bytearray = b""

    def add(self, part: bytes) -> None:
        """Add what has arrived. Raises `BodyRefused`: 503 if all requests together are too large."""
        self._hold(len(part))
        if not self._received:
            # Most bodies arrive in one part, which needs no copy.
            self._received = part
        elif isinstance(self._received, bytearray):
            self._received += part
        else:
            self._received = bytearray(self._received) + part
        if len(self._received) > self._limits.max_bytes:
            raise _too_large(self._limits)

    def whole(self) -> bytes:
        """Return the decompressed body. Raises `BodyRefused`."""
        if self._encoding is None:
            return bytes(self._received)
        body = _decompressed(bytes(self._received), _WINDOW_BITS[self._encoding], self._limits)
        self._hold(len(body))
        return body

    def release(self) -> None:
        """Count the body's bytes as pending no longer. Doing it twice changes nothing."""
        self._pending.total -= self._held
        self._held = 0

    def _hold(self, count: int) -> None:
        self._held += count
        self._pending.total += count
        if self._pending.total > self._limits.max_pending_bytes:
            raise BodyRefused(503, "overloaded", "too many requests at once; retry later")


def late_body(limits: BodyLimits) -> BodyRefused:
    """Return the refusal of a body that is not whole in time."""
    return BodyRefused(408, "timeout", f"the body did not arrive within {limits.timeout_seconds:g} seconds")


def joined_headers(given: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the headers by name. Several of one name are one list, as HTTP has it: none of them hides another."""
    headers = dict(given)
    if len(headers) < len(given):
        headers.clear()
        for name, value in given:
            headers[name] = value if name not in headers else b"%s, %s" % (headers[name], value)
    return headers


def _encoding_of(headers: Mapping[bytes, bytes]) -> bytes | None:
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
