"""The docs site as the tests use it: built once, served from 127.0.0.1, its pages read as HTML."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# What can load something while a page is shown; an `a` only leads there.
_LOADING = {"link": "href", "script": "src", "img": "src", "source": "src", "iframe": "src"}


@dataclass
class Article:
    """What a page's own text has: blocks of code as texts, and the number of each other element."""

    counts: Counter[str] = field(default_factory=Counter)
    code_blocks: list[str] = field(default_factory=list)


class HtmlPage(HTMLParser):
    """The IDs, the targets of links and loaded files, and the article of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.description = ""
        self.article = Article()
        self._is_in_article = "<article" not in text
        self._is_in_code_block = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids.add(values.get("id", ""))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in _LOADING and _LOADING[tag] in values:
            self.loaded.append(values[_LOADING[tag]])
        if tag == "meta" and values.get("name") == "description":
            self.description = values["content"]
        self._is_in_article = self._is_in_article or tag == "article"
        if self._is_in_article:
            self.article.counts[tag] += values.get("class") != "headerlink"
            if tag == "pre":
                self._is_in_code_block = True
                self.article.code_blocks.append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_in_article = self._is_in_article and tag != "article"
        self._is_in_code_block = self._is_in_code_block and tag != "pre"

    def handle_data(self, data: str) -> None:
        if self._is_in_code_block:
            self.article.code_blocks[-1] += data


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: a test's output is its own."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the folder as `python3 -m http.server` does, and yield its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
