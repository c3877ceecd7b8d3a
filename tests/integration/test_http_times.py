"""How long a connection may be silent, slow or unread, and which one goes when there are too many."""

import asyncio
from pathlib import Path

import pytest

from tests.integration.http_rig import listening
from tests.patience import wait_until

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.slow
async def test_headers_must_be_complete_in_time(tmp_path: Path, is_direct: bool) -> None:
    """A silent client is closed; one that has begun is answered 408, also on a connection that served a request."""
    async with listening(tmp_path, is_direct=is_direct, header_timeout_seconds=0.2, keep_alive_seconds=60) as server:
        silent, begun, second = [await server.connect() for _ in range(3)]
        await begun.send(b"GET /a HTTP/1.1\r\nHo")
        await second.send(GET)
        assert (await second.answer())[0] == 200
        await second.send(b"GET /a HTTP/1.1\r\nHo")
        assert await silent.rest() == b""
        assert (await begun.answer())[0] == 408
        assert (await second.answer())[0] == 408
        assert await begun.rest() == await second.rest() == b""
        await server.until_closed("header_timeout_seconds", "header_timeout_seconds", "header_timeout_seconds")


@pytest.mark.slow
async def test_byte_by_byte_gains_no_time(tmp_path: Path, is_direct: bool) -> None:
    """The time of headers runs from the start of the connection, whatever trickles in, blank lines too."""
    async with listening(tmp_path, is_direct=is_direct, header_timeout_seconds=0.5) as server:
        blank, begun = [await server.connect() for _ in range(2)]
        await begun.send(b"GET /a HTTP/1.1\r\nA: ")

        async def dribble() -> None:
            while len(server.recorder.closed) < 2:
                blank.writer.write(b"\r\n")
                begun.writer.write(b"b")
                await asyncio.sleep(0.02)

        await asyncio.wait_for(dribble(), 30)
        assert server.recorder.closed == ["header_timeout_seconds", "header_timeout_seconds"]


@pytest.mark.slow
async def test_idle_connection_is_closed_in_time_and_a_used_one_is_not(tmp_path: Path, is_direct: bool) -> None:
    """A request that runs longer than the time of an idle connection is answered."""
    async with listening(tmp_path, is_direct=is_direct, keep_alive_seconds=0.2) as server:
        idle, running = await server.connect(), await server.connect()
        await running.send(GET.replace(b"/a", b"/hold"))
        await idle.send(GET)
        assert (await idle.answer())[0] == 200
        assert await idle.rest() == b""
        server.recorder.go_on.set()
        assert (await running.answer())[0] == 200
        assert await running.rest() == b""
        await server.until_closed("keep_alive_seconds", "keep_alive_seconds")


@pytest.mark.slow
async def test_rest_of_an_answered_body_must_arrive_in_time(tmp_path: Path, is_direct: bool) -> None:
    """A refused sender may send what it had begun, and not forever."""
    async with listening(tmp_path, is_direct=is_direct, body_timeout_seconds=0.2) as server:
        client = await server.connect()
        await client.send(b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nx")
        assert (await client.answer())[0] == 200
        await server.until_closed("body_timeout_seconds")


@pytest.mark.slow
async def test_answer_must_be_read_in_time(tmp_path: Path, is_direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that asks for 20 MB and reads nothing is closed; one that reads gets them."""
    monkeypatch.setattr("tiktok_forwarder.web.bounded_protocol._ANSWER_SECONDS", 0.2)
    async with listening(tmp_path, is_direct=is_direct) as server:
        client, reading = await server.connect(), await server.connect()
        await client.send(GET.replace(b"/a", b"/large"))
        await server.until_closed("unread_answer")
        await server.until_open(1)
        monkeypatch.undo()
        await reading.send(GET.replace(b"/a", b"/large"))
        assert len((await reading.answer())[1]) == 20_000_000


async def test_silent_connection_makes_room_for_a_new_one(tmp_path: Path, is_direct: bool) -> None:
    """Of a silent, a dribbling and a used connection the silent one goes first, the dribbling one next."""
    async with listening(tmp_path, is_direct=is_direct, max_http_connections=3) as server:
        silent, dribbling, used = [await server.connect() for _ in range(3)]
        await server.until_open(3)
        await used.send(GET)
        assert (await used.answer())[0] == 200
        await dribbling.send(b"GET /a HT")
        fourth = await server.connect()
        await fourth.send(GET)
        assert (await fourth.answer())[0] == 200
        assert await silent.rest() == b""
        fifth = await server.connect()
        await fifth.send(GET)
        assert (await fifth.answer())[0] == 200
        assert await dribbling.rest() == b""
        await used.send(GET)
        assert (await used.answer())[0] == 200
        assert server.recorder.closed == ["max_http_connections", "max_http_connections"]


async def test_command_line_reaches_a_full_server(tmp_path: Path, is_direct: bool) -> None:
    """A connection to the socket of the data directory replaces a silent one too."""
    async with listening(tmp_path, is_direct=is_direct, max_http_connections=2) as server:
        silent = [await server.connect() for _ in range(2)]
        await server.until_open(2)
        reader, writer = await asyncio.open_unix_connection(server.admin_socket)
        writer.write(GET)
        assert (await asyncio.wait_for(reader.readline(), 30)).startswith(b"HTTP/1.1 200 ")
        assert await silent[0].rest() == b""
        writer.close()


@pytest.mark.slow
async def test_stop_does_not_wait_for_half_sent_requests(
    tmp_path: Path, is_direct: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that runs is answered, one whose body is missing ends like one whose sender left, without an error."""
    async with listening(tmp_path, is_direct=is_direct) as server:
        running, half, begun = [await server.connect() for _ in range(3)]
        await running.send(GET.replace(b"/a", b"/hold"))
        await half.send(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx")
        await begun.send(b"GET /a HTTP/1.1\r\nHo")
        await server.until_open(3)

        async def both_run() -> bool:
            return server.recorder.started == 2

        await wait_until(both_run)
        stop = asyncio.create_task(server.servers.stop(1))
        assert await half.rest() == b""
        server.recorder.go_on.set()
        assert (await running.answer())[0] == 200
        await asyncio.wait_for(stop, 30)
        assert server.recorder.disconnected == 1
    assert caplog.records == []


async def test_stop_removes_its_own_socket_file_only(tmp_path: Path, is_direct: bool) -> None:
    """After the data directory was replaced, another service listens at the path."""
    async with listening(tmp_path, is_direct=is_direct) as server:
        own = server.admin_socket
        own.rename(tmp_path / "moved.sock")
        own.touch()
    assert own.exists()
    async with listening(tmp_path, is_direct=is_direct) as server:
        assert server.admin_socket.is_socket()
    assert not own.exists()
