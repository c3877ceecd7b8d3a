"""TikTok over HTTP: one pooled session that verifies TLS, follows no redirect, keeps no cookie and retries nothing."""

import asyncio
import gzip
import io
import ipaddress
import ssl
import zlib
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from tiktok_forwarder import __version__
from tiktok_forwarder.delivery.interfaces import HttpAnswer, NoAnswer, OutboundRequest
from tiktok_forwarder.domain.errors import ConfigurationError

MAX_ANSWER_BYTES: Final = 1024 * 1024

# gzip or zlib; zlib detects which by the header
_ANY_HEADER: Final = 32 + zlib.MAX_WBITS
_GZIP_LEVEL: Final = 1


class TikTokHttpSender:
    """The `EventSender` of a running service. It must be created and used inside one event loop.

    The connection pool has no limit of its own, since a hanging connection would use it up for all; the deliverer
    limits the number of running requests. `compress` sends bodies as gzip.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connect_seconds: float = 5.0,
        deadline_seconds: float = 30.0,
        compress: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._root = _checked_root(base_url)
        self._compress = compress
        # Reading the machine's certificates takes longer than everything else at start-up; a sandbox needs none.
        default = ssl.create_default_context() if self._root.startswith("https:") else True
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls or default),
            timeout=aiohttp.ClientTimeout(total=deadline_seconds, connect=connect_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers=_standing_headers(compress),
        )

    async def send(self, request: OutboundRequest) -> HttpAnswer | NoAnswer:
        body = await asyncio.to_thread(gzip.compress, request.body, _GZIP_LEVEL) if self._compress else request.body
        pieces = io.BytesIO(body)  # a large body as bytes would block the event loop
        try:
            async with self._session.post(
                self._root + request.path,
                data=pieces,
                headers={"Access-Token": request.access_token},
                allow_redirects=False,
            ) as response:
                return await _read(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            answer = _no_answer(error)
            _drop_tracebacks(error)
            return answer
        finally:
            # A cycle of the library around a half-sent request may keep it; closed, it does not keep the body.
            pieces.close()

    async def fetch_date(self) -> str | None:
        """Return the `Date` header of an answer to a request without token and content; None without an answer."""
        try:
            async with self._session.head(self._root + "/", allow_redirects=False) as response:
                return response.headers.get("Date")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            _drop_tracebacks(error)
            return None

    async def close(self) -> None:
        await self._session.close()


def _standing_headers(compress: bool) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"tiktok-forwarder/{__version__}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }
    return headers | {"Content-Encoding": "gzip"} if compress else headers


def _checked_root(base_url: str) -> str:
    """Return the checked root URL: access tokens and personal data leave the machine only over TLS."""
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ConfigurationError(
            [f"tiktok_base_url: must be a URL such as https://tiktok.example.com, not {base_url!r}"]
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ConfigurationError([f"tiktok_base_url: must start with https:// for another machine, not {base_url!r}"])
    return base_url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _read(response: aiohttp.ClientResponse) -> HttpAnswer | NoAnswer:
    body = await _bounded_body(response)
    if body is None:
        response.close()
        return NoAnswer("oversized", f"HTTP {response.status} with a body of more than {MAX_ANSWER_BYTES} bytes", True)
    return HttpAnswer(response.status, body, response.headers.get("Retry-After"), response.headers.get("Date"))


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the body, or None if it is too large. A web page is not an answer of the API and counts as empty."""
    received = bytearray()
    async for chunk in response.content.iter_any():
        received += chunk
        if len(received) > MAX_ANSWER_BYTES:
            return None
    if response.content_type == "text/html":
        return b""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    return bytes(received) if encoding in {"", "identity"} else _decompressed(bytes(received), encoding)


def _decompressed(body: bytes, encoding: str) -> bytes | None:
    """Return the decompressed body: None if it grows too large, empty (without a verdict) if it is unreadable."""
    if encoding not in {"gzip", "deflate"}:
        return b""
    stream = zlib.decompressobj(_ANY_HEADER)
    try:
        plain = stream.decompress(body, MAX_ANSWER_BYTES + 1)
    except zlib.error:
        return b""
    if len(plain) > MAX_ANSWER_BYTES:
        return None
    return plain if stream.eof else b""


def _drop_tracebacks(error: BaseException) -> None:
    """Drop the tracebacks of the error and of those that led to it.

    The library's functions keep the error in variables, which its traceback keeps: body and access token would stay in
    memory until the next search for such cycles.
    """
    errors = [error]
    for each in errors:
        each.__traceback__ = None
        errors += [led for led in (each.__cause__, each.__context__) if led is not None and led not in errors]


def _no_answer(error: Exception) -> NoAnswer:
    """Return the error as a `NoAnswer`. Its details describe what happened, not what was sent."""
    detail = f"{type(error).__name__}: {error}"
    match error:
        case aiohttp.ClientConnectorError(os_error=ssl.SSLEOFError() | ssl.SSLZeroReturnError()):
            return NoAnswer("connect", detail, may_have_arrived=False)
        case aiohttp.ClientSSLError():
            return NoAnswer("tls", detail, may_have_arrived=False)
        case aiohttp.ClientConnectorError():
            return NoAnswer("connect", detail, may_have_arrived=False)
        case aiohttp.ConnectionTimeoutError():
            return NoAnswer("timeout", "no connection in time", may_have_arrived=False)
        case TimeoutError():
            return NoAnswer("timeout", "no complete answer in time", may_have_arrived=True)
        case _:
            return NoAnswer("reset", detail, may_have_arrived=True)
