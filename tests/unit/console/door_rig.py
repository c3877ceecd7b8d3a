"""The console's application in this process, over access on a store in memory, and browsers that come to its door."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

from msgspec import structs
from starlette.responses import Response

from tests.unit.access.access_rig import GOOD, Console
from tests.unit.parts import Parts
from tiktok_forwarder.access.api_keys import ApiKeys
from tiktok_forwarder.access.console_access import LoggedIn
from tiktok_forwarder.access.users import Role
from tiktok_forwarder.api.app import build_api
from tiktok_forwarder.api.services import Services
from tiktok_forwarder.console.activity.live import LiveViews
from tiktok_forwarder.console.api import console_caller
from tiktok_forwarder.console.app import PAGES, build_console
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.delivery.deliverer import Deliverer
from tiktok_forwarder.delivery.interfaces import DeliveryObserver, EventSender
from tiktok_forwarder.delivery.parts import DeliveryParts
from tiktok_forwarder.web.asgi import Message, Receive, Scope, Send
from tiktok_forwarder.web.guard import guarded
from tiktok_forwarder.web.in_process import asgi_call
from tiktok_forwarder.web.trusted_proxies import DEFAULT_TRUSTED_PROXIES, TrustedProxies, parse_networks

HERE = "127.0.0.1:8090"
BASE = f"http://{HERE}"
PROXY = "https://forwarder.example.com"
TRUSTED = TrustedProxies(parse_networks(DEFAULT_TRUSTED_PROXIES))
FORM = "application/x-www-form-urlencoded"
GUARDED = [page for page in PAGES if page.right != "public"]
POSTS = [page for page in PAGES if page.method == "POST"]
# What a browser is told with every answer, errors and files included, word by word.
PUBLIC = {"GET /help", "GET /login", "POST /login", "GET /welcome/{token}", "POST /welcome/{token}"}
POSTS_OF_VIEWERS = {"POST /logout", "POST /account", "POST /pixel"}
SAFE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
_OTHER_HEADERS = {
    "cache-control",
    "content-length",
    "content-type",
    "hx-redirect",
    "location",
    "retry-after",
    "set-cookie",
}


def address(page: Page) -> str:
    """The page's path with names that nothing has."""
    return re.sub(r"\{[^}]+\}", "nobody", page.path)


def page_shown_with(page: Page) -> str:
    """The path of the page that a form of this page is in, or of the page itself; empty for the overview."""
    shown = {address(each) for each in PAGES if each.method == "GET"}
    path = address(page)
    while path and path not in shown:
        path = path.rpartition("/")[0]
    return path if path != "/" else ""


def title(page: Page) -> str:
    return f"{page.method} {page.path}"


@dataclass
class Answer:
    """`text` is all of the body."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def location(self) -> str:
        return self.headers["location"]

    @property
    def safe_headers(self) -> Mapping[str, str]:
        """The headers beside those that an answer of this kind has for its own sake."""
        return {name: value for name, value in self.headers.items() if name not in _OTHER_HEADERS}


@dataclass
class Behind:
    """What came through the door, by the titles of the pages; `act` is what each of them does then, if anything."""

    requests: list[PageRequest] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    act: Callable[[PageRequest], object] = lambda _request: None

    def fail_with(self, error: Exception) -> None:
        def fail(_request: PageRequest) -> None:
            raise error

        self.act = fail

    def noting(self, page: Page) -> Page:
        async def run(request: PageRequest) -> Response:
            self.requests.append(request)
            self.reached.append(title(page))
            self.act(request)
            return Response(f"this is {title(page)}", media_type="text/html")

        return structs.replace(page, run=run)


def _deliverer(parts: Parts) -> Deliverer:
    """One that is never started: it knows what is stored, and sends nothing."""
    return Deliverer(
        DeliveryParts(
            queue=parts.store,
            dead_letters=parts.store,
            documents=parts.store,
            claims=parts.store,
            sender=cast(EventSender, None),
            clock=parts.clock,
            connections=parts.connections,
            checks=parts.check_records,
            token_hash=lambda token: f"hash of {token}",
            observer=cast(DeliveryObserver, None),
        )
    )


class Door:
    """The application with its real access and API of users, keys and audit, and what the menu asks for.

    Other endpoints find no services.
    """

    def __init__(self, console_url: str = "") -> None:
        self.console = Console()
        self.faults: list[Exception] = []
        self.parts = Parts(self.console.store)
        services = SimpleNamespace(
            store=self.console.store,
            connections=self.parts.connections,
            deliverer=_deliverer(self.parts),
            console_access=self.console.access,
            audit=self.console.audit,
            api_keys=ApiKeys(self.console.shared, self.console.clock),
            console_base=console_url or BASE,
            setting_warnings=[],
        )
        self.api = build_api(cast(Services, services), console_caller)
        self.app = guarded(build_console(self.api, self.console.access, console_url, TRUSTED, LiveViews()), self)

    def on_internal_error(self, error: Exception) -> None:
        self.faults.append(error)

    def stranger(self) -> "Browser":
        return Browser(self)

    async def browser(self, name: str = "Ada", role: Role = "admin") -> "Browser":
        """Of this user, logged in; added if there is none of the name."""
        if self.console.users.find(name) is None:
            await self.console.users.add_with_password(name, role, GOOD, "test")
        return Browser(self, await self.console.entered(name))


class Browser:
    """Sends what a browser sends that was led here by a page of the console; a test may change any header."""

    def __init__(self, door: Door, entry: LoggedIn | None = None) -> None:
        self._door = door
        self.cookies = {"session-8090": entry.reference} if entry is not None else {}
        self.csrf = entry.session.csrf_token if entry is not None else ""

    async def get(self, path: str, headers: Mapping[str, str | None] | None = None) -> Answer:
        return await self.ask("GET", path, headers=headers)

    async def post(
        self, path: str, *fields: tuple[str, str], headers: Mapping[str, str | None] | None = None, token: bool = True
    ) -> Answer:
        """A form with the session's token, unless that is left out."""
        given = [("csrf", self.csrf), *fields] if token else fields
        return await self.ask("POST", path, urlencode(given).encode(), headers)

    async def ask(
        self, method: str, path: str, content: bytes = b"", headers: Mapping[str, str | None] | None = None
    ) -> Answer:
        """One request; a header that is None is left out. Redirects are not followed."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        usual = {"host": HERE, "accept": "text/html", "cookie": cookies or None}
        if method != "GET":
            usual |= {"content-type": FORM, "origin": BASE}
        given = {**usual, **(headers or {})}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in given.items() if value is not None]
        return await _asked(self._door, method, path, content, raw)


async def _asked(door: Door, method: str, path: str, content: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Answer:
    found: dict[str, str] = {}

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            for name, value in message.get("headers", ()):
                text = value.decode("latin-1")
                assert found.setdefault(name.decode(), text) == text, f"two headers {name!r} that differ"
            await send(message)

        await door.app(scope, receive, noted)

    members: dict[str, Any] = {"headers": list(headers), "client": ("127.0.0.1", 50000)}
    status, body = await asgi_call(watched, method, path, content, **members)
    return Answer(status, found, body.decode())
