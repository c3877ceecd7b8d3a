"""A client of the console over HTTP: logs in by the first link, opens pages, and sends their forms."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import aiohttp

from tests.integration.service_rig import Service, running_service
from tiktok_forwarder.web.in_process import asgi_call

NAME = "anna"
PASSWORD = "a password of some length"
_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Shown:
    """What a page answered. `text` is what a reader sees, without tags; `html` is all of it."""

    status: int
    path: str
    html: str

    @property
    def text(self) -> str:
        main = self.html.partition("<main")[2].partition(">")[2].partition("</main>")[0] or self.html
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", main))).strip()


class ConsoleClient:
    """Follows redirects, as browsers do; `path` of what is shown is where they led."""

    def __init__(self, service: Service, session: aiohttp.ClientSession) -> None:
        self.service = service
        self._session = session
        self._csrf = ""

    async def get(self, path: str, **headers: str) -> Shown:
        async with self._session.get(self.service.url + path, headers={"Accept": "text/html", **headers}) as answer:
            return await self._shown(answer)

    async def post(self, path: str, *fields: tuple[str, str], headers: dict[str, str] | None = None) -> Shown:
        """The form's fields in their order; the token is added as every form of the console has it."""
        given = {"Accept": "text/html", "Origin": self.service.url, **(headers or {})}
        form = aiohttp.FormData([("csrf", self._csrf), *fields])
        async with self._session.post(self.service.url + path, data=form, headers=given) as answer:
            return await self._shown(answer)

    async def _shown(self, answer: aiohttp.ClientResponse) -> Shown:
        html = await answer.text()
        found = _TOKEN.search(html)
        self._csrf = found[1] if found else self._csrf
        return Shown(answer.status, answer.url.raw_path, html)

    async def log_in(self) -> None:
        _, link = await asgi_call(self.service.application.api, "POST", "/api/console-link", b"{}")
        path = re.search(r"/welcome/[\w-]+", link.decode())
        assert path is not None, link
        welcomed = await self.post(path[0], ("name", NAME), ("password", PASSWORD), ("again", PASSWORD))
        assert (welcomed.status, welcomed.path) == (200, "/"), welcomed.text

    async def api(self, method: str, path: str, body: object = None) -> Any:
        """What the API says of it, to compare with what a page says."""
        content = json.dumps({} if body is None else body).encode() if method != "GET" else b""
        status, answer = await asgi_call(self.service.application.api, method, path, content)
        assert status < 300, answer
        return json.loads(answer)


@asynccontextmanager
async def running_console(
    data_dir: Path, tiktok_url: str = "http://127.0.0.1:9", **settings: object
) -> AsyncIterator[ConsoleClient]:
    """A client that is logged in as the first administrator, at a service with these settings."""
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address are kept as those of a name are
    async with (
        running_service(data_dir, tiktok_url, **settings) as service,
        aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=20)) as session,
    ):
        client = ConsoleClient(service, session)
        await client.log_in()
        yield client


class _Fields(HTMLParser):
    """Gathers what a browser would send of the forms in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._select = ""
        self._text: tuple[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "select":
            self._select = given["name"]
        elif tag == "option" and "selected" in given:
            self.found.append((self._select, given["value"]))
        elif tag == "textarea":
            self._text = (given["name"], "")
        elif tag == "input" and (given.get("type") not in ("checkbox", "radio") or "checked" in given):
            self.found.append((given.get("name", ""), given.get("value", "")))

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text = (self._text[0], self._text[1] + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._text is not None:
            name, text = self._text
            # The first line break is the page's.
            self.found.append((name, text.removeprefix("\n")))
            self._text = None


def fields_in(html: str, **typed: str) -> list[tuple[str, str]]:
    """The settings' form as it stands, with what is `typed` in its place; not the token that each form has."""
    parser = _Fields()
    parser.feed(html)
    standing = [(name, value) for name, value in parser.found if name not in ("", "csrf") and name not in typed]
    return [*standing, *typed.items()]
