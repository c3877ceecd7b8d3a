"""A reader of the activity over HTTP: a client of the console that can also keep a stream open."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path

import aiohttp

from tests.integration.console.console_client import ConsoleClient
from tests.integration.service_rig import Service, running_service

_LINK = re.compile(r'<a [^>]*?href="([^"]+)"')


class Reader(ConsoleClient):
    def __init__(self, service: Service, session: aiohttp.ClientSession) -> None:
        super().__init__(service, session)
        self.session = session


def links_in(html: str) -> list[str]:
    """Where the page's links lead."""
    return [unescape(each) for each in _LINK.findall(html)]


@asynccontextmanager
async def reading(data_dir: Path, tiktok_url: str = "http://127.0.0.1:9", **settings: object) -> AsyncIterator[Reader]:
    """A reader who is logged in as the first administrator."""
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address are kept as those of a name are
    async with (
        running_service(data_dir, tiktok_url, **settings) as service,
        aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=60)) as session,
    ):
        reader = Reader(service, session)
        await reader.log_in()
        yield reader
