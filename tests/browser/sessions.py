"""Sessions of people who read the console, without the welcome page in a browser: their cookies, got over HTTP."""

from http.client import HTTPConnection
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import Page

from tests.browser.admin_api import ask

Reader = Literal["administrator", "viewer", "stranger"]
PASSWORD = "a password of some length"
_SECONDS = 10


def first_session(url: str, data_dir: Path) -> str:
    """The cookie of anna, the first administrator."""
    link = ask(data_dir, "POST", "/api/console-link")
    return welcomed(url, link["path"], "anna")


def invited_session(url: str, data_dir: Path, name: str) -> str:
    """The cookie of a new viewer."""
    return welcomed(url, invitation(data_dir, name)[1], name)


def invitation(data_dir: Path, name: str) -> tuple[str, str]:
    """A new viewer's id, and the path of the link that nobody has used yet."""
    link = ask(data_dir, "POST", "/api/users", {"name": name, "role": "viewer"})
    return link["user"]["id"], link["path"]


def welcomed(url: str, path: str, name: str) -> str:
    form = urlencode({"name": name, "password": PASSWORD, "again": PASSWORD})
    connection = HTTPConnection(urlsplit(url).netloc, timeout=_SECONDS)
    try:
        connection.request("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded", "Origin": url})
        answer = connection.getresponse()
        assert answer.status == 303, answer.read()
        return (answer.getheader("Set-Cookie") or "").partition(";")[0]
    finally:
        connection.close()


def become(page: Page, url: str, cookie: str) -> None:
    """From now on the page is read by whoever has this cookie."""
    name, _, value = cookie.partition("=")
    page.context.add_cookies([{"name": name, "value": value, "url": url}])
