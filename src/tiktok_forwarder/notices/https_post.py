"""Sends a notice over HTTPS: to a checked address, without redirects or proxies, and without reading the answer."""

import asyncio
import re
import socket
import ssl
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Struct

from tiktok_forwarder import __version__
from tiktok_forwarder.notices.addresses import (
    AddressRefused,
    AllowedHosts,
    Resolve,
    checked_addresses,
    is_host_name,
    resolve_host,
)

SEND_SECONDS: Final = 10.0
_CONNECT_SECONDS: Final = 5.0
MAX_URL_LENGTH: Final = 2000
# The host decides where a request goes: both parsers, the one here and the one of the library, read only these alike.
_URL: Final = re.compile(
    r"https://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:[/?][\x21\x22\x24-\x5b\x5d-\x7e]*)?", re.IGNORECASE
)
_HTTPS_PORT: Final = 443
_MAX_PORT: Final = 65_535
_FIRST_REDIRECT, _FIRST_FAILURE, _GONE = 300, 400, 410


class NotSent(Exception):
    """A notice was not sent. The text is a short reason, without anything that the recipient's server answered.

    `is_final`: no later attempt will succeed.
    """

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        self.is_final = is_final
        super().__init__(reason)


class Target(Struct, frozen=True):
    """Where a URL leads. `origin` is what may be shown of it: its path is often a secret."""

    host: str
    port: int
    origin: str


def read_url(url: str) -> Target | None:
    """Return where the URL leads, or None if it is not an `https://` URL that a notice can be sent to."""
    if len(url) > MAX_URL_LENGTH or _URL.fullmatch(url) is None:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, _HTTPS_PORT if parts.port is None else parts.port
    except ValueError:
        return None
    if not host or not (":" in host or is_host_name(host)) or not 1 <= port <= _MAX_PORT:
        return None
    return Target(host, port, f"https://{parts.netloc.lower()}")


class HttpsPoster:
    """Sends requests to hosts that are public or allowed."""

    def __init__(self, allowed: AllowedHosts, resolve: Resolve = resolve_host) -> None:
        self._allowed = allowed
        self._resolve = resolve

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send the JSON body once; only a status from 200 to 299 is success. Raises `NotSent`."""
        target = read_url(url)
        if target is None:
            raise NotSent("the URL is not an https:// URL", is_final=True)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                addresses = await checked_addresses(target.host, target.port, self._allowed, self._resolve)
                status = await self._status(url, target, addresses, body, headers)
        except AddressRefused as error:
            raise NotSent(str(error)) from None
        except TimeoutError:
            raise NotSent(f"there was no answer within {SEND_SECONDS:g} seconds") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotSent(_reason(error)) from None
        _check_status(status)

    async def _status(
        self, url: str, target: Target, addresses: Collection[str], body: bytes, headers: Mapping[str, str]
    ) -> int:
        # Reading the machine's certificates takes so long that it would delay the event loop.
        tls = await asyncio.to_thread(ssl.create_default_context)
        connector = aiohttp.TCPConnector(
            ssl=tls,
            resolver=_CheckedResolver(target.host, addresses),
            socket_factory=_socket_to(addresses),
            use_dns_cache=False,
            force_close=True,
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=SEND_SECONDS, sock_connect=_CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            ) as session,
            session.post(
                url,
                data=body,
                headers={
                    "Content-Type": "application/json",
                    "User-Agent": f"tiktok-forwarder/{__version__}",
                    "Accept-Encoding": "identity",
                    **headers,
                },
                allow_redirects=False,
            ) as response,
        ):
            status = response.status
            # The body is not read: the connection ends here.
            response.close()
            return status


class _CheckedResolver(AbstractResolver):
    """Returns the checked addresses of one host, and resolves nothing."""

    def __init__(self, host: str, addresses: Collection[str]) -> None:
        self._host = host
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host.lower() != self._host.lower():
            raise OSError("the host is not the one that was checked")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


def _socket_to(addresses: Collection[str]) -> Any:
    """Return what makes the sockets: only those that connect to a checked address, whatever the library resolved."""

    def make(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        if address[0] not in addresses:
            raise OSError("the address is not one that was checked")
        return socket.socket(family, kind, protocol)

    return make


def _check_status(status: int) -> None:
    if _FIRST_REDIRECT <= status < _FIRST_FAILURE:
        raise NotSent(f"the server answered with a redirect (HTTP {status}), which is not followed")
    if status == _GONE:
        raise NotSent("the server answered that the URL is gone for ever (HTTP 410)", is_final=True)
    if not _FIRST_REDIRECT - 100 <= status < _FIRST_REDIRECT:
        raise NotSent(f"the server answered HTTP {status}")


def _reason(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "the server's certificate is not valid for this host"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "a TLS connection was not possible"
        case aiohttp.ConnectionTimeoutError() | TimeoutError():
            return f"there was no answer within {SEND_SECONDS:g} seconds"
        case aiohttp.ClientConnectorError():
            return "a connection was not possible"
        case _:
            return "the connection ended before an answer"
