"""Reading bodies: bounds in bytes before and after decompression, in time, and over all requests together."""

import asyncio
import gzip
import time
import tracemalloc
import zlib
from collections.abc import Iterable

import pytest

from tiktok_forwarder.http.body import (
    BodyLimits,
    BodyRefused,
    HeldBody,
    Message,
    PendingBytes,
    Receive,
    SenderLeft,
    read_body,
)

LIMITS = BodyLimits(max_bytes=1000, max_pending_bytes=10_000, timeout_seconds=5)


def arriving(chunks: Iterable[bytes], *, ends: bool = True) -> Receive:
    """A sender whose body comes in these pieces; without an end it leaves after them."""
    messages: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request"} if ends else {"type": "http.disconnect"})
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    return receive


async def read(
    chunks: Iterable[bytes],
    headers: dict[bytes, bytes] | None = None,
    limits: BodyLimits = LIMITS,
    *,
    ends: bool = True,
) -> bytes:
    with HeldBody(PendingBytes()) as held:
        return await read_body(headers or {}, arriving(chunks, ends=ends), limits, held)


async def refusal_of(
    chunks: Iterable[bytes], headers: dict[bytes, bytes] | None = None, limits: BodyLimits = LIMITS
) -> tuple[int, str]:
    with pytest.raises(BodyRefused) as refused:
        await read(chunks, headers, limits)
    return refused.value.status, refused.value.reason


async def test_pieces_are_joined() -> None:
    """A body that arrives in pieces is read whole."""
    assert await read([b"ab", b"", b"cd"]) == b"abcd"


async def test_an_absent_body_is_empty() -> None:
    """No body at all is zero bytes, for the parser to refuse."""
    assert await read([]) == b""


@pytest.mark.parametrize("encoding", [b"", b"identity", b"Identity "])
async def test_a_body_may_be_said_to_be_plain(encoding: bytes) -> None:
    """An empty or identity encoding changes nothing."""
    assert await read([b"plain"], {b"content-encoding": encoding}) == b"plain"


async def test_the_bound_itself_is_allowed() -> None:
    """Exactly as many bytes as allowed are read, one more is too many."""
    assert len(await read([b"x" * 1000])) == 1000
    assert await refusal_of([b"x" * 1001]) == (413, "too_large")


async def test_a_stream_is_cut_off_at_the_bound() -> None:
    """Reading stops when the bound is passed: an endless body costs no more than that."""
    taken = 0

    def endless() -> Iterable[bytes]:
        nonlocal taken
        while taken < 100:
            taken += 1
            yield b"x" * 300

    # `arriving` lists its chunks, so an endless sender is written out here.
    chunks = iter(endless())

    async def receive() -> Message:
        return {"type": "http.request", "body": next(chunks), "more_body": True}

    with pytest.raises(BodyRefused, match="1000 bytes"), HeldBody(PendingBytes()) as held:
        await read_body({}, receive, LIMITS, held)
    assert taken == 4


@pytest.mark.parametrize("length", [b"1001", b"9" * 30])
async def test_a_declared_length_is_believed_when_too_large(length: bytes) -> None:
    """What says it is too large is refused before a byte of it is read."""
    assert await refusal_of([], {b"content-length": length}) == (413, "too_large")


@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b"x-gzip", b"deflate", b" gzip "])
async def test_compressed_bodies_are_unpacked(encoding: bytes) -> None:
    """gzip and deflate are understood, in any case."""
    packed = zlib.compress(b"hello") if b"deflate" in encoding else gzip.compress(b"hello", mtime=0)
    assert await read([packed], {b"content-encoding": encoding}) == b"hello"


async def test_gzip_of_several_members_is_one_body() -> None:
    """Joined gzip files unpack to their joined contents, as the format says."""
    assert (
        await read([gzip.compress(b"one ", mtime=0) + gzip.compress(b"two", mtime=0)], {b"content-encoding": b"gzip"})
        == b"one two"
    )


async def test_many_members_are_refused_quickly() -> None:
    """A body of thousands of empty members is refused before unpacking them costs anything."""
    body = gzip.compress(b"", mtime=0) * 50_000
    limits = BodyLimits(max_bytes=2_000_000, max_pending_bytes=4_000_000, timeout_seconds=5)
    started = time.perf_counter()
    assert await refusal_of([body], {b"content-encoding": b"gzip"}, limits) == (400, "compression")
    assert time.perf_counter() - started < 1


async def test_a_bomb_costs_no_more_than_the_bound() -> None:
    """256 MiB of zeros in 260 KB are refused while memory grows by little more than the bound."""
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(256)) + packer.flush()
    limits = BodyLimits(max_bytes=1024 * 1024, max_pending_bytes=4_000_000, timeout_seconds=5)
    tracemalloc.start()
    try:
        assert await refusal_of([bomb], {b"content-encoding": b"gzip"}, limits) == (413, "too_large")
        assert tracemalloc.get_traced_memory()[1] < 5 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"plain",
        gzip.compress(b"hello", mtime=0)[:-3],
        gzip.compress(b"hello", mtime=0) + b"more",
        zlib.compress(b"hello"),
    ],
)
async def test_what_is_not_as_its_encoding_says_is_refused(body: bytes) -> None:
    """Plain text, a cut-off body or one with something behind it is a bad request under gzip."""
    assert await refusal_of([body], {b"content-encoding": b"gzip"}) == (400, "compression")


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"gzip, gzip"])
async def test_other_encodings_are_refused(encoding: bytes) -> None:
    """What cannot be unpacked is told apart from what cannot be read."""
    assert await refusal_of([b"x"], {b"content-encoding": encoding}) == (400, "encoding")


async def test_a_slow_body_runs_out_of_time() -> None:
    """A sender that stops in the middle is given up after the deadline, which senders take as a reason to try again."""

    async def receive() -> Message:
        await asyncio.sleep(60)
        return {"type": "http.request"}

    limits = BodyLimits(max_bytes=1000, max_pending_bytes=10_000, timeout_seconds=0.05)
    with pytest.raises(BodyRefused, match=r"0\.05 seconds") as refused, HeldBody(PendingBytes()) as held:
        await read_body({}, receive, limits, held)
    assert refused.value.status == 408


async def test_a_sender_that_leaves_is_no_error_of_ours() -> None:
    """A connection closed in the middle of a body is told as that."""
    with pytest.raises(SenderLeft):
        await read([b"half"], ends=False)


async def test_bodies_together_are_bounded() -> None:
    """Arriving bodies count against one sum, are refused beyond it, and give back what they held."""
    pending = PendingBytes()
    limits = BodyLimits(max_bytes=1000, max_pending_bytes=1500, timeout_seconds=5)
    with HeldBody(pending) as first:
        assert len(await read_body({}, arriving([b"x" * 900]), limits, first)) == 900
        with pytest.raises(BodyRefused) as refused, HeldBody(pending) as second:
            await read_body({}, arriving([b"x" * 500, b"x" * 400]), limits, second)
        assert refused.value.status == 503
        assert pending.total == 900
    assert pending.total == 0
