"""A shop on an origin of its own: its pages are given by the test, and everything else of it is real."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>
<link rel="icon" href="data:,">{head}</head><body><main><h1>Shop</h1>{body}</main></body></html>"""


class ShopServer(ThreadingHTTPServer):
    """Every path answers the same page. `set_cookie` is what the shop's own server sets with it, if anything."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.head = self.body = self.set_cookie = ""

    def page(self) -> bytes:
        return _PAGE.format(head=self.head, body=self.body).encode()


class _Handler(BaseHTTPRequestHandler):
    server: ShopServer

    def do_GET(self) -> None:
        body = self.server.page()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.server.set_cookie:
            self.send_header("Set-Cookie", self.server.set_cookie)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: a test's output is its own."""


@contextmanager
def shop_server() -> Iterator[ShopServer]:
    with ShopServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()


def script_tag(src: str, **attributes: str) -> str:
    """The tag as the guide has it; `data_store` is the attribute `data-store`."""
    written = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<script defer src="{src}"{written}></script>'
