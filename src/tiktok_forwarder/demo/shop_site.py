"""The demo shop's website: pages on an origin of their own, which send through the script as a shop's pages do."""

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

from jinja2 import Environment
from msgspec import Struct

from tiktok_forwarder.demo.shop import PRODUCTS
from tiktok_forwarder.mapping.fields import STANDARD_EVENTS

# A click ID as TikTok adds it to the URL of an ad's landing page.
LANDING_PATH: Final = "/?ttclid=E.C.P.DemoShopClickId0123456789"
_FOLDER: Final = files("tiktok_forwarder.demo") / "site"
_SHOWN_PRODUCTS: Final = 3


class PageSettings(Struct, frozen=True):
    """What the shop's page needs to know: where it sends, with which key, and which connection its links lead to."""

    service_url: str
    script_path: str
    key: str
    connection_id: str


class ShopSite(threading.Thread):
    """Serves the shop's page on loopback until stopped."""

    def __init__(self, port: int, settings: PageSettings) -> None:
        super().__init__(name="demo-shop", daemon=True)
        answers = {
            "/": ("text/html", _page(settings)),
            "/shop.css": ("text/css", (_FOLDER / "shop.css").read_bytes()),
            "/shop.js": ("text/javascript", (_FOLDER / "shop.js").read_bytes()),
        }

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind, body = answers.get(urlsplit(self.path).path, ("text/plain", b""))
                self.send_response(HTTPStatus.OK if body else HTTPStatus.NOT_FOUND)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # the name of the base class
                """Log nothing: the terminal shows the table."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True

    def run(self) -> None:
        self._server.serve_forever()

    def stop(self) -> None:
        if self.is_alive():
            self._server.shutdown()
        self._server.server_close()


def _page(settings: PageSettings) -> bytes:
    template = Environment(autoescape=True).from_string((_FOLDER / "index.html").read_text())
    return template.render(
        service_url=settings.service_url,
        script_path=settings.script_path,
        key=settings.key,
        connection_id=settings.connection_id,
        products=[product._asdict() for product in PRODUCTS[:_SHOWN_PRODUCTS]],
        tiktok_events=STANDARD_EVENTS,
    ).encode()
