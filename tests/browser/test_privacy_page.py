"""What pages store in a browser is what `docs/privacy.md` lists: cookies, and whatever else a script can store in."""

import re
from collections.abc import Collection

import pytest
from playwright.sync_api import Page

from tests.browser.admin_api import ask
from tests.browser.console import Console
from tests.browser.reader import log_in_as_first_admin
from tests.browser.shop_server import script_tag, shop_server
from tests.browser.watched_browser import StrictBrowser
from tests.privacy_page import listed_fields

pytestmark = pytest.mark.slow

KEY = "key-of-the-pages"
# Databases are asked for by a promise.
STORED = """async () => [
    Object.keys(sessionStorage), Object.keys(localStorage), await caches.keys(),
    (await indexedDB.databases()).map(({ name }) => name),
    (await navigator.serviceWorker.getRegistrations()).length
]"""


def cookies(page: Page) -> set[str]:
    return {str(cookie["name"]) for cookie in page.context.cookies()}


def matches(names: Collection[str], listed: Collection[str]) -> bool:
    """Whether each name is listed; what varies of one is in capitals there."""
    patterns = [re.sub(r"[A-Z]+$", ".+", re.escape(each).replace(r"\ ", " ")) for each in listed]
    return all(any(re.fullmatch(pattern, name) for pattern in patterns) for name in names)


def test_console_stores_what_is_listed(console: Console, browser: StrictBrowser) -> None:
    """A draft and the page that the session ended on are in the tab, the session is a cookie; there is nothing else."""
    listed = listed_fields()
    page = log_in_as_first_admin(browser, console)
    [connection] = ask(console.data_dir, "GET", "/api/connections")
    page.goto(f"/connections/{connection['id']}/edit")
    page.get_by_label("Name", exact=True).fill("Shop of something else")
    page.wait_for_function("Object.keys(sessionStorage).length > 0")
    in_session, local, *others = page.evaluate(STORED)
    assert in_session and matches(in_session, listed["console: session storage"])
    assert (local, others) == ([], [[], [], 0])
    assert cookies(page) and matches(cookies(page), listed["console: cookie"])
    assert not matches(["else"], listed["console: session storage"])


def test_script_for_sites_stores_what_is_listed(console: Console, browser: StrictBrowser) -> None:
    """The click ID of a landing page, in a cookie; sending an event stores nothing."""
    with shop_server() as server:
        pages = {"name": "pages", "kind": "browser", "key": KEY, "origins": [server.url]}
        ask(console.data_dir, "POST", "/api/inputs", pages)
        server.head = script_tag(f"{console.url}/tiktok-forwarder.js", data_key=KEY)
        browser.tolerate(f"another host: GET {console.url}", f"another host: POST {console.url}")
        page = browser.page(server.url)
        page.goto("/?ttclid=E.C.P.GeneratedClickId0123456789")
        with page.expect_response(lambda response: response.request.method == "POST") as answered:
            page.evaluate("tiktokForwarder.track('search', {term: 'shoes'})")
        assert answered.value.status == 202
        assert cookies(page) == listed_fields()["site's page: cookie"]
        assert page.evaluate(STORED) == [[], [], [], [], 0]
