"""What every answer of the console carries, and how it says what went wrong."""

import json

import pytest
from starlette.exceptions import HTTPException

from tests.unit.console.door_rig import (
    PROXY,
    SAFE_HEADERS,
    Answer,
    Behind,
    Browser,
    Door,
    address,
    title,
)
from tiktok_forwarder.console.api import ApiError
from tiktok_forwarder.console.app import PAGES
from tiktok_forwarder.console.static_files import StaticFiles

SECRET = "canary@example.com"


async def every_kind(door: Door) -> list[tuple[int, Answer]]:
    """One answer of each kind with the status that it is to have: pages, redirects, refusals, files."""
    ada, vera, stranger = await door.browser(), await door.browser("Vera", "viewer"), door.stranger()
    return [
        (200, await ada.get("/")),
        (200, await stranger.get("/login")),
        (303, await stranger.get("/")),
        (401, await stranger.get("/", {"hx-request": "true"})),
        (403, await vera.get("/access")),
        (403, await vera.get("/access", {"accept": "application/json"})),
        (403, await ada.post("/account", token=False)),
        (403, await stranger.post("/login", headers={"origin": None})),
        (403, await stranger.get("/login", {"host": "evil.example"})),
        (404, await ada.get("/nothing")),
        (404, await stranger.get("/nothing", {"accept": None})),
        (404, await stranger.get("/static/nothing.css")),
        (405, await stranger.ask("PUT", "/login")),
        (413, await stranger.ask("POST", "/login", b"x" * 20_000)),
        (415, await stranger.post("/login", headers={"content-type": "text/plain"})),
    ]


# --- headers ---


async def test_every_kind_of_answer_has_the_same_headers(door: Door) -> None:
    """Pages, redirects, refusals and errors: these headers word by word, no other, and nothing of it is kept."""
    for status, answer in await every_kind(door):
        assert answer.status == status
        assert answer.safe_headers == SAFE_HEADERS, status
        assert answer.headers["cache-control"] == "no-store", status


async def test_answer_of_every_page_has_its_headers(door: Door) -> None:
    """Whoever asks, and whether or not the page is reached."""
    ada, stranger = await door.browser(), door.stranger()
    for page in PAGES:
        for browser in (ada, stranger):
            answer = await browser.ask(page.method, address(page), f"csrf={browser.csrf}".encode())
            assert answer.safe_headers == SAFE_HEADERS, title(page)
            assert answer.headers["cache-control"] == "no-store", title(page)


@pytest.mark.parametrize("error", [KeyError(SECRET), ApiError(409, ["changed"]), HTTPException(401, "void")])
async def test_error_of_a_page_has_its_headers(door: Door, behind: Behind, error: Exception) -> None:
    """The page of an error shows what the reader sent, and is guarded as any other."""
    behind.fail_with(error)
    answer = await (await door.browser()).get("/")
    assert answer.status in (500, 409, 401)
    assert answer.safe_headers == SAFE_HEADERS and answer.headers["cache-control"] == "no-store"


async def test_file_may_be_kept_and_has_its_headers(door: Door) -> None:
    """A script or style is named by its contents, and says what it is; a stranger gets it for the login page."""
    answer = await door.stranger().get(StaticFiles().address("console.css"))
    assert (answer.status, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.safe_headers == SAFE_HEADERS


async def test_browser_is_told_to_stay_with_tls_behind_a_declared_proxy(behind: Behind) -> None:
    """For a year, with every answer, also one that refuses."""
    door = Door(PROXY)
    proxied = {"host": "forwarder.example.com", "x-forwarded-for": "203.0.113.9"}
    for path, headers, status in (("/login", proxied, 200), ("/", proxied, 303), ("/login", {"host": "x"}, 403)):
        answer = await door.stranger().get(path, headers)
        assert answer.status == status
        assert answer.safe_headers == {**SAFE_HEADERS, "strict-transport-security": "max-age=31536000"}


# --- errors ---


async def shown(browser: Browser, path: str, **headers: str | None) -> Answer:
    return await browser.get(path, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("path", ["/nothing", "/access/", "/connections/", "/login/x", "//login", "/static/../app.py"])
async def test_unknown_address_is_answered_as_a_page(door: Door, behind: Behind, path: str) -> None:
    """The page says that there is nothing, to a user with the way to the other pages, to a stranger without."""
    for browser, name in ((await door.browser(), "Ada"), (door.stranger(), "")):
        answer = await browser.get(path)
        assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "<html" in answer.text and "No page has this address." in answer.text
        assert ("Log out" in answer.text, f" {name}</a>" in answer.text) == (bool(name), bool(name))
    assert behind.reached == []


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
async def test_program_is_answered_in_json(door: Door, behind: Behind, accept: str | None) -> None:
    """What asks for no page gets the error as the API has it: a code for what is not there, another for a refusal."""
    vera = await door.browser("Vera", "viewer")
    missing, refused = await shown(vera, "/nothing", accept=accept), await shown(vera, "/access", accept=accept)
    assert (missing.status, refused.status) == (404, 403)
    assert missing.headers["content-type"] == refused.headers["content-type"] == "application/json"
    assert json.loads(missing.text) == {"errors": [{"code": "NOT_FOUND", "message": "no page has this address"}]}
    assert json.loads(refused.text) == {"errors": [{"code": "REFUSED", "message": "this page is for administrators"}]}


@pytest.mark.parametrize("accept", ["*/*", "text/html", None])
async def test_part_of_a_page_is_answered_with_a_part(door: Door, accept: str | None) -> None:
    """The answer is put into the page that is open, so it is no whole page and no JSON, whatever htmx accepts."""
    answer = await shown(await door.browser("Vera", "viewer"), "/access", accept=accept, hx_request="true")
    assert (answer.status, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert '<div class="problems" role="alert">' in answer.text and "This page is for administrators." in answer.text
    assert "<html" not in answer.text


async def test_fault_of_a_page_is_told_without_what_it_was_about(door: Door, behind: Behind) -> None:
    """The reader learns that the log says where; whoever keeps the log is problem of the error."""
    behind.fail_with(KeyError(SECRET))
    ada = await door.browser()
    page, program = await ada.get("/"), await shown(ada, "/", accept="application/json")
    assert (page.status, program.status) == (500, 500)
    assert "Internal error; the service log shows where." in page.text and "Log out" in page.text
    (problem,) = json.loads(program.text)["errors"]
    assert problem["message"] == "internal error; the service log shows where"
    assert SECRET not in page.text + program.text
    assert [type(fault) for fault in door.faults] == [KeyError, KeyError]


@pytest.mark.parametrize(
    ("status", "heading"),
    [
        (401, "Link not valid"),
        (403, "Access denied"),
        (404, "Page not found"),
        (409, "Edit conflict"),
        (422, "Check your input"),
        (503, "Temporarily unavailable"),
        (418, "Something went wrong"),
    ],
)
async def test_refusal_of_the_api_is_shown_in_its_words(door: Door, behind: Behind, status: int, heading: str) -> None:
    """The page has the API's status and every sentence of it, escaped."""
    behind.fail_with(ApiError(status, ["name: <b> is taken", "and so on"]))
    answer = await (await door.browser()).get("/")
    assert (answer.status, f"<h1>{heading}</h1>" in answer.text) == (status, True)
    assert "<p>Name: &lt;b&gt; is taken.</p><p>And so on.</p>" in answer.text
    assert door.faults == []


async def test_refusal_of_a_page_is_shown_in_its_words(door: Door, behind: Behind) -> None:
    """Only an unknown address has the door's own words: whatever a page refuses is problem as the page tells it."""
    behind.fail_with(HTTPException(422, "not so"))
    answer = await (await door.browser()).get("/")
    assert (answer.status, "<p>Not so.</p>" in answer.text) == (422, True)


async def test_error_that_an_open_page_meets_keeps_no_session(door: Door) -> None:
    """A page that refreshes itself and is refused is as little use as one that is answered."""
    vera = await door.browser("Vera", "viewer")
    for wait_seconds, headers, status in ((1000, {"hx-request": "true"}, 403), (1000, {}, 303)):
        door.console.wait(wait_seconds)
        assert (await vera.get("/access", headers)).status == status
