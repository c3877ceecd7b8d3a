"""The session with TikTok: its time limits, and the headers of every request."""

import gzip
import ssl
import zlib
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from tests.integration.raw_server import http, raw_server
from tiktok_forwarder import __version__
from tiktok_forwarder.delivery.http_client import TikTokHttpSender
from tiktok_forwarder.delivery.interfaces import HttpAnswer, NoAnswer, OutboundRequest
from tiktok_forwarder.domain.errors import ConfigurationError

REQUEST = OutboundRequest("/open_api/v1.3/event/track/", "secret-token", b'{"data":[]}')


@pytest.fixture
async def sender() -> AsyncIterator[TikTokHttpSender]:
    made = TikTokHttpSender("https://tiktok.example.com")
    yield made
    await made.close()


async def test_request_has_these_headers_and_no_other() -> None:
    """TikTok learns the program, the token and the form of the body, and is asked for plain JSON."""
    async with raw_server(http(200, b'{"code":0}')) as server:
        sender = TikTokHttpSender(server.url)
        assert await sender.send(REQUEST) == HttpAnswer(200, b'{"code":0}')
        await sender.close()
    _, headers, _ = server.requests[0]
    assert headers == {
        "host": server.url.removeprefix("http://"),
        "access-token": "secret-token",
        "content-type": "application/json",
        "user-agent": f"tiktok-forwarder/{__version__}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-length": "11",
    }


async def test_connection_is_waited_for_5_seconds_and_an_answer_for_30(sender: TikTokHttpSender) -> None:
    """Without other settings a host that is down is noticed long before an answer is given up."""
    assert sender._session.timeout == aiohttp.ClientTimeout(total=30.0, connect=5.0)


async def test_other_servers_are_verified_by_the_certificates_of_the_machine(sender: TikTokHttpSender) -> None:
    """There is no setting that turns this off."""
    connector = sender._session.connector
    assert isinstance(connector, aiohttp.TCPConnector)
    context = connector._ssl
    # True lets the library verify in the same way.
    assert context is True or (isinstance(context, ssl.SSLContext) and context.verify_mode == ssl.CERT_REQUIRED)


async def test_connection_that_hangs_takes_no_turn_of_another(sender: TikTokHttpSender) -> None:
    """The pool has no limit of its own: the deliverer bounds the requests of each connection."""
    connector = sender._session.connector
    assert connector is not None and (connector.limit, connector.limit_per_host) == (0, 0)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("example.com", "must be a URL such as https://tiktok.example.com, not 'example.com'"),
        ("ftp://127.0.0.1", "must be a URL such as https://tiktok.example.com, not 'ftp://127.0.0.1'"),
        ("https://", "must be a URL such as https://tiktok.example.com, not 'https://'"),
        ("https://h/?q", "must be a URL such as https://tiktok.example.com, not 'https://h/?q'"),
        ("https://h/#f", "must be a URL such as https://tiktok.example.com, not 'https://h/#f'"),
        ("http://example.com", "must start with https:// for another machine, not 'http://example.com'"),
    ],
)
def test_unusable_base_url_is_reported_with_what_it_must_be(url: str, problem: str) -> None:
    """One line names the setting, the rule and the value."""
    with pytest.raises(ConfigurationError) as error:
        TikTokHttpSender(url)
    assert error.value.problems == (f"tiktok_base_url: {problem}",)


@pytest.mark.parametrize(
    ("encoding", "encode"), [("deflate", zlib.compress), ("GZIP", gzip.compress), ("", bytes), ("Identity", bytes)]
)
async def test_answer_is_read_in_every_encoding_it_names(encoding: str, encode: Callable[[bytes], bytes]) -> None:
    """A proxy may compress though nobody asked for it, and may write the name as it likes."""
    body = b'{"code":0,"message":"OK"}'
    async with raw_server(http(200, encode(body), f"Content-Encoding: {encoding}\r\n")) as server:
        sender = TikTokHttpSender(server.url)
        assert await sender.send(REQUEST) == HttpAnswer(200, body)
        await sender.close()


async def test_oversized_answer_says_how_much_is_read() -> None:
    """The reason names the status and the bound in bytes."""
    async with raw_server(http(502, b" " * 1_048_577)) as server:
        sender = TikTokHttpSender(server.url)
        answer = await sender.send(REQUEST)
        await sender.close()
    assert answer == NoAnswer("oversized", "HTTP 502 with a body of more than 1048576 bytes", may_have_arrived=True)


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (aiohttp.ConnectionTimeoutError(), NoAnswer("timeout", "no connection in time", may_have_arrived=False)),
        (TimeoutError(), NoAnswer("timeout", "no complete answer in time", may_have_arrived=True)),
        (OSError("Broken pipe"), NoAnswer("reset", "OSError: Broken pipe", may_have_arrived=True)),
        (
            aiohttp.ServerDisconnectedError("gone"),
            NoAnswer("reset", "ServerDisconnectedError: gone", may_have_arrived=True),
        ),
    ],
)
async def test_lost_answer_is_explained(
    sender: TikTokHttpSender, monkeypatch: pytest.MonkeyPatch, error: Exception, answer: NoAnswer
) -> None:
    """The detail says what happened, and never what was sent."""

    def post(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(sender._session, "post", post)
    assert await sender.send(REQUEST) == answer


async def test_compressed_body_is_smaller() -> None:
    """Events repeat each other's names, so that even the quickest level saves most of it."""
    body = b'{"event":"Purchase"}' * 1000
    async with raw_server(http(200, b'{"code":0}')) as server:
        sender = TikTokHttpSender(server.url, compress=True)
        await sender.send(OutboundRequest(REQUEST.path, "token", body))
        await sender.close()
    _, headers, sent = server.requests[0]
    assert headers["content-encoding"] == "gzip"
    assert len(sent) < len(body) / 10 and gzip.decompress(sent) == body


def test_request_is_shown_without_its_token_and_events() -> None:
    """It may end in a log or a traceback."""
    assert repr(REQUEST) == "OutboundRequest(/open_api/v1.3/event/track/, 11 bytes)"
