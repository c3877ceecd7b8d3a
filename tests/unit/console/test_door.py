"""Who comes through the console's door: every page of the table, for strangers, viewers and administrators."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.console.door_rig import (
    BASE,
    GUARDED,
    POSTS_OF_VIEWERS,
    PUBLIC,
    Behind,
    Door,
    address,
    page_shown_with,
    title,
)
from tiktok_forwarder.api.users import ADD_USER, LIST_USERS, NewUserBody
from tiktok_forwarder.console.api import ApiError
from tiktok_forwarder.console.app import PAGES
from tiktok_forwarder.web.in_process import asgi_call

LOOKED_AT_BY_ADMINISTRATORS_ONLY = {
    "GET /access",
    "GET /access/users/{user}/remove",
    "GET /activity/development",
    "GET /connections/import",
    "GET /connections/new",
    "GET /connections/{connection_id}/delete",
    "GET /connections/{connection_id}/edit",
    "GET /connections/{connection_id}/go-live",
    "GET /connections/{connection_id}/pause",
    "GET /dead-letters/discard",
    "GET /dead-letters/replay",
    "GET /inputs/{input_name}/remove",
    "GET /notices/recipients/{recipient}",
    "GET /notices/recipients/{recipient}/remove",
}


def test_rights_are_those_that_are_listed() -> None:
    """A page that is opened to more people must be opened in this list as well."""
    assert {title(page) for page in PAGES if page.right == "public"} == PUBLIC
    assert {title(page) for page in PAGES if page.right == "viewer" and page.method == "POST"} == POSTS_OF_VIEWERS
    listed = {title(page) for page in PAGES if page.right == "admin" and page.method == "GET"}
    assert listed == LOOKED_AT_BY_ADMINISTRATORS_ONLY


# --- without login ---


@pytest.mark.parametrize("cookies", [{}, {"session-8090": ""}, {"session-8090": "guessed"}], ids=["no", "empty", "bad"])
async def test_guarded_page_leads_to_the_login_without_a_session(
    door: Door, behind: Behind, cookies: dict[str, str]
) -> None:
    """The page to open afterwards is named, for a form the page that has it; an invented cookie is none."""
    stranger = door.stranger()
    stranger.cookies = cookies
    for page in GUARDED:
        answer = await stranger.ask(page.method, address(page))
        after = parse_qs(urlsplit(answer.location).query)
        shown = page_shown_with(page)
        wanted = {"next": [shown]} if shown else {}
        assert (answer.status, urlsplit(answer.location).path, after) == (303, "/login", wanted), title(page)
        assert (answer.text, "set-cookie" in answer.headers) == ("", False)
    assert behind.reached == []


async def test_part_of_a_guarded_page_sends_the_browser_to_the_login(door: Door, behind: Behind) -> None:
    """A redirect would be put into the open page: htmx is told to leave it."""
    for page in GUARDED:
        answer = await door.stranger().ask(page.method, address(page), headers={"hx-request": "true"})
        assert (answer.status, answer.headers["hx-redirect"], answer.text) == (401, "/login", ""), title(page)
    assert behind.reached == []


async def test_other_methods_pass_no_door(door: Door, behind: Behind) -> None:
    """HEAD needs the login of its GET; what no page takes is refused, whoever asks."""
    assert (await door.stranger().ask("HEAD", "/access")).status == 303
    for browser in (door.stranger(), await door.browser()):
        for method in ("PUT", "PATCH", "DELETE"):
            assert (await browser.ask(method, "/access")).status == 405
        assert (await browser.ask("POST", "/access")).status == 405
        assert (await browser.ask("GET", "/logout")).status == 405
    assert behind.reached == []


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/", "/login"),
        ("/?a=b", "/login"),
        ("/account", "/login?next=%2Faccount"),
        ("/activity?event=a%20b&x=1", "/login?next=%2Factivity%3Fevent%3Da%2520b%26x%3D1"),
        ("/connections/Shoes%2F50", "/login?next=%2Fconnections%2FShoes%252F50"),
    ],
)
async def test_login_is_told_where_one_was(door: Door, path: str, location: str) -> None:
    """With the filters of the page, and with names as they were written in its address."""
    assert (await door.stranger().get(path)).location == location


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/connections/new", "/login?next=%2Fconnections%2Fnew"),
        ("/connections/Shoes%2F50/check", "/login?next=%2Fconnections%2FShoes%252F50"),
        ("/connections/a/mappings/b/draft", "/login?next=%2Fconnections%2Fa%2Fmappings%2Fb"),
        ("/access/users/a/role", "/login?next=%2Faccess"),
        ("/logout", "/login"),
    ],
)
async def test_login_leads_back_to_the_page_of_a_form(door: Door, path: str, location: str) -> None:
    """The form's own address may be no page, and its fields are not stored by the service."""
    assert (await door.stranger().post(path, ("name", "typed"))).location == location


@pytest.mark.parametrize(
    ("open_page", "location"),
    [
        (f"{BASE}/connections/a/edit?x=1", "/login?next=%2Fconnections%2Fa%2Fedit%3Fx%3D1"),
        (f"{BASE}/", "/login"),
        ("https://elsewhere.example.com/connections/a", "/login"),
        ("", "/login"),
    ],
)
async def test_login_leads_back_to_the_page_of_a_part(door: Door, open_page: str, location: str) -> None:
    """A part of a page is not to be opened alone; another site's page is not followed."""
    headers = {"hx-request": "true", "hx-current-url": open_page}
    answer = await door.stranger().ask("POST", "/connections/a/edit/draft", headers=headers)
    assert (answer.status, answer.headers["hx-redirect"]) == (401, location)


async def test_public_pages_are_reached_by_everybody(door: Door, behind: Behind) -> None:
    """Whoever comes in has no session yet; whoever has one may open them too."""
    pages = [page for page in PAGES if title(page) in PUBLIC]
    for browser in (door.stranger(), await door.browser(), await door.browser("Vera", "viewer")):
        behind.reached.clear()
        for page in pages:
            assert (await browser.ask(page.method, address(page), f"csrf={browser.csrf}".encode())).status == 200
        assert behind.reached == [title(page) for page in pages]


async def test_stranger_is_nobody_on_a_public_page(door: Door, behind: Behind) -> None:
    """The page knows neither a user nor a way to the API."""
    await door.stranger().get("/login")
    (request,) = behind.requests
    assert (request.is_logged_in, request.is_admin) == (False, False)
    for member in ("user", "session", "api"):
        with pytest.raises(RuntimeError):
            getattr(request, member)


# --- with a session ---


async def test_administrator_reaches_every_page(door: Door, behind: Behind) -> None:
    """Each by its own address: a fixed path goes before one with a name in its place."""
    ada = await door.browser()
    for page in PAGES:
        content = f"csrf={ada.csrf}".encode() if page.method == "POST" else b""
        assert (await ada.ask(page.method, address(page), content)).text == f"this is {title(page)}"
    assert behind.reached == [title(page) for page in PAGES]
    assert all(request.user.name == "Ada" and request.is_admin for request in behind.requests)


async def test_viewer_reaches_no_page_of_administrators(door: Door, behind: Behind) -> None:
    """Neither to look nor to change, in whole or in part; everything else is reached."""
    vera = await door.browser("Vera", "viewer")
    for page in PAGES:
        behind.reached.clear()
        content = f"csrf={vera.csrf}".encode() if page.method == "POST" else b""
        for part in (None, "true"):
            answer = await vera.ask(page.method, address(page), content, {"hx-request": part})
            allowed = title(page) in PUBLIC | POSTS_OF_VIEWERS or (
                page.method == "GET" and title(page) not in LOOKED_AT_BY_ADMINISTRATORS_ONLY
            )
            assert (answer.status, title(page) in behind.reached) == ((200, True) if allowed else (403, False)), page
            assert allowed or "This page is for administrators." in answer.text
    assert not any(request.is_admin for request in behind.requests)


async def test_changed_role_counts_from_the_next_page_on(door: Door, behind: Behind) -> None:
    """A session that was begun as an administrator's opens nothing to a viewer, and the other way round."""
    ben, _ = await door.browser("Ben", "admin"), await door.browser("Ada", "admin")
    assert (await ben.get("/access")).status == 200
    await door.console.access.set_role("Ben", "viewer", "test")
    assert ((await ben.get("/access")).status, (await ben.post("/access/keys")).status) == (403, 403)
    await door.console.access.set_role("Ben", "admin", "test")
    assert (await ben.get("/access")).status == 200
    assert behind.reached == ["GET /access", "GET /access"]


@pytest.mark.parametrize("name", ["session-8091", "session-80", "session", "__Host-session"])
async def test_session_of_another_service_opens_nothing(door: Door, behind: Behind, name: str) -> None:
    """Cookies are shared by all ports of a host: only the one named after this port counts."""
    ada = await door.browser()
    ada.cookies = {name: ada.cookies["session-8090"]}
    assert (await ada.get("/account")).location == "/login?next=%2Faccount"
    assert behind.reached == []


async def test_page_asks_the_api_with_the_rights_of_its_user(door: Door, behind: Behind) -> None:
    """A page that forgot a right would still be refused by the API; a change is made in the user's name."""
    await (await door.browser("Vera", "viewer")).get("/")
    await (await door.browser()).get("/")
    vera, ada = behind.requests
    for change in (vera.api.call(LIST_USERS), vera.api.call(ADD_USER, body=NewUserBody("Ben"))):
        with pytest.raises(ApiError) as refused:
            await change
        assert refused.value.status == 403
    assert [each.name for each in await ada.api.call(LIST_USERS)] == ["Vera", "Ada"]
    await ada.api.call(ADD_USER, body=NewUserBody("Ben"))
    assert (await door.console.store.list_documents("user"))[-1].changed_by == "user Ada"


async def test_api_behind_the_console_answers_the_console_only(door: Door) -> None:
    """It has no key of its own, so what does not come from a page is refused."""
    status, answer = await asgi_call(door.api, "GET", "/api/users", b"")
    assert status == 401 and b"only the console can call this API" in answer


# --- the end of a session ---


async def test_session_ends_after_half_an_hour_without_use(door: Door) -> None:
    """A page that is opened within 30 minutes keeps it; later the login is asked for."""
    ada = await door.browser()
    for seconds, status in ((1800, 200), (1800, 200), (1801, 303), (0, 303)):
        door.console.wait(seconds)
        assert (await ada.get("/account")).status == status


async def test_session_ends_after_twelve_hours_of_use(door: Door) -> None:
    """Then the login is asked for, however busy the user was."""
    ada = await door.browser()
    for _ in range(24):
        door.console.wait(1800)
        assert (await ada.get("/account")).status == 200
    door.console.wait(1)
    assert (await ada.get("/account")).status == 303


@pytest.mark.parametrize(
    ("method", "headers", "extends_session"),
    [
        ("GET", {}, True),
        ("POST", {}, True),
        ("POST", {"hx-request": "true"}, True),
        ("GET", {"hx-request": "true"}, False),
        ("GET", {"accept": "text/event-stream"}, False),
    ],
)
async def test_page_that_asks_by_itself_keeps_no_session(
    door: Door, method: str, headers: dict[str, str | None], extends_session: bool
) -> None:
    """What a person opens or sends is use; what an open page refreshes or streams is answered, and is none."""
    ada = await door.browser()
    door.console.wait(1000)
    content = f"csrf={ada.csrf}".encode() if method == "POST" else b""
    assert (await ada.ask(method, "/account", content, headers)).status == 200
    door.console.wait(1000)
    assert (await ada.get("/account")).status == (200 if extends_session else 303)


async def test_removed_user_is_led_to_the_login(door: Door, behind: Behind) -> None:
    """A session that is still open when its user is gone is no fault of the service, and opens nothing."""
    await door.browser()
    ben = await door.browser("Ben", "admin")
    await door.console.users.remove("Ben", "test")
    assert (await ben.get("/account")).location == "/login?next=%2Faccount"
    assert (await ben.post("/access/keys")).location == "/login?next=%2Faccess"
    assert (await ben.get("/login")).status == 200
    assert (await ben.get("/nothing")).status == 404
    assert door.faults == [] and behind.reached == ["GET /login"]


async def test_origin_and_name_behind_the_door_are_the_browsers(door: Door, behind: Behind) -> None:
    """A name in an address may hold a slash; links are made with the address that the browser used."""
    ada = await door.browser()
    await ada.get("/connections/Shoes%2F50%20%25/export")
    (request,) = behind.requests
    assert behind.reached == ["GET /connections/{connection_id}/export"]
    assert (request.path("connection_id"), request.origin.base) == ("Shoes/50 %", BASE)
