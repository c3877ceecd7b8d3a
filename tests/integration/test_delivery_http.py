"""One request to TikTok over real sockets: what arrives, what is read, and what every kind of trouble is called."""

import asyncio
import contextlib
import gc
import gzip
import io
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.certificates import make_certificate
from tests.integration.raw_server import Reply, drip, flood, http, raw, raw_server, reset, silence
from tiktok_forwarder import __version__
from tiktok_forwarder.delivery.http_client import TikTokHttpSender
from tiktok_forwarder.delivery.interfaces import HttpAnswer, NoAnswer, OutboundRequest
from tiktok_forwarder.domain.errors import ConfigurationError

OK_BODY = b'{"code":0,"message":"OK","request_id":"r","data":{}}'
REQUEST = OutboundRequest("/open_api/v1.3/event/track/", "secret-token", b'{"data":[]}')

MakeSender = Callable[..., TikTokHttpSender]


@pytest.fixture
async def make_sender() -> AsyncIterator[MakeSender]:
    """Senders that wait for a busy machine, closed at the end."""
    made: list[TikTokHttpSender] = []

    def make(url: str, **options: Any) -> TikTokHttpSender:
        made.append(TikTokHttpSender(url, **{"deadline_seconds": 30, "connect_seconds": 30, **options}))
        return made[-1]

    yield make
    for sender in made:
        await sender.close()


async def test_a_request_arrives_as_tiktok_wants_it(make_sender: MakeSender) -> None:
    """Path, token, headers and body are TikTok's, and one connection serves several requests."""
    async with raw_server(http(200, OK_BODY)) as server:
        sender = make_sender(server.url + "/")
        answers = [await sender.send(REQUEST) for _ in range(2)]
    assert answers == [HttpAnswer(200, OK_BODY)] * 2
    line, headers, body = server.requests[0]
    assert line == "POST /open_api/v1.3/event/track/ HTTP/1.1"
    assert body == REQUEST.body
    assert headers["access-token"] == "secret-token"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == f"tiktok-forwarder/{__version__}"
    assert "content-encoding" not in headers


async def test_date_is_asked_for_without_token_and_content(make_sender: MakeSender) -> None:
    """The answer's other parts do not matter; without an answer there is no date."""
    dated = http(404, b"", "Date: Wed, 01 Jan 2025 00:01:00 GMT\r\n")
    async with raw_server(dated) as server:
        sender = make_sender(server.url)
        assert await sender.fetch_date() == "Wed, 01 Jan 2025 00:01:00 GMT"
    line, headers, body = server.requests[0]
    assert (line, body) == ("HEAD / HTTP/1.1", b"") and "access-token" not in headers
    async with raw_server(reset) as server:
        assert await make_sender(server.url).fetch_date() is None
    assert await make_sender(server.url).fetch_date() is None


async def test_bodies_of_many_megabytes_are_sent_whole(make_sender: MakeSender) -> None:
    """A full group is larger than a socket's buffer."""
    request = OutboundRequest(REQUEST.path, "token", b"x" * 5_000_000)
    async with raw_server(http(200, OK_BODY)) as server:
        assert await make_sender(server.url).send(request) == HttpAnswer(200, OK_BODY)
    assert server.requests[0][2] == request.body


async def test_bodies_may_be_compressed(make_sender: MakeSender) -> None:
    """With `compress`, the body is gzip and says so."""
    async with raw_server(http(200, OK_BODY)) as server:
        await make_sender(server.url, compress=True).send(REQUEST)
    _, headers, body = server.requests[0]
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == REQUEST.body


@pytest.mark.parametrize("status", [200, 204, 400, 401, 404, 408, 429, 500, 502, 503])
async def test_every_status_is_an_answer(make_sender: MakeSender, status: int) -> None:
    """Status, body and `Retry-After` come back as they stand."""
    body = b"" if status == 204 else OK_BODY
    async with raw_server(http(status, body, "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n")) as server:
        answer = await make_sender(server.url).send(REQUEST)
    assert answer == HttpAnswer(status, body, "Fri, 31 Dec 1999 23:59:59 GMT")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(make_sender: MakeSender, status: int) -> None:
    """Neither the token nor the events go where a redirect points."""
    async with (
        raw_server(http(200, OK_BODY)) as elsewhere,
        raw_server(http(status, b"", f"Location: {elsewhere.url}/\r\n")) as server,
    ):
        answer = await make_sender(server.url).send(REQUEST)
    assert answer == HttpAnswer(status, b"")
    assert (len(server.requests), len(elsewhere.requests)) == (1, 0)


async def test_cookies_are_not_kept(make_sender: MakeSender) -> None:
    """A cookie that a server sets is not sent back."""
    async with raw_server(http(200, OK_BODY, "Set-Cookie: a=b\r\n")) as server:
        sender = make_sender(server.url.replace("127.0.0.1", "localhost"))
        await sender.send(REQUEST)
        await sender.send(REQUEST)
    assert "cookie" not in server.requests[1][1]


async def test_an_interim_answer_is_waited_past(make_sender: MakeSender) -> None:
    """HTTP 100 is not the answer."""
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + b'{"code":0}'
    async with raw_server(raw(answer)) as server:
        assert await make_sender(server.url).send(REQUEST) == HttpAnswer(200, b'{"code":0}')


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        pytest.param(http(200, b'{"code":0', "Content-Type: application/json\r\n"), b'{"code":0', id="truncated JSON"),
        pytest.param(http(200, b""), b"", id="nothing"),
        pytest.param(http(200, OK_BODY, "Content-Type: text/html\r\n"), b"", id="says it is a page"),
        pytest.param(http(200, b"\x00" * 9), b"\x00" * 9, id="NULs"),
        pytest.param(http(200, b"\xff\xfe"), b"\xff\xfe", id="no UTF-8"),
        pytest.param(http(200, gzip.compress(OK_BODY), "Content-Encoding: gzip\r\n"), OK_BODY, id="gzip"),
        pytest.param(http(200, gzip.compress(OK_BODY)[:-9], "Content-Encoding: gzip\r\n"), b"", id="half a gzip"),
        pytest.param(http(200, OK_BODY, "Content-Encoding: gzip\r\n"), b"", id="no gzip"),
        pytest.param(http(200, OK_BODY, "Content-Encoding: br\r\n"), b"", id="unknown encoding"),
    ],
)
async def test_odd_bodies_are_read_for_what_they_are(make_sender: MakeSender, reply: Reply, body: bytes) -> None:
    """What cannot be TikTok's JSON comes back as it is, or empty: never as a success."""
    async with raw_server(reply) as server:
        assert await make_sender(server.url).send(REQUEST) == HttpAnswer(200, body)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(http(200, b" " * 5_000_000), id="5 MB"),
        pytest.param(flood, id="endless"),
        pytest.param(http(200, gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip\r\n"), id="gzip bomb"),
    ],
)
async def test_oversized_answers_are_cut_off(make_sender: MakeSender, reply: Reply) -> None:
    """At most 1 MiB of an answer is read, compressed or not."""
    async with raw_server(reply) as server:
        answer = await make_sender(server.url).send(REQUEST)
    assert isinstance(answer, NoAnswer)
    assert (answer.kind, answer.may_have_arrived) == ("oversized", True)


@pytest.mark.parametrize(("size", "is_read"), [(1_048_576, True), (1_048_577, False)])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_answer_is_read_up_to_1_mib(make_sender: MakeSender, encoding: str, size: int, is_read: bool) -> None:
    """The bound is of the bytes after decompression, and the last byte that it allows is read."""
    body = b" " * size
    sent = gzip.compress(body) if encoding == "gzip" else body
    async with raw_server(http(200, sent, f"Content-Encoding: {encoding}\r\n")) as server:
        answer = await make_sender(server.url).send(REQUEST)
    assert isinstance(answer, HttpAnswer) == is_read
    assert not is_read or answer == HttpAnswer(200, body)


LOST_ANSWERS = [
    pytest.param(silence, "timeout", id="silence"),
    pytest.param(drip, "timeout", id="drip"),
    pytest.param(http(200, b"", length=10), "timeout", id="a body that does not come"),
    pytest.param(reset, "reset", id="reset"),
    pytest.param(raw(b"", close=True), "reset", id="closed"),
    pytest.param(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", close=True), "reset", id="closed half-way"),
    pytest.param(raw(b"SSH-2.0-OpenSSH_9.2\r\n", close=True), "reset", id="not HTTP"),
    pytest.param(raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"), "reset", id="huge header"),
]


def patience(kind: str) -> dict[str, float]:
    """The options of a sender: what never comes is waited for shortly."""
    return {"deadline_seconds": 1} if kind == "timeout" else {}


@pytest.mark.parametrize(("reply", "kind"), LOST_ANSWERS)
async def test_a_lost_answer_may_mean_an_arrival(make_sender: MakeSender, reply: Reply, kind: str) -> None:
    """Once the request has left, TikTok may have it, whatever comes back; nothing is sent twice."""
    async with raw_server(reply) as server:
        started = time.monotonic()
        answer = await make_sender(server.url, **patience(kind)).send(REQUEST)
        assert time.monotonic() - started < 10
    assert isinstance(answer, NoAnswer)
    assert (answer.kind, answer.may_have_arrived) == (kind, True)
    assert len(server.requests) == 1


async def test_a_refused_connection_carried_nothing(make_sender: MakeSender) -> None:
    """A closed port is told apart from a lost answer."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        answer = await make_sender(f"http://127.0.0.1:{unused.getsockname()[1]}").send(REQUEST)
    assert isinstance(answer, NoAnswer)
    assert (answer.kind, answer.may_have_arrived) == ("connect", False)


@contextlib.asynccontextmanager
async def keeping_none_of(*parts: bytes | str) -> AsyncIterator[None]:
    """Fails if its block leaves a reference to one of these, while nothing searches for cycles."""
    gc.disable()
    try:
        before = list(map(sys.getrefcount, parts))
        yield
        # A task that was canceled ends in the next turn of the event loop.
        await asyncio.sleep(0)
        assert list(map(sys.getrefcount, parts)) == before
    finally:
        gc.enable()


def own_request(name: str) -> OutboundRequest:
    """A request with a body and a token that nothing else refers to."""
    return OutboundRequest(REQUEST.path, f"token of {name}", f"body of {name}".encode())


@pytest.mark.parametrize(("reply", "kind"), LOST_ANSWERS)
async def test_request_whose_answer_is_lost_is_not_kept(make_sender: MakeSender, reply: Reply, kind: str) -> None:
    """Errors form cycles with the functions that they end, and the service searches for cycles seldom."""
    request = own_request(kind)
    async with raw_server(reply) as server:
        sender = make_sender(server.url, **patience(kind))
        async with keeping_none_of(request.body, request.access_token):
            assert isinstance(await sender.send(request), NoAnswer)


@pytest.mark.parametrize("host", ["http://127.0.0.1", "https://127.0.0.1", "http://localhost"])
async def test_request_without_a_connection_is_not_kept(make_sender: MakeSender, host: str) -> None:
    """While TikTok is down, each attempt would leave a whole body and the token in memory."""
    request = own_request(host)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        sender = make_sender(f"{host}:{unused.getsockname()[1]}")
        async with keeping_none_of(request.body, request.access_token):
            assert isinstance(await sender.send(request), NoAnswer)


def test_request_that_is_answered_before_its_end_keeps_no_body() -> None:
    """The cycle of the service's event loop around a half-sent request is out of reach, but the body is not."""
    request = OutboundRequest(REQUEST.path, "token", b"x" * 5_000_001)

    async def answer_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
        writer.close()

    async def send() -> None:
        server = await asyncio.start_server(answer_early, "127.0.0.1", 0)
        sender = TikTokHttpSender(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with server, keeping_none_of(request.body):
            answer = await sender.send(request)
            assert isinstance(answer, NoAnswer) and answer.kind == "reset"
            # The library copies the bytes within their stream.
            streams = [each for each in gc.get_objects() if isinstance(each, io.BytesIO) and not each.closed]
            assert [each for each in streams if each.getbuffer().nbytes == len(request.body)] == []
        await sender.close()

    uvloop.run(send())


async def test_an_unknown_host_carried_nothing(make_sender: MakeSender, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that does not resolve is trouble with connecting."""

    def no_such_host(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_host)
    answer = await make_sender("https://tiktok.invalid").send(REQUEST)
    assert isinstance(answer, NoAnswer)
    assert (answer.kind, answer.may_have_arrived) == ("connect", False)


async def test_a_hanging_name_lookup_ends_in_time(make_sender: MakeSender, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connect timeout covers the lookup, and the event loop stays free meanwhile."""

    def hang(*_: object, **__: object) -> None:
        time.sleep(1.0)
        raise socket.gaierror(socket.EAI_AGAIN, "Try again")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    sending = asyncio.create_task(make_sender("https://tiktok.invalid", connect_seconds=0.3).send(REQUEST))
    started = time.monotonic()
    await asyncio.sleep(0.05)
    assert time.monotonic() - started < 0.25
    answer = await sending
    assert time.monotonic() - started < 0.9
    assert isinstance(answer, NoAnswer)
    assert (answer.kind, answer.may_have_arrived) == ("timeout", False)


@pytest.mark.parametrize("case", ["self-signed", "wrong host", "expired"])
async def test_a_server_that_cannot_prove_itself_gets_nothing(
    make_sender: MakeSender, tmp_path: Path, case: str
) -> None:
    """TLS is verified: chain, host name and dates. A failure is called `tls`, and no request was made."""
    certificate, server_tls = make_certificate(
        tmp_path, host="198.51.100.7" if case == "wrong host" else "127.0.0.1", expired=case == "expired"
    )
    client_tls = ssl.create_default_context()
    if case != "self-signed":
        client_tls.load_verify_locations(certificate)
    async with raw_server(http(200, OK_BODY), tls=server_tls) as server:
        answer = await make_sender(server.url, tls=client_tls).send(REQUEST)
    assert isinstance(answer, NoAnswer)
    assert (answer.kind, answer.may_have_arrived) == ("tls", False)
    assert server.requests == []


async def test_a_trusted_server_gets_the_request(make_sender: MakeSender, tmp_path: Path) -> None:
    """The same certificate, trusted, valid and for this host, is fine."""
    certificate, server_tls = make_certificate(tmp_path, host="127.0.0.1", expired=False)
    client_tls = ssl.create_default_context(cafile=str(certificate))
    async with raw_server(http(200, OK_BODY), tls=server_tls) as server:
        assert await make_sender(server.url, tls=client_tls).send(REQUEST) == HttpAnswer(200, OK_BODY)


async def test_a_handshake_that_breaks_off_is_passing_trouble(make_sender: MakeSender) -> None:
    """A connection closed during the handshake says nothing about certificates."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        answer = await make_sender(f"https://127.0.0.1:{port}").send(REQUEST)
    assert isinstance(answer, NoAnswer)
    assert (answer.kind, answer.may_have_arrived) == ("connect", False)


@pytest.mark.parametrize(
    "url",
    ["http://example.com", "http://203.0.113.9:8080", "ftp://127.0.0.1", "example.com", "https://", "https://h/?q"],
)
async def test_only_loopback_may_do_without_tls(url: str) -> None:
    """Another machine is reached over https, and an address must be one."""
    with pytest.raises(ConfigurationError, match="tiktok_base_url"):
        TikTokHttpSender(url)


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.0.0.9:1", "http://[::1]:1", "https://example.com/x"])
async def test_loopback_and_https_addresses_are_taken(make_sender: MakeSender, url: str) -> None:
    """The sandbox runs without certificates."""
    make_sender(url)
