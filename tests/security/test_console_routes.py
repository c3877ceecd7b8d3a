"""Every page of the console, found in its table: who may open it, what a form must prove, what every answer carries."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.integration.console.console_client import NAME, PASSWORD, ConsoleClient, Shown, running_console
from tests.integration.service_rig import Service, fresh_batch, running_service
from tests.unit.console.door_rig import GUARDED, POSTS, POSTS_OF_VIEWERS, PROXY, PUBLIC, SAFE_HEADERS, address, title
from tiktok_forwarder.console.app import PAGES
from tiktok_forwarder.console.rendering import Rendering
from tiktok_forwarder.console.static_files import StaticFiles
from tiktok_forwarder.store.expiring import ExpiringPut

pytestmark = pytest.mark.slow

TEMPLATES = Path(__file__).parents[2] / "src" / "tiktok_forwarder" / "console" / "templates"
STATIC = StaticFiles().address("console.css")
VIEWER_PASSWORD = "the viewers password"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ConsoleClient]:
    async with running_console(tmp_path) as client:
        await client.service.add_connection("Shop")
        await client.service.post(body=fresh_batch("e1"))
        yield client


async def plain(service: Service, method: str, path: str, data: Any = None, **headers: str) -> aiohttp.ClientResponse:
    """Without cookies or redirects, as somebody who is not logged in."""
    given = {"Accept": "text/html", **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.request(method, service.url + path, data=data, headers=given, allow_redirects=False) as answer,
    ):
        await answer.read()
        return answer


async def as_viewer(client: ConsoleClient) -> aiohttp.ClientSession:
    """A session of a user who may only look."""
    access = client.service.services.console_access
    await access.users.add("Vera", "viewer", "test")
    _, token = await access.link_for("Vera", "test")
    entry = await access.accept_link(token, "", VIEWER_PASSWORD, "")
    cookie = {f"session-{client.service.port}": entry.reference}
    return aiohttp.ClientSession(cookies=cookie, cookie_jar=aiohttp.CookieJar(unsafe=True))


async def documents(service: Service) -> list[Any]:
    """All configuration there is, with revisions."""
    kinds = ("connection", "input", "user", "api_key", "delivery_state")
    return [await service.services.store.list_documents(kind) for kind in kinds]  # type: ignore[arg-type]  # closed set


# --- who may ---


async def test_without_login_every_page_leads_there(client: ConsoleClient) -> None:
    """Whatever is asked, with nothing told of what there is; a part of a page is refused."""
    for page in GUARDED:
        answer = await plain(client.service, page.method, address(page), b"", Origin=client.service.url)
        assert answer.status == 303, title(page)
        assert answer.headers["Location"].partition("?")[0] == "/login", title(page)
        part = await plain(client.service, page.method, address(page), b"", HX_Request="true")
        assert (part.status, part.headers["HX-Redirect"]) == (401, "/login"), title(page)


def test_what_is_open_to_everybody_is_listed() -> None:
    """Coming in, and nothing else."""
    assert {title(page) for page in PAGES if page.right == "public"} == PUBLIC


async def test_a_viewer_changes_nothing(client: ConsoleClient) -> None:
    """No page of administrators opens, and what a viewer may post concerns the viewer alone."""
    assert {title(page) for page in POSTS if page.right == "viewer"} <= POSTS_OF_VIEWERS
    before = await documents(client.service)
    async with await as_viewer(client) as session:
        async with session.get(client.service.url + "/account") as answer:
            token = re.search(r'name="csrf" value="([^"]+)"', await answer.text())
        assert token is not None
        for page in (page for page in PAGES if page.right == "admin"):
            form = {"csrf": token[1], "name": "x"}
            given = {"Origin": client.service.url, "Accept": "text/html"}
            data = form if page.method == "POST" else None
            async with session.request(
                page.method, client.service.url + address(page), data=data, headers=given
            ) as answer:
                assert answer.status == 403, title(page)
    after = await documents(client.service)
    assert after[:2] == before[:2] and after[3:] == before[3:]


# --- what a form must prove ---


@pytest.mark.parametrize(
    "forged",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},
    ],
)
async def test_no_form_of_another_site_is_taken(client: ConsoleClient, forged: dict[str, str]) -> None:
    """On any page, though the browser sends the cookie and even the token along."""
    before = await documents(client.service)
    for page in POSTS:
        async with client._session.post(
            client.service.url + address(page),
            data={"csrf": client._csrf, "name": "x", "password": PASSWORD},
            headers={"Accept": "text/html", **forged},
            allow_redirects=False,
        ) as answer:
            assert answer.status == 403, title(page)
    assert await documents(client.service) == before


@pytest.mark.parametrize("token", ["", "guessed", "of-another-session"])
async def test_no_form_without_its_sessions_token_is_taken(client: ConsoleClient, token: str) -> None:
    """Also not with the token of somebody else's session."""
    if token == "of-another-session":
        access = client.service.services.console_access
        _, session = await access._sessions.open((access.users.find(NAME) or access.users.all()[0]).id)
        token = session.csrf_token
    before = await documents(client.service)
    for page in (page for page in POSTS if page.right != "public"):
        async with client._session.post(
            client.service.url + address(page),
            data={"csrf": token, "name": "x"},
            headers={"Accept": "text/html", "Origin": client.service.url},
            allow_redirects=False,
        ) as answer:
            assert answer.status == 403, title(page)
    assert await documents(client.service) == before


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
async def test_only_forms_are_taken(client: ConsoleClient, content_type: str) -> None:
    """What a page of another site can send without asking is none."""
    for page in POSTS:
        async with client._session.post(
            client.service.url + address(page),
            data=b'{"csrf": "x"}',
            headers={"Accept": "text/html", "Origin": client.service.url, "Content-Type": content_type},
            allow_redirects=False,
        ) as answer:
            assert answer.status == 415, title(page)


async def test_looking_changes_nothing(client: ConsoleClient) -> None:
    """Every page may be opened by a link from anywhere."""
    before = await documents(client.service)
    for page in (page for page in PAGES if page.method == "GET" and "live" not in page.path):
        await client.get(address(page))
    assert await documents(client.service) == before


# --- what every answer carries ---


async def test_every_answer_has_its_headers(client: ConsoleClient) -> None:
    """Pages, errors, redirects and files; nothing of a page is kept by the browser or anything between."""
    paths = [address(page) for page in PAGES if page.method == "GET" and "live" not in page.path]
    for path in [*paths, "/nothing", STATIC, "/static/nothing.css"]:
        for session in (client._session, None):
            if session is not None:
                async with session.get(client.service.url + path, headers={"Accept": "text/html"}) as answer:
                    await answer.read()
            else:
                answer = await plain(client.service, "GET", path)
            for name, value in SAFE_HEADERS.items():
                assert answer.headers[name] == value, (path, name)
            kept = "public, max-age=31536000, immutable" if path == STATIC else "no-store"
            assert answer.headers["Cache-Control"] == kept, path
            assert "Strict-Transport-Security" not in answer.headers


async def test_behind_tls_the_browser_is_told_to_stay_there(tmp_path: Path) -> None:
    """For a year, with a cookie that no other host and no plain connection carries."""
    async with running_service(tmp_path, console_url=PROXY, log_level="error") as service:
        access = service.services.console_access
        await access.users.add_with_password(NAME, "admin", PASSWORD, "test")
        form = {"name": NAME, "password": PASSWORD}
        answer = await plain(
            service, "POST", "/login", form, Host="forwarder.example.com", Origin=PROXY, X_Forwarded_For="203.0.113.9"
        )
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-session=")
        assert {part.strip().lower() for part in cookie.split(";")[1:]} == {
            "path=/",
            "secure",
            "httponly",
            "samesite=strict",
        }
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        refused = await plain(service, "GET", "/login", Host="evil.example", X_Forwarded_For="203.0.113.9")
        assert refused.status == 403


# --- coming in and going out ---


async def test_a_session_is_new_at_login_and_ends_at_logout(client: ConsoleClient) -> None:
    """Its cookie is for this host's pages alone, and nowhere on the disk; nor is the password."""
    service = client.service
    form = {"name": NAME, "password": PASSWORD}
    answers = [await plain(service, "POST", "/login", form, Origin=service.url) for _ in range(2)]
    cookies = [re.match(r"(session-\d+)=([^;]+)(.*)", answer.headers["Set-Cookie"]) for answer in answers]
    assert all(cookie is not None and cookie[1] == f"session-{service.port}" for cookie in cookies)
    first, second = (cookie[2] for cookie in cookies if cookie is not None)
    assert first != second
    assert all({"httponly", "samesite=strict"} <= attributes(answer) for answer in answers)
    sent = {"Cookie": f"session-{service.port}={first}"}
    page = await plain(service, "GET", "/account", **sent)
    assert page.status == 200
    kept = service.application.base.settings.data_dir
    disk = b"".join(file.read_bytes() for file in sorted(kept.iterdir()) if file.is_file())  # a few files
    assert first.encode() not in disk and PASSWORD.encode() not in disk
    await client.post("/logout")
    assert (await client.get("/account")).path.startswith("/login")
    assert (await plain(service, "GET", "/account", **sent)).status == 200


async def test_an_open_page_keeps_no_session_alive(client: ConsoleClient) -> None:
    """What it asks by itself, in parts or as a stream, is no use of the session; what a person opens is."""
    store = client.service.services.console_access._sessions._store
    (session,) = await store.list_expiring("session", 0)
    unused = msgspec.json.decode(session.body)
    unused["used_ms"] -= 100_000
    put = ExpiringPut("session", session.id, msgspec.json.encode(unused), session.expires_at_ms - 100_000)
    await store.put_expiring([put], 0)
    (before,) = await store.list_expiring("session", 0)
    for headers in ({"HX-Request": "true"}, {"Accept": "text/event-stream"}):
        async with client._session.get(client.service.url + "/", headers=headers) as answer:
            assert answer.status == 200
        assert await store.list_expiring("session", 0) == [before], headers
    await client.get("/")
    (after,) = await store.list_expiring("session", 0)
    assert after.expires_at_ms > before.expires_at_ms + 90_000


def attributes(answer: aiohttp.ClientResponse) -> set[str]:
    return {part.strip().lower() for part in answer.headers["Set-Cookie"].split(";")[1:]}


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "evil",
        "",
    ],
)
async def test_login_leads_to_pages_of_ours_only(client: ConsoleClient, target: str) -> None:
    """Whatever a link to the login page asks for."""
    form = {"name": NAME, "password": PASSWORD, "next": target}
    answer = await plain(client.service, "POST", "/login", form, Origin=client.service.url)
    assert (answer.status, answer.headers["Location"]) == (303, "/")


async def test_login_leads_back_to_where_one_was(client: ConsoleClient) -> None:
    """With the filters of the page."""
    answer = await plain(client.service, "GET", "/account?x=1&y=2")
    assert answer.headers["Location"] == "/login?next=%2Faccount%3Fx%3D1%26y%3D2"
    form = {"name": NAME, "password": PASSWORD, "next": "/account?x=1&y=2"}
    answer = await plain(client.service, "POST", "/login", form, Origin=client.service.url)
    assert answer.headers["Location"] == "/account?x=1&y=2"


async def test_guessing_is_slowed_and_told(client: ConsoleClient) -> None:
    """The same words for a wrong password and an unknown name; then how long to wait."""
    service = client.service
    wrong = {"name": NAME, "password": "guessed password"}
    first = await plain(service, "POST", "/login", wrong, Origin=service.url)
    assert (first.status, "Set-Cookie" in first.headers) == (401, False)
    waiting = await plain(service, "POST", "/login", {**wrong, "password": PASSWORD}, Origin=service.url)
    assert waiting.status == 429 and 0 < int(waiting.headers["Retry-After"]) <= 2


async def test_a_link_works_once(tmp_path: Path) -> None:
    """Used again, made up, or of a name that is taken: it opens nothing."""
    async with running_service(tmp_path, log_level="error") as service:
        token = await service.services.console_access.first_link("test")
        form = {"name": NAME, "password": PASSWORD, "again": PASSWORD}
        differing = await plain(service, "POST", f"/welcome/{token}", {**form, "again": "x"}, Origin=service.url)
        assert differing.status == 422
        assert (await plain(service, "POST", f"/welcome/{token}", form, Origin=service.url)).status == 303
        for method in ("GET", "POST"):
            for each in (token, "made-up"):
                again = await plain(service, method, f"/welcome/{each}", form, Origin=service.url)
                assert (again.status, "Set-Cookie" in again.headers) == (401, False)
        assert len(service.services.console_access.users.all()) == 1


# --- templates ---


class Unsafe(HTMLParser):
    """Collects what the policy would refuse: scripts and styles in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "style" or (tag == "script" and not names.get("src")):
            self.found.append(f"<{tag}>")
        for name, value in names.items():
            if (
                name == "style"
                or name.startswith(("on", "hx-on"))
                or (value or "").strip().lower().startswith("javascript:")
            ):
                self.found.append(f"{name} of <{tag}>")


def templates() -> list[Path]:
    return sorted(TEMPLATES.rglob("*.html"))


@pytest.mark.parametrize("file", templates(), ids=lambda file: str(file.relative_to(TEMPLATES)))
def test_no_template_has_script_style_or_what_is_not_escaped(file: Path) -> None:
    """The policy would refuse them; and nothing is marked as safe."""
    text = file.read_text("utf-8")
    unsafe = Unsafe()
    unsafe.feed(re.sub(r"\{%.*?%\}|\{#.*?#\}", "", text, flags=re.DOTALL))
    assert unsafe.found == []
    assert not re.search(r"\|\s*safe\b|autoescape|Markup|\bjs:", text)


async def test_no_rendered_page_has_script_or_style(client: ConsoleClient) -> None:
    """With data in it."""
    for page in (page for page in PAGES if page.method == "GET" and "live" not in page.path):
        shown: Shown = await client.get(address(page))
        unsafe = Unsafe()
        unsafe.feed(shown.html)
        assert unsafe.found == [], title(page)


def test_every_template_compiles() -> None:
    """Also the ones that no test fills in."""
    environment = Rendering(StaticFiles())._environment
    for file in templates():
        environment.get_template(str(file.relative_to(TEMPLATES)))
