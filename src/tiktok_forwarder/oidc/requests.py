"""Requests to the provider: bounded in time and size, without redirects, and only where it may send this service."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final

import aiohttp
from msgspec import Struct

from tiktok_forwarder import __version__
from tiktok_forwarder.oidc.errors import ProviderUnreachable
from tiktok_forwarder.web.public_addresses import is_public

REQUEST_SECONDS: Final = 10.0
MAX_ANSWER_BYTES: Final = 256 * 1024


class ProviderAnswer(Struct, frozen=True):
    status: int
    body: bytes


class ProviderRequests:
    """Sends requests to the provider's endpoints.

    The issuer is a setting, so it may be anywhere. Its document names the other endpoints: those of a provider on the
    internet must not lead to addresses that only this machine's network reaches.
    """

    def __init__(self) -> None:
        self._is_provider_private = False

    async def fetch_issuer_document(self, url: str) -> bytes:
        """Return the document at a URL of the issuer's own. Raises `ProviderUnreachable`."""
        asked: list[str] = []
        answer = await self._request("GET", url, asked=asked)
        self._is_provider_private = not all(is_public(ip_address(address)) for address in asked)
        return _content(answer)

    async def fetch(self, url: str) -> bytes:
        """Return the document at a URL that the provider named. Raises `ProviderUnreachable`."""
        return _content(await self._request("GET", url))

    async def post_form(self, url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> ProviderAnswer:
        """Send a form to a URL that the provider named. Raises `ProviderUnreachable`."""
        return await self._request("POST", url, fields, headers)

    async def _request(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        asked: list[str] | None = None,
    ) -> ProviderAnswer:
        """`asked` gets the addresses that are tried, all of which are allowed then."""
        try:
            async with (
                asyncio.timeout(REQUEST_SECONDS),
                await self._open_session(asked) as session,
                session.request(method, url, data=fields, headers=headers, allow_redirects=False) as response,
            ):
                return ProviderAnswer(response.status, await _bounded_body(response))
        except TimeoutError:
            raise ProviderUnreachable(f"there was no answer within {REQUEST_SECONDS:g} seconds") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ProviderUnreachable(_reason(error)) from None

    async def _open_session(self, asked: list[str] | None) -> aiohttp.ClientSession:
        # Reading the machine's certificates takes so long that it would delay the event loop.
        tls = await asyncio.to_thread(ssl.create_default_context)
        connector = aiohttp.TCPConnector(
            ssl=tls, socket_factory=self._socket_factory(asked), use_dns_cache=False, force_close=True
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={
                "User-Agent": f"tiktok-forwarder/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
        )

    def _socket_factory(self, asked: list[str] | None) -> Any:
        """Return what makes the sockets: the address is the one that is connected to, whatever the name was."""

        def make(info: Any) -> socket.socket:
            family, kind, protocol, _, address = info
            if asked is not None:
                asked.append(address[0])
            elif not self._is_provider_private and not is_public(ip_address(address[0])):
                raise OSError("the address is not public, but the issuer's is")
            return socket.socket(family, kind, protocol)

        return make


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise ValueError("too large")
    return bytes(body)


def _content(answer: ProviderAnswer) -> bytes:
    if answer.status != 200:
        raise ProviderUnreachable(f"it answered HTTP {answer.status}")
    return answer.body


def _reason(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not valid for this host"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "a TLS connection was not possible"
        case aiohttp.ClientConnectorError():
            return "a connection was not possible"
        case ValueError():
            return f"its answer is larger than {MAX_ANSWER_BYTES:,} bytes"
        case _:
            return "the connection ended before an answer"
