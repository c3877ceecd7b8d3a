"""A reader of the console: logs in by the first link, times pages, and keeps a live view open."""

import contextlib
import http.client
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from bench.checkouts import Checkout

_PASSWORD: Final = "a password of the bench"


class Reader:
    """The first administrator of a service that has none yet."""

    def __init__(self, port: int, data_dir: Path, checkout: Checkout) -> None:
        self._port = port
        self._cookie = self._log_in(data_dir, checkout)

    def seconds(self, path: str) -> float:
        """How long the page takes. Raises `RuntimeError` if it is no page."""
        began = time.perf_counter()
        self.page(path)
        return time.perf_counter() - began

    def page(self, path: str) -> str:
        with self._asked("GET", path) as answer:
            html = answer.read().decode()
        if answer.status != 200:
            raise RuntimeError(f"{path} was answered with {answer.status}")
        return html

    @contextlib.contextmanager
    def watching(self, path: str) -> Iterator[list[int]]:
        """The stream stands open meanwhile, and is read. The sizes of its events are in the list."""
        sizes: list[int] = []
        with self._asked("GET", path) as answer:
            thread = threading.Thread(target=_read, args=(answer, sizes), daemon=True)
            thread.start()
            yield sizes

    def _log_in(self, data_dir: Path, checkout: Checkout) -> str:
        said = checkout.run("-m", "tiktok_forwarder", "console-link", "--data-dir", str(data_dir)).decode()
        path = re.search(r"/welcome/\S+", said)
        if path is None:
            raise RuntimeError(f"no link was printed: {said}")
        form = urlencode({"name": "bench", "password": _PASSWORD, "again": _PASSWORD})
        with self._asked("POST", path[0], form) as answer:
            cookie = answer.headers.get("set-cookie")
        if cookie is None:
            raise RuntimeError(f"the link was answered with {answer.status}")
        return str(cookie).partition(";")[0]

    @contextlib.contextmanager
    def _asked(self, method: str, path: str, form: str | None = None) -> Iterator[http.client.HTTPResponse]:
        headers = {"Accept": "text/html", "Origin": f"http://127.0.0.1:{self._port}"}
        if form is None:
            headers["Cookie"] = self._cookie
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
            connection.request(method, path, form, headers)
            yield connection.getresponse()


def _read(answer: http.client.HTTPResponse, sizes: list[int]) -> None:
    with contextlib.suppress(OSError, ValueError, http.client.HTTPException, AttributeError):
        while chunk := answer.read1(1 << 20):
            sizes.append(len(chunk))
