"""Every page in the console's table, for whoever may open it: on a desktop and a telephone, in light and dark.

A new page is tested here without a change, unless its path has a parameter that no other has: `populated.py` gives
those their values.
"""

import re
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.accessibility import check_looks
from tests.browser.populated import Populated
from tests.browser.screenshots import SCHEMES, screenshot
from tests.browser.sessions import Reader, become, first_session
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_process import serving
from tiktok_forwarder.console.app import PAGES
from tiktok_forwarder.console.page import Right

# The populated service is made once, by the one worker that these tests run on.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("populated")]

SHOWN = [page for page in PAGES if page.method == "GET"]
READERS: Mapping[Right, tuple[Reader, ...]] = {
    "public": ("stranger",),
    "viewer": ("administrator", "viewer"),
    "admin": ("administrator",),
}
CASES = [(page.path, reader) for page in SHOWN for reader in READERS[page.right]]
# Pages that answer a question, and have nothing to say without it.
QUESTIONS = {
    "/dead-letters/replay": "connection={connection_id}",
    "/dead-letters/discard": "connection={connection_id}",
}
# What is got from the console beside pages: files to keep, and streams.
NO_PAGES = {"application/toml", "application/json", "text/event-stream"}


def address(path: str, values: Mapping[str, str]) -> str:
    """Where the populated service has such a page."""
    unknown = sorted(set(re.findall(r"\{(\w+)\}", path)) - values.keys())
    assert not unknown, f"{path}: no value for {', '.join(unknown)}: add one in _values of tests/browser/populated.py"
    question = QUESTIONS.get(path)
    return f"{path}?{question}".format(**values) if question else path.format(**values)


def media_type(port: int, path: str, cookie: str) -> str:
    """What is there, by its headers: the rest of a stream would not end."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Accept": "text/html", "Cookie": cookie})
        answer = connection.getresponse()
        assert answer.status == 200, (
            f"{path}: {answer.status}; if it needs a query, add it in QUESTIONS: {answer.read()!r}"
        )
        return (answer.getheader("Content-Type") or "").partition(";")[0]
    finally:
        connection.close()


def title(path: str, reader: Reader) -> str:
    """A name for pictures."""
    words = "-".join(re.findall(r"\w+", path)) or "overview"
    return words if reader != "viewer" else f"{words}-viewer"


def look_at(page: Page, name: str) -> None:
    """It fits the screen and axe finds nothing grave, in all four forms; pictures of each are kept."""
    check_looks(page)
    for scheme in SCHEMES:
        screenshot(page, name, scheme)


@pytest.mark.parametrize(("path", "reader"), CASES, ids=[f"{path}-{reader}" for path, reader in CASES])
def test_every_page(path: str, reader: Reader, populated: Populated, browser: StrictBrowser) -> None:
    """With something on it: no error, no request elsewhere, accessible, and no wider than the screen."""
    cookie = populated.cookies.get(reader, "")
    where = address(path, populated.values)
    kind = media_type(populated.service.port, where, cookie)
    if kind in NO_PAGES:
        return
    assert kind == "text/html", f"{path} is {kind}: name it in NO_PAGES if it is no page"
    page = browser.page(populated.url)
    if cookie:
        become(page, populated.url, cookie)
    page.goto(where)
    assert page.locator("h1").count() == 1, f"{path} has to have one heading of the first level"
    look_at(page, title(path, reader))


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/access", 403)])
def test_every_refusal(path: str, status: int, populated: Populated, browser: StrictBrowser) -> None:
    """A page that is not there, or not for this reader, is a page like the others."""
    browser.tolerate(f"status of {status}")
    page = browser.page(populated.url)
    become(page, populated.url, populated.cookies["viewer"])
    answer = page.goto(path)
    assert answer is not None and answer.status == status
    look_at(page, f"refusal-{status}")


@pytest.mark.timeout(240)  # more than twenty pages, each in four forms
def test_every_page_before_anything_came_in(tmp_path: Path, browser: StrictBrowser) -> None:
    """A service that has nothing yet says so, in words that stand the same test."""
    plain = [page for page in SHOWN if page.right != "public" and "{" not in page.path and page.path not in QUESTIONS]
    with serving(tmp_path / "data") as service:
        url = f"http://127.0.0.1:{service.port}"
        cookie = first_session(url, tmp_path / "data")
        page = browser.page(url)
        become(page, url, cookie)
        for each in plain:
            if media_type(service.port, each.path, cookie) not in NO_PAGES:
                page.goto(each.path)
                look_at(page, f"{title(each.path, 'administrator')}-empty")
