"""Arriving bodies: bounds in bytes before and after decompression, alone and over all requests together."""

import gzip
import time
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator

import pytest
from msgspec import structs

from tiktok_forwarder.web.body import (
    ArrivingBody,
    BodyLimits,
    BodyRefused,
    PendingBytes,
    joined_headers,
    late_body,
)

LIMITS = BodyLimits(max_bytes=1000, max_pending_bytes=10_000, timeout_seconds=5)


def arrive(body: ArrivingBody, chunks: Iterable[bytes]) -> bytes:
    for chunk in chunks:
        body.add(chunk)
    return body.whole()


def read(chunks: Iterable[bytes], headers: dict[bytes, bytes] | None = None, limits: BodyLimits = LIMITS) -> bytes:
    return arrive(ArrivingBody(headers or {}, structs.replace(limits, pending=PendingBytes())), chunks)


def refusal_of(
    chunks: Iterable[bytes], headers: dict[bytes, bytes] | None = None, limits: BodyLimits = LIMITS
) -> tuple[int, str]:
    with pytest.raises(BodyRefused) as refused:
        read(chunks, headers, limits)
    return refused.value.status, refused.value.reason


def test_pieces_are_joined() -> None:
    """A body that arrives in pieces is read whole."""
    assert read([b"ab", b"", b"cd"]) == b"abcd"


def test_an_absent_body_is_empty() -> None:
    """No body at all is zero bytes, for the parser to refuse."""
    assert read([]) == b""


@pytest.mark.parametrize("encoding", [b"", b"identity", b"Identity ", b"identity, identity", b","])
def test_a_body_may_be_said_to_be_plain(encoding: bytes) -> None:
    """An empty or identity encoding changes nothing."""
    assert read([b"plain"], {b"content-encoding": encoding}) == b"plain"


def test_the_bound_itself_is_allowed() -> None:
    """Exactly as many bytes as allowed are read, one more is too many."""
    assert len(read([b"x" * 1000])) == 1000
    assert refusal_of([b"x" * 1001]) == (413, "too_large")


@pytest.mark.parametrize(
    "chunks", [[b"x" * 400, b"x" * 600], [b"x" * 999, b"x"], [b"", b"x" * 1000], [b"x" * 1000, b""]]
)
def test_bound_holds_however_a_body_is_cut_in_pieces(chunks: list[bytes]) -> None:
    """The sum of the pieces counts: 1,000 bytes are read, and one more byte in any piece is too many."""
    assert read(chunks) == b"x" * 1000
    for number in range(len(chunks)):
        longer = [chunk + b"x" * (number == index) for index, chunk in enumerate(chunks)]
        assert refusal_of(longer) == (413, "too_large")


@pytest.mark.parametrize("count", [0, 1, 999, 1000])
def test_body_of_one_piece_is_the_piece_itself(count: int) -> None:
    """Most bodies arrive in one piece, which is not copied."""
    body = b"x" * count
    assert read([body]) is body


def test_a_stream_is_cut_off_at_the_bound() -> None:
    """Reading stops when the bound is passed: an endless body costs no more than that."""
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while taken < 100:
            taken += 1
            yield b"x" * 300

    assert refusal_of(endless()) == (413, "too_large")
    assert taken == 4


@pytest.mark.parametrize("length", [b"1001", b"9" * 30])
def test_a_declared_length_is_believed_when_too_large(length: bytes) -> None:
    """What says it is too large is refused before a byte of it is read."""
    assert refusal_of([], {b"content-length": length}) == (413, "too_large")


@pytest.mark.parametrize(
    "length", [b"1000", b"0", b"000000000000001000", b"", b"-1", b"+1001", b"1001 ", b"2e3", b"many"]
)
def test_declared_length_within_the_bound_or_unreadable_is_left_to_the_body(length: bytes) -> None:
    """What is not certain to be too large is read, and the bytes that arrive decide."""
    assert read([b"x" * 1000], {b"content-length": length}) == b"x" * 1000
    assert refusal_of([b"x" * 1001], {b"content-length": length}) == (413, "too_large")


@pytest.mark.parametrize(
    "encoding", [b"gzip", b"GZIP", b"x-gzip", b"deflate", b" gzip ", b"gzip, identity", b"identity,GZIP"]
)
def test_compressed_bodies_are_unpacked(encoding: bytes) -> None:
    """gzip and deflate are understood, in any case."""
    packed = zlib.compress(b"hello") if b"deflate" in encoding else gzip.compress(b"hello", mtime=0)
    assert read([packed], {b"content-encoding": encoding}) == b"hello"


def test_gzip_of_several_members_is_one_body() -> None:
    """Joined gzip files unpack to their joined contents, as the format says."""
    assert (
        read([gzip.compress(b"one ", mtime=0) + gzip.compress(b"two", mtime=0)], {b"content-encoding": b"gzip"})
        == b"one two"
    )


def test_gzip_body_has_64_members_at_most() -> None:
    """Each member costs a copy of what follows it, and senders make one."""
    member = gzip.compress(b"x", mtime=0)
    limits = BodyLimits(max_bytes=5000, max_pending_bytes=10_000, timeout_seconds=5)
    assert read([member * 64], {b"content-encoding": b"gzip"}, limits) == b"x" * 64
    assert refusal_of([member * 65], {b"content-encoding": b"gzip"}, limits) == (400, "compression")


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_bound_counts_unpacked_bytes(encoding: bytes) -> None:
    """Exactly as many bytes as allowed come out of a compressed body, and one more is too many."""
    for count in (1000, 1001):
        packed = zlib.compress(b"x" * count) if encoding == b"deflate" else gzip.compress(b"x" * count, mtime=0)
        if count == 1000:
            assert read([packed], {b"content-encoding": encoding}) == b"x" * 1000
        else:
            assert refusal_of([packed], {b"content-encoding": encoding}) == (413, "too_large")


def test_bound_counts_the_members_of_a_gzip_body_together() -> None:
    """Two members that fit alone are too large together."""
    parts = [gzip.compress(b"x" * 600, mtime=0), gzip.compress(b"x" * 400, mtime=0), gzip.compress(b"x" * 401, mtime=0)]
    assert read([parts[0] + parts[1]], {b"content-encoding": b"gzip"}) == b"x" * 1000
    assert refusal_of([parts[0] + parts[2]], {b"content-encoding": b"gzip"}) == (413, "too_large")


def test_many_members_are_refused_quickly() -> None:
    """A body of thousands of empty members is refused before unpacking them costs anything."""
    body = gzip.compress(b"", mtime=0) * 50_000
    limits = BodyLimits(max_bytes=2_000_000, max_pending_bytes=4_000_000, timeout_seconds=5)
    started = time.perf_counter()
    assert refusal_of([body], {b"content-encoding": b"gzip"}, limits) == (400, "compression")
    assert time.perf_counter() - started < 1


def test_a_bomb_costs_no_more_than_the_bound() -> None:
    """256 MiB of zeros in 260 KB are refused while memory grows by little more than the bound."""
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(256)) + packer.flush()
    limits = BodyLimits(max_bytes=1024 * 1024, max_pending_bytes=4_000_000, timeout_seconds=5)
    tracemalloc.start()
    try:
        assert refusal_of([bomb], {b"content-encoding": b"gzip"}, limits) == (413, "too_large")
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
def test_what_is_not_as_its_encoding_says_is_refused(body: bytes) -> None:
    """Plain text, a cut-off body or one with something behind it is a bad request under gzip."""
    assert refusal_of([body], {b"content-encoding": b"gzip"}) == (400, "compression")


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"gzip, gzip"])
def test_other_encodings_are_refused(encoding: bytes) -> None:
    """What cannot be unpacked is told apart from what cannot be read."""
    assert refusal_of([b"x"], {b"content-encoding": encoding}) == (400, "encoding")


def test_a_late_body_may_come_again() -> None:
    """Senders try again after 408."""
    late = late_body(BodyLimits(max_bytes=1000, max_pending_bytes=10_000, timeout_seconds=0.5))
    assert (late.status, late.reason, str(late)) == (408, "timeout", "the body did not arrive within 0.5 seconds")


def test_bodies_together_are_bounded() -> None:
    """Arriving bodies count against one sum, are refused beyond it, and give back what they held."""
    limits = BodyLimits(max_bytes=1000, max_pending_bytes=1500, timeout_seconds=5)
    pending = limits.pending
    first, second = ArrivingBody({}, limits), ArrivingBody({}, limits)
    assert len(arrive(first, [b"x" * 900])) == 900
    with pytest.raises(BodyRefused) as refused:
        arrive(second, [b"x" * 500, b"x" * 400])
    assert refused.value.status == 503
    second.release()
    assert pending.total == 900
    for _ in range(2):
        first.release()
        assert pending.total == 0


def test_bodies_together_may_hold_exactly_what_is_allowed() -> None:
    """The last byte of the allowance is given to a sender, and the next one is refused until it is given back."""
    limits = BodyLimits(max_bytes=1000, max_pending_bytes=1500, timeout_seconds=5)
    pending = limits.pending
    first, second, third, fourth = [ArrivingBody({}, limits) for _ in range(4)]
    arrive(first, [b"x" * 900])
    assert len(arrive(second, [b"x" * 500, b"x" * 100])) == 600
    with pytest.raises(BodyRefused) as refused:
        arrive(third, [b"x"])
    assert (refused.value.status, refused.value.reason) == (503, "overloaded")
    second.release()
    third.release()
    assert arrive(fourth, [b"x"]) == b"x"
    first.release()
    fourth.release()
    assert pending.total == 0


@pytest.mark.parametrize(("room", "fits"), [(0, True), (-1, False)])
def test_bodies_together_count_packed_and_unpacked(room: int, fits: bool) -> None:
    """A compressed body is held twice for a moment: as it came and as it is unpacked."""
    packed = gzip.compress(b"x" * 1000, mtime=0)
    limits = BodyLimits(max_bytes=1000, max_pending_bytes=len(packed) + 1000 + room, timeout_seconds=5)
    pending = limits.pending
    body = ArrivingBody({b"content-encoding": b"gzip"}, limits)
    if fits:
        assert len(arrive(body, [packed])) == 1000
    else:
        with pytest.raises(BodyRefused) as refused:
            arrive(body, [packed])
        assert refused.value.status == 503
    assert pending.total == len(packed) + 1000
    body.release()
    assert pending.total == 0


def test_headers_of_one_name_are_one_list() -> None:
    """None hides another: two encodings are refused, and so are two credentials."""
    given = [(b"content-encoding", b"gzip"), (b"host", b"a"), (b"content-encoding", b"deflate")]
    assert joined_headers(given) == {b"content-encoding": b"gzip, deflate", b"host": b"a"}
    assert joined_headers(given[:2]) == {b"content-encoding": b"gzip", b"host": b"a"}
