"""What a form must prove at the console's door: where it comes from, whose session it is of, and that it is one."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest

from tests.unit.console.door_rig import BASE, FORM, POSTS, PROXY, Behind, Browser, Door, address, title

FORGED = "This form has expired; reload the page and submit it again."
FOREIGN = "This form was sent from another site, so nothing was done."
GUARDED_POSTS = [page for page in POSTS if page.right != "public"]
PUBLIC_POSTS = [page for page in POSTS if page.right == "public"]

# --- the session's token ---


async def refused_everywhere(browser: Browser, content: bytes, headers: Mapping[str, str | None] | None = None) -> bool:
    """Whether each form of a logged-in user is refused as forged."""
    answers = [await browser.ask("POST", address(page), content, headers) for page in GUARDED_POSTS]
    return all(answer.status == 403 and FORGED in answer.text for answer in answers)


@pytest.mark.parametrize(
    "content", [b"", b"csrf=", b"csrf=guessed", b"csrf=%C3%BC", b"csrf=%FF", b"name=x&token=y", b"CSRF=x"]
)
async def test_form_without_its_sessions_token_reaches_no_page(door: Door, behind: Behind, content: bytes) -> None:
    """A missing, empty or guessed token is refused on every page, for viewers as for administrators."""
    for browser in (await door.browser(), await door.browser("Vera", "viewer")):
        assert await refused_everywhere(browser, content)
    assert behind.reached == [] and door.faults == []


async def test_form_with_the_token_of_another_session_reaches_no_page(door: Door, behind: Behind) -> None:
    """Neither of somebody else's session nor of another one of the same user, nor cut or longer."""
    ada, again, vera = await door.browser(), await door.browser(), await door.browser("Vera", "viewer")
    for token in (again.csrf, vera.csrf, ada.csrf[:-1], ada.csrf + "x", ada.csrf.swapcase()):
        assert await refused_everywhere(ada, f"csrf={token}".encode())
    assert behind.reached == []


async def test_token_may_come_in_the_header(door: Door, behind: Behind) -> None:
    """Parts of pages send it so; a wrong one is refused, and the one of the form goes first."""
    ada, again = await door.browser(), await door.browser()
    for wrong in ("", "guessed", "\u00fc", again.csrf):
        assert await refused_everywhere(ada, b"", {"x-csrf-token": wrong})
    assert await refused_everywhere(ada, b"csrf=guessed", {"x-csrf-token": ada.csrf})
    assert behind.reached == []
    for page in GUARDED_POSTS:
        assert (await ada.ask("POST", address(page), b"", {"x-csrf-token": ada.csrf})).status == 200
    assert behind.reached == [title(page) for page in GUARDED_POSTS]


async def test_token_of_an_ended_session_is_worth_nothing(door: Door, behind: Behind) -> None:
    """After logging out, the form of a page that is still open leads to the login."""
    ada = await door.browser()
    await door.console.access.log_out(ada.cookies["session-8090"])
    for page in GUARDED_POSTS:
        assert urlsplit((await ada.post(address(page))).location).path == "/login"
    assert behind.reached == []


async def test_public_form_needs_no_token_when_a_session_is_open(door: Door, behind: Behind) -> None:
    """Its page was shown without the session, when a link of another site led there; what it holds is proof enough."""
    ada = await door.browser()
    for page in PUBLIC_POSTS:
        assert (await ada.post(address(page), token=False)).status == 200, title(page)
    assert behind.reached == [title(page) for page in PUBLIC_POSTS]


async def test_page_to_look_at_needs_no_token(door: Door, behind: Behind) -> None:
    """A link or a bookmark has none."""
    ada = await door.browser()
    ada.csrf = ""
    assert (await ada.get("/account?csrf=x")).status == 200
    assert behind.reached == ["GET /account"]


# --- where it comes from ---


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": None},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:8091"},
        {"origin": "https://127.0.0.1:8090"},
        {"origin": "http://localhost:8090"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": ""},
        {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site", "origin": "null"},
        {"origin": None, "referer": f"{BASE}/access"},
    ],
    ids=str,
)
async def test_form_of_another_site_reaches_no_page(
    door: Door, behind: Behind, headers: Mapping[str, str | None]
) -> None:
    """On any page, though the browser sends the cookie and the form the right token; nor does a login."""
    ada = await door.browser()
    for page in POSTS:
        answer = await ada.post(address(page), headers=headers)
        assert (answer.status, FOREIGN in answer.text) == (403, True), title(page)
    for page in PUBLIC_POSTS:
        answer = await door.stranger().post(address(page), headers=headers)
        assert (answer.status, FOREIGN in answer.text) == (403, True), title(page)
    assert behind.reached == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": BASE},
        {"origin": BASE, "sec-fetch-site": "same-origin"},
        {"origin": None, "sec-fetch-site": "same-origin"},
        {"origin": "null", "sec-fetch-site": "same-origin"},
        {"origin": "http://localhost:8090", "host": "localhost:8090"},
        {"origin": "http://[::1]:8090", "host": "[::1]:8090"},
    ],
    ids=str,
)
async def test_form_of_the_console_reaches_its_page(
    door: Door, behind: Behind, headers: Mapping[str, str | None]
) -> None:
    """Whichever way the browser says that it comes from a page of the console."""
    ada = await door.browser()
    for page in GUARDED_POSTS:
        assert (await ada.post(address(page), headers=headers)).status == 200, title(page)
    assert behind.reached == [title(page) for page in GUARDED_POSTS]


async def test_page_to_look_at_may_be_opened_from_anywhere(door: Door, behind: Behind) -> None:
    """A link in a message leads to the page: what opening it may do is nothing."""
    ada = await door.browser()
    assert (await ada.get("/account", {"sec-fetch-site": "cross-site", "origin": "https://evil.example"})).status == 200
    assert behind.reached == ["GET /account"]


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example:8090"}, {"host": None}, {"x-forwarded-for": "203.0.113.9"}], ids=str
)
async def test_unsafe_way_reaches_no_page(door: Door, behind: Behind, headers: Mapping[str, str | None]) -> None:
    """A foreign name or an undeclared proxy is refused with and without a session, and the page tells no user."""
    for browser in (door.stranger(), await door.browser()):
        for method in ("GET", "POST"):
            for path in ("/login", "/account"):
                answer = await browser.ask(method, path, f"csrf={browser.csrf}".encode(), headers)
                assert (answer.status, "the setting console_url" in answer.text) == (403, True)
                assert "Log out" not in answer.text and "Ada" not in answer.text
        unknown = await browser.get("/nothing", headers)
        assert (unknown.status, "Log out" in unknown.text) == (404, False)
    assert behind.reached == []


async def test_declared_proxy_brings_its_own_session_only(behind: Behind) -> None:
    """Under the proxy's name the session is in a cookie that needs TLS; the one of plain HTTP is none there."""
    door = Door(PROXY)
    ada = await door.browser()
    proxied = {"host": "forwarder.example.com", "origin": PROXY, "x-forwarded-for": "203.0.113.9"}
    assert (await ada.get("/account", proxied)).status == 303
    ada.cookies = {"__Host-session": ada.cookies["session-8090"]}
    assert (await ada.get("/account", proxied)).status == 200
    assert (await ada.post("/account", headers=proxied)).status == 200
    assert (await ada.post("/account", headers={**proxied, "origin": BASE})).status == 403
    assert (await ada.get("/account")).status == 303
    assert behind.reached == ["GET /account", "POST /account"]
    assert [request.origin.source for request in behind.requests] == ["203.0.113.9", "203.0.113.9"]


# --- that it is one ---


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
async def test_what_is_no_form_reaches_no_page(door: Door, behind: Behind, content_type: str) -> None:
    """A page of another site can send these without asking, so none of them is read."""
    ada = await door.browser()
    for page in POSTS:
        answer = await ada.post(address(page), headers={"content-type": content_type})
        assert (answer.status, "The console takes forms only." in answer.text) == (415, True), title(page)
    assert behind.reached == []


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=UTF-8", f" {FORM.upper()} ;charset=utf-8", None])
async def test_form_is_known_by_its_type(door: Door, behind: Behind, content_type: str | None) -> None:
    """With a character set behind it, in any case, or left out."""
    ada = await door.browser()
    answer = await ada.post("/account", ("name", "Ädä"), headers={"content-type": content_type})
    assert answer.status == 200
    assert behind.requests[0].form.text("name") == "Ädä"


def form_of(size_bytes: int, token: str) -> bytes:
    """A form of exactly this size."""
    begun = f"csrf={token}&name=".encode()
    return begun + b"x" * (size_bytes - len(begun))


async def test_form_of_a_stranger_is_16_kib_at_most(door: Door, behind: Behind) -> None:
    """A name and a password fit; whoever is not logged in has nothing else to say."""
    stranger = door.stranger()
    assert (await stranger.ask("POST", "/login", form_of(16_384, ""))).status == 200
    answer = await stranger.ask("POST", "/login", form_of(16_385, ""))
    assert (answer.status, "The form is larger than the 16384 bytes allowed." in answer.text) == (413, True)
    assert behind.reached == ["POST /login"]


async def test_form_of_a_user_is_1_mib_at_most(door: Door, behind: Behind) -> None:
    """A file of connections fits; a viewer may send as much as an administrator."""
    vera = await door.browser("Vera", "viewer")
    assert (await vera.ask("POST", "/account", form_of(1_048_576, vera.csrf))).status == 200
    answer = await vera.ask("POST", "/account", form_of(1_048_577, vera.csrf))
    assert (answer.status, "The form is larger than the 1048576 bytes allowed." in answer.text) == (413, True)
    assert behind.reached == ["POST /account"]
