"""The session with TikTok: its time limits, and the headers of every request."""

import ssl
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.integration.raw_server import http, raw_server
from tiktok_forwarder import __version__
from tiktok_forwarder.delivery.http_client import TikTokHttpSender
from tiktok_forwarder.delivery.interfaces import HttpAnswer, OutboundRequest

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
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


async def test_connection_that_hangs_takes_no_turn_of_another(sender: TikTokHttpSender) -> None:
    """The pool has no limit of its own: the deliverer bounds the requests of each connection."""
    connector = sender._session.connector
    assert connector is not None and (connector.limit, connector.limit_per_host) == (0, 0)


def test_request_is_shown_without_its_token_and_events() -> None:
    """It may end in a log or a traceback."""
    assert repr(REQUEST) == "OutboundRequest(/open_api/v1.3/event/track/, 11 bytes)"
