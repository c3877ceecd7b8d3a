"""Notices over HTTPS: only to the checked address, with nothing followed and nothing read."""

import asyncio
import ssl
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.certificates import make_certificate
from tests.integration.raw_server import RawServer, drip, flood, http, raw, raw_server, reset, silence
from tiktok_forwarder.notices import https_post
from tiktok_forwarder.notices.addresses import AllowedHosts, parse_allowed_hosts
from tiktok_forwarder.notices.https_post import HttpsPoster, NotSent, read_url

LOOPBACK = parse_allowed_hosts("127.0.0.1")
HOST = "hooks.example.com"


class Resolver:
    """Returns the next of its answers each time, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A certificate for the host, whose authority is this machine's only one."""
    path, tls = make_certificate(tmp_path, host=HOST)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    yield tls


def url_of(server: RawServer, path: str = "/hook") -> str:
    return f"https://{HOST}:{server.url.rpartition(':')[2]}{path}"


async def reason_of(poster: HttpsPoster, url: str) -> str:
    with pytest.raises(NotSent) as error:
        await poster.post(url, b"{}", {})
    return str(error.value)


async def test_request_goes_to_the_checked_address_with_the_name(certificate: ssl.SSLContext) -> None:
    """Certificate and Host header are the name's, although the address was resolved before."""
    async with raw_server(http(204, b""), tls=certificate) as server:
        resolver = Resolver(["127.0.0.1"])
        await HttpsPoster(LOOPBACK, resolver).post(url_of(server, "/a?b=c"), b'{"x":1}', {"webhook-id": "msg_1"})
        ((line, headers, body),) = server.requests
    assert (line, body) == ("POST /a?b=c HTTP/1.1", b'{"x":1}')
    assert headers["host"] == url_of(server)[8:].removesuffix("/hook")
    assert (headers["webhook-id"], headers["content-type"]) == ("msg_1", "application/json")
    assert resolver.asked == [HOST]


async def test_name_that_changes_its_address_after_the_check_is_not_followed(certificate: ssl.SSLContext) -> None:
    """It is resolved once for an attempt; the next attempt checks what it resolves to then."""
    async with raw_server(http(200, b""), tls=certificate) as server:
        resolver = Resolver(["127.0.0.1"], ["10.0.0.1"])
        poster = HttpsPoster(LOOPBACK, resolver)
        await poster.post(url_of(server), b"{}", {})
        assert (len(server.requests), len(resolver.asked)) == (1, 1)
        assert "not public" in await reason_of(poster, url_of(server))
        assert len(server.requests) == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
async def test_this_machine_is_never_asked(certificate: ssl.SSLContext, host: str) -> None:
    """No connection is made, so a server here notices nothing."""
    connections = 0

    async def on_connection(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert "not public" in await reason_of(HttpsPoster(AllowedHosts()), f"https://{host}:{port}/")
    await asyncio.sleep(0.05)
    server.close()
    assert connections == 0


@pytest.mark.parametrize("url", ["http://169.254.169.254/", "https://169.254.169.254/latest/meta-data/"])
async def test_metadata_service_is_never_asked(url: str) -> None:
    """Neither unencrypted, which no URL may be, nor over TLS."""
    assert await reason_of(HttpsPoster(AllowedHosts()), url) in (
        "the URL is not an https:// URL",
        "the host has an address that is not public, and is not in notice_allowed_hosts",
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(certificate: ssl.SSLContext, status: int) -> None:
    """What it leads to was not checked."""
    async with raw_server(http(200, b""), tls=certificate) as other:
        redirect = http(status, b"", f"Location: {url_of(other)}\r\n")
        async with raw_server(redirect, tls=certificate) as server:
            reason = await reason_of(HttpsPoster(LOOPBACK, Resolver(["127.0.0.1"])), url_of(server))
        await asyncio.sleep(0.05)
        assert other.requests == []
    assert reason == f"the server answered with a redirect (HTTP {status}), which is not followed"


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_failure_is_repeated_and_its_answer_is_not_shown(certificate: ssl.SSLContext, status: int) -> None:
    """A body may be that of a machine which the URL's owner must not see."""
    async with raw_server(http(status, b"secret of the server"), tls=certificate) as server:
        with pytest.raises(NotSent) as error:
            await HttpsPoster(LOOPBACK, Resolver(["127.0.0.1"])).post(url_of(server), b"{}", {})
    assert str(error.value) == f"the server answered HTTP {status}"
    assert not error.value.is_final


async def test_answer_410_is_final(certificate: ssl.SSLContext) -> None:
    """The Standard Webhooks specification gives it this meaning."""
    async with raw_server(http(410, b""), tls=certificate) as server:
        with pytest.raises(NotSent) as error:
            await HttpsPoster(LOOPBACK, Resolver(["127.0.0.1"])).post(url_of(server), b"{}", {})
    assert error.value.is_final


async def test_endless_answer_costs_nothing(certificate: ssl.SSLContext) -> None:
    """Its status is enough; a server cannot hold the sender, or fill its memory."""
    for reply in (flood, drip):
        async with raw_server(reply, tls=certificate) as server:
            began = time.monotonic()
            await HttpsPoster(LOOPBACK, Resolver(["127.0.0.1"])).post(url_of(server), b"{}", {})
            assert time.monotonic() - began < 3


async def test_server_that_does_not_answer_is_left_in_time(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for a resolver that hangs."""
    monkeypatch.setattr(https_post, "SEND_SECONDS", 0.3)

    async def hanging(_host: str, _port: int) -> Sequence[str]:
        await asyncio.sleep(30)
        return []

    async with raw_server(silence, tls=certificate) as server:
        for resolve in (Resolver(["127.0.0.1"]), hanging):
            assert await reason_of(HttpsPoster(LOOPBACK, resolve), url_of(server)) == (
                "there was no answer within 0.3 seconds"
            )


async def test_broken_connection_is_a_short_reason(certificate: ssl.SSLContext) -> None:
    """Whatever the server does instead of answering."""
    for reply in (reset, raw(b"\x00\x01garbage\r\n\r\n", close=True)):
        async with raw_server(reply, tls=certificate) as server:
            reason = await reason_of(HttpsPoster(LOOPBACK, Resolver(["127.0.0.1"])), url_of(server))
            assert reason == "the connection ended before an answer"


async def test_certificate_of_another_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent to a server that cannot prove the name."""
    path, tls = make_certificate(tmp_path, host="other.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    async with raw_server(http(200, b""), tls=tls) as server:
        reason = await reason_of(HttpsPoster(LOOPBACK, Resolver(["127.0.0.1"])), url_of(server))
        assert server.requests == []
    assert reason == "the server's certificate is not valid for this host"


async def test_proxy_of_the_environment_is_not_used(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would resolve the name again, and connect to any address."""
    async with raw_server(http(502, b"")) as proxy, raw_server(http(200, b""), tls=certificate) as server:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        await HttpsPoster(LOOPBACK, Resolver(["127.0.0.1"])).post(url_of(server), b"{}", {})
        assert (len(server.requests), proxy.requests) == (1, [])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "https://",
        "https:///path",
        "https://user:pw@hooks.example.com/",
        "https://good.example.com\\@169.254.169.254/",
        "https://hooks.example.com#fragment",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\r\nHost: x",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:65536/",
        "https://höoks.example.com/",
        "https://[::1/",
        f"https://hooks.example.com/{'a' * 2000}",
    ],
)
def test_url_that_two_parsers_could_read_differently_is_refused(url: str) -> None:
    """What is checked must be what is asked."""
    assert read_url(url) is None


def test_origin_is_what_may_be_shown_of_a_url() -> None:
    """The path of a Slack webhook is its secret."""
    target = read_url("https://Hooks.Example.com:8443/services/T0/B0/secret?key=x")
    assert target is not None
    assert (target.host, target.port, target.origin) == (
        "hooks.example.com",
        8443,
        "https://hooks.example.com:8443",
    )
