"""A shop's page with mParticle's real Web SDK, and between it and the service a proxy that names its visitor."""

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from tests.integration.service_rig import Service, running_service

T = TypeVar("T")
KEY: Final = "key-of-the-web-pages"
VISITOR: Final = "203.0.113.7"
CLICK_ID: Final = "E.C.P.clickOfTheAd0123456789"
COOKIE: Final = "2abcDEFghiJKLmnoPQRstuVWX"
SDK_FILE: Final = Path(__file__).parent / "node_modules" / "@mparticle" / "web-sdk" / "dist" / "mparticle.js"
_HOP_HEADERS: Final = {"host", "connection", "content-length", "transfer-encoding", "date"}

# The SDK gets its configuration over HTTPS only, so the page asks for it, as it comes from the service.
_PAGE: Final = """<!doctype html><html lang=en><title>Shop</title><h1>Shop</h1>
<script src="/mparticle.js"></script>
<script>
document.cookie = "_ttp=%(cookie)s; path=/";
window.started = fetch("http://%(domain)s/tags/JS/v2/%(key)s/config?env=0")
  .then((answer) => answer.ok ? answer.json() : {})
  .then((served) => new Promise((resolve) => {
    mParticle.eCommerce.setCurrencyCode("USD");
    mParticle.init("%(key)s", {...served, domain: "%(domain)s", forceHttps: false, requestConfig: false,
      logLevel: "none", identifyRequest: {userIdentities: {customerid: "cust-41"}},
      identityCallback: (result) => resolve({status: result.httpCode, body: result.body})});
  }));
</script></html>"""


class _QuietHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: what a test needs is recorded."""

    def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@dataclass
class Passed:
    """A request that the proxy has passed on, and its answer."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def event_ids(self) -> list[str]:
        events = json.loads(self.body)["events"] if self.path.endswith("/events") and self.method == "POST" else []
        return [event["data"]["source_message_id"] for event in events]


@dataclass
class Shop:
    """Where the shop's page and the service are for a browser, and what passed between them."""

    page_url: str
    service_url: str
    service: "ServiceThread"
    passed: list[Passed] = field(default_factory=list)

    def statuses(self, part: str, method: str = "POST") -> list[int]:
        """The statuses of the requests whose path contains this part."""
        return [each.status for each in self.passed if part in each.path and each.method == method]


class ServiceThread(threading.Thread):
    """A service in a thread of its own, since Playwright's tests are no coroutines; a test may reach into it."""

    def __init__(self, data_dir: Path, tiktok_url: str, settings: dict[str, object]) -> None:
        super().__init__(daemon=True)
        self._arguments = (data_dir, tiktok_url, settings)
        self._ready = threading.Event()
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._service: Service | None = None

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        data_dir, tiktok_url, settings = self._arguments
        self._loop = asyncio.get_running_loop()
        async with running_service(data_dir, tiktok_url, **settings) as self._service:
            self._ready.set()
            await self._ended.wait()

    def ask(self, question: Callable[[Service], Any]) -> Any:
        """The answer to a coroutine function, from the service's own thread."""
        assert self._loop is not None and self._service is not None
        return asyncio.run_coroutine_threadsafe(question(self._service), self._loop).result(20)

    def put_off_events(self, is_stopping: bool) -> None:
        """Have the service answer events with 503, as it does while it stops, or accept them again."""

        async def change(service: Service) -> None:
            service.application._browsers.is_stopping = is_stopping

        self.ask(change)

    def __enter__(self) -> "ServiceThread":
        self.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._ended.set)
        self.join(20)


@contextmanager
def _server(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _proxy(shop: Shop, service_port: int) -> type[BaseHTTPRequestHandler]:
    class VisitorProxy(_QuietHandler):
        """Passes everything on, with the address of the visitor, as a proxy with TLS does."""

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_HEADERS}
            connection = http.client.HTTPConnection("127.0.0.1", service_port, timeout=20)
            try:
                connection.request(self.command, self.path, body or None, {**headers, "X-Forwarded-For": VISITOR})
                answer = connection.getresponse()
                content = answer.read()
            finally:
                connection.close()
            shop.passed.append(Passed(self.command, self.path, headers, body, answer.status))
            answered = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_HEADERS]
            self.reply(answer.status, answered, content)

        do_GET = do_POST = do_OPTIONS = _pass  # noqa: N815 - names of the base class

    return VisitorProxy


def _pages(contents: dict[str, tuple[str, bytes]]) -> type[BaseHTTPRequestHandler]:
    class Pages(_QuietHandler):
        """The shop's own files."""

        FILES: ClassVar = contents

        def do_GET(self) -> None:
            kind, content = self.FILES.get(
                self.path.partition("?")[0], ("text/html", b"<!doctype html><title>x</title>")
            )
            self.reply(200, [("Content-Type", kind)], content)

    return Pages


@contextmanager
def shop_of(data_dir: Path, tiktok_url: str, *, page_key: str = KEY, **settings: object) -> Iterator[Shop]:
    """Yield a shop whose page sends with this key to a service with one browser input and no connection yet."""
    with ServiceThread(data_dir, tiktok_url, settings) as service:

        async def port_of(running: Service) -> int:
            return running.port

        shop = Shop("", "", service)
        files = {"/mparticle.js": ("text/javascript", SDK_FILE.read_bytes())}
        with _server(_proxy(shop, service.ask(port_of))) as proxy_port, _server(_pages(files)) as page_port:
            page = _PAGE % {"cookie": COOKIE, "domain": f"127.0.0.1:{proxy_port}", "key": page_key}
            files["/"] = ("text/html", page.encode())
            shop.page_url, shop.service_url = f"http://127.0.0.1:{page_port}", f"http://127.0.0.1:{proxy_port}"

            async def add_input(running: Service) -> None:
                await running.services.inputs.add_browser_input(
                    "web", key=KEY, origins=[shop.page_url], changed_by="test"
                )

            service.ask(add_input)
            yield shop
