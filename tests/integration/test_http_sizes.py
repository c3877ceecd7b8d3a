"""What a client may send before an application reads it: each size has a bound, and an answer beyond it."""

import asyncio
from pathlib import Path

import pytest

from tests.integration.http_rig import Listening, listening
from tests.patience import wait_until


def request(path: str = "/a", *headers: str, body: bytes = b"") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", *headers]
    if not any("Transfer-Encoding" in header for header in headers):
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def status_of(server: Listening, data: bytes) -> int:
    """Send the bytes on a new connection; return the status of the answer, and wait until it is closed if refused."""
    client = await server.connect()
    await client.send(data)
    status, body = await client.answer()
    if status != 200:
        assert b'"errors"' in body and await client.rest() == b""
    return status


async def test_url_is_bounded_exactly(tmp_path: Path, is_direct: bool) -> None:
    """The limit itself is allowed, one byte more is answered 414."""
    async with listening(tmp_path, is_direct=is_direct, max_request_line_bytes=1000) as server:
        assert await status_of(server, request("/" + "a" * 999)) == 200
        assert await status_of(server, request("/" + "a" * 1000)) == 414
        assert server.recorder.closed == ["max_request_line_bytes"]


async def test_number_of_headers_is_bounded_exactly(tmp_path: Path, is_direct: bool) -> None:
    """Host and Content-Length are two of them."""
    async with listening(tmp_path, is_direct=is_direct, max_headers=20) as server:
        assert await status_of(server, request("/a", *["A: b"] * 18)) == 200
        assert await status_of(server, request("/a", *["A: b"] * 19)) == 431
        assert server.recorder.closed == ["max_headers"]


async def test_size_of_headers_is_bounded_exactly(tmp_path: Path, is_direct: bool) -> None:
    """`Host: x` and `Content-Length: 0` are 9 and 19 bytes with the ends of their lines, `A: ` 5."""
    async with listening(tmp_path, is_direct=is_direct, max_header_bytes=3000) as server:
        assert await status_of(server, request("/a", "A: " + "b" * (3000 - 9 - 19 - 5))) == 200
        assert await status_of(server, request("/a", "A: " + "b" * (3001 - 9 - 19 - 5))) == 431
        assert server.recorder.closed == ["max_header_bytes"]


@pytest.mark.parametrize(
    ("start", "part", "status"),
    [
        (b"GET /", b"a" * 4096, 414),
        (b"GET /a HTTP/1.1\r\nA: ", b"a" * 4096, 431),
        (b"GET /a HTTP/1.1\r\n", b"a" * 4096, 431),
        (b"GET /a HTTP/1.1\r\n", b"A: b\r\n" * 700, 431),
        (b"", b"\r\n" * 2048, 431),
        (b"", b"A" * 4096, 400),
    ],
    ids=["url", "value", "name", "many", "blank lines", "method"],
)
async def test_endless_headers_are_refused(
    start: bytes, part: bytes, status: int, tmp_path: Path, is_direct: bool
) -> None:
    """Whatever has no end is refused after some tens of kilobytes: the client reads why although it never stops."""
    async with listening(tmp_path, is_direct=is_direct) as server:
        client = await server.connect()
        await client.send(start + part)
        for _ in range(20):
            await client.send(part)
        assert (await client.answer())[0] == status
        assert len(server.recorder.closed) == 1 and not server.recorder.started


@pytest.mark.parametrize(
    "part",
    [b"0\r\nA: " + b"a" * 60_000, b"0\r\n" + b"A: b\r\n" * 10_000, b"1;" + b"a" * 60_000],
    ids=["trailer field", "trailer fields", "chunk extension"],
)
async def test_endless_rest_of_a_chunked_body_is_refused(part: bytes, tmp_path: Path, is_direct: bool) -> None:
    """The application that reads the body learns that its client is gone, and the client reads the refusal."""
    async with listening(tmp_path, is_direct=is_direct) as server:
        client = await server.connect()
        await client.send(request("/a", "Transfer-Encoding: chunked") + b"1\r\nx\r\n" + part)
        assert (await client.answer())[0] == 431
        assert await client.rest() == b""
        assert (server.recorder.disconnected, server.recorder.requests) == (1, [])


async def test_trailer_fields_are_no_headers(tmp_path: Path, is_direct: bool) -> None:
    """They come after the checks of headers, and cannot replace one, whether they come at once or later."""
    chunked = request("/a", "Authorization: real", "Transfer-Encoding: chunked") + b"1\r\nx\r\n"
    trailer = b"0\r\nAuthorization: forged\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"
    async with listening(tmp_path, is_direct=is_direct) as server:
        assert await status_of(server, chunked + trailer) == 200
        client = await server.connect()
        await client.send(chunked)
        await client.send(trailer)
        assert (await client.answer())[0] == 200
        names = [b"host", b"authorization", b"transfer-encoding"]
        assert [[name for name, _ in headers] for _, headers, _ in server.recorder.requests] == [names, names]
        assert all((b"authorization", b"real") in headers for _, headers, _ in server.recorder.requests)


async def test_large_body_is_no_matter_of_headers(tmp_path: Path, is_direct: bool) -> None:
    """A body of 3 MB arrives whole, with a length or in chunks of any size."""
    body = bytes(range(256)) * 12_000
    small = b"".join(b"1\r\n%c\r\n" % byte for byte in body[:20_000]) + b"0\r\n\r\n"
    async with listening(tmp_path, is_direct=is_direct) as server:
        assert await status_of(server, request("/a", body=body)) == 200
        chunked = request("/b", "Transfer-Encoding: chunked")
        assert await status_of(server, chunked + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n") == 200
        assert await status_of(server, chunked + small) == 200
        assert [received for _, _, received in server.recorder.requests] == [body, body, body[:20_000]]


async def test_pipelined_requests_are_answered_in_order(tmp_path: Path, is_direct: bool) -> None:
    """300 with bodies in one write, larger ones among them: each is read and answered once."""
    bodies = [b"%d" % number * (1 + number % 7 * 100) for number in range(300)]
    async with listening(tmp_path, is_direct=is_direct) as server:
        client = await server.connect()
        client.writer.write(b"".join(request(f"/{number}", body=body) for number, body in enumerate(bodies)))
        for number in range(300):
            assert await client.answer() == (200, f"/{number}".encode())
        assert [body for _, _, body in server.recorder.requests] == bodies


async def test_pipelined_requests_wait_unparsed(tmp_path: Path, is_direct: bool) -> None:
    """While the first is answered, at most two parts of 4 kB of the others are parsed; then all are answered."""
    pipelined = request("/hold") + b"GET / HTTP/1.1\r\n\r\n" * 10_000
    async with listening(tmp_path, is_direct=is_direct) as server:
        client = await server.connect()
        client.writer.write(pipelined)

        async def all_arrived() -> bool:
            return sum(len(connection._unparsed) for connection in server.protocols) > 100_000

        await wait_until(all_arrived)
        (connection,) = server.protocols
        assert 0 < len(connection.pipeline) <= 2 * 4096 // 18
        server.recorder.go_on.set()
        for _ in range(10_001):
            assert (await client.answer())[0] == 200


async def test_many_pipelined_requests_leave_others_their_turn(tmp_path: Path, is_direct: bool) -> None:
    """They are answered without waiting, and still the event loop goes round once in at most 250 of them."""
    rounds = 0

    async def go_round() -> None:
        nonlocal rounds
        while len(server.recorder.requests) < 10_000:
            await asyncio.sleep(0)
            rounds += 1

    async with listening(tmp_path, is_direct=is_direct) as server:
        client = await server.connect()
        going = asyncio.create_task(go_round())
        await client.send(b"GET / HTTP/1.1\r\n\r\n" * 10_000)
        for _ in range(10_000):
            assert (await client.answer())[0] == 200
        await going
    assert rounds >= 40


async def test_request_waits_until_the_answer_before_it_is_read(tmp_path: Path, is_direct: bool) -> None:
    """A client that asks and does not read fills no memory with answers."""
    async with listening(tmp_path, is_direct=is_direct) as server:
        client = await server.connect()
        await client.send(request("/large") + request("/b") + request("/c"))

        async def is_written() -> bool:
            return len(server.recorder.requests) == 1

        await wait_until(is_written)
        await asyncio.sleep(0.05)
        assert server.recorder.started == 1
        assert len((await client.answer())[1]) == 20_000_000
        assert [await client.answer() for _ in range(2)] == [(200, b"/b"), (200, b"/c")]


async def test_refusal_comes_after_the_answers_before_it(tmp_path: Path, is_direct: bool) -> None:
    """A good request must not be taken for refused, though the next one on its connection is."""
    async with listening(tmp_path, is_direct=is_direct) as server:
        client = await server.connect()
        await client.send(request("/hold") + request("/b") + b"GET /c HTTP/1.1\r\n" + b"A: b\r\n" * 200)
        await server.until_closed("max_headers")
        server.recorder.go_on.set()
        assert await client.answer() == (200, b"/hold")
        assert await client.answer() == (200, b"/b")
        assert (await client.answer())[0] == 431
        assert await client.rest() == b""


async def test_refused_body_of_a_waiting_request_leaves_the_one_before(tmp_path: Path, is_direct: bool) -> None:
    """The second request never reaches the application, since its chunks are malformed."""
    async with listening(tmp_path, is_direct=is_direct) as server:
        client = await server.connect()
        await client.send(request("/hold") + request("/b", "Transfer-Encoding: chunked") + b"zz\r\n")
        await server.until_closed("malformed")
        server.recorder.go_on.set()
        assert await client.answer() == (200, b"/hold")
        assert (await client.answer())[0] == 400
        assert await client.rest() == b""
        assert server.recorder.started == 1


async def test_body_is_never_read_as_a_request(tmp_path: Path, is_direct: bool) -> None:
    """A request that asks for another protocol is answered without it; with a body it is refused and closed."""
    upgrade = ("Connection: Upgrade", "Upgrade: h2c")
    async with listening(tmp_path, is_direct=is_direct) as server:
        client = await server.connect()
        await client.send(b"GET /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert await client.answer() == (200, b"/a")
        await client.send(request("/b", *upgrade))
        assert (await client.answer())[0] == 400
        client = await server.connect()
        await client.send(request("/c", *upgrade, body=b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"))
        await client.send(b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        status, body = await client.answer()
        assert status == 400 and b"Upgrade" in body
        assert await client.rest() == b""
        assert [path for path, _, _ in server.recorder.requests] == ["/a"]


async def test_client_that_waits_for_leave_gets_it(tmp_path: Path, is_direct: bool) -> None:
    """`Expect: 100-continue` is answered before the body is sent."""
    async with listening(tmp_path, is_direct=is_direct) as server:
        client = await server.connect()
        await client.send(request("/a", "Expect: 100-continue", body=b"body")[:-4])
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"body")
        assert await client.answer() == (200, b"/a")
