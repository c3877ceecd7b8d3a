"""Coming in and going out through the console's own pages: login, links, logout, one's own password, and access."""

import html
import re

import pytest

from tests.unit.access.access_rig import GOOD, OTHER
from tests.unit.console.door_rig import BASE, PROXY, Answer, Browser, Door
from tiktok_forwarder.access.sessions import IDLE_MS, LONGEST_MS, MAX_SESSIONS_OF_USER

COOKIE = re.compile(r"session-8090=([\w-]{43}); HttpOnly; Path=/; SameSite=strict")
LINK_NOT_VALID = "This link has been used, has expired, or was replaced by a newer one; ask for another.<"


@pytest.fixture
async def door() -> Door:
    """The door with the real pages behind it, and an administrator, Ada."""
    made = Door()
    await made.console.users.add_with_password("Ada", "admin", GOOD, "test")
    return made


async def log_in(browser: Browser, name: str, password: str, **more: str) -> Answer:
    return await browser.post("/login", ("name", name), ("password", password), *more.items())


def entered(browser: Browser, answer: Answer) -> Browser:
    """The browser with the cookie that it was given, and the token of the form."""
    found = COOKIE.fullmatch(answer.headers["set-cookie"])
    assert found is not None, answer.headers["set-cookie"]
    browser.cookies["session-8090"] = found[1]
    return browser


async def token_in(browser: Browser, path: str) -> str:
    found = re.search(r'name="csrf" value="([\w-]{43})"', (await browser.get(path)).text)
    assert found is not None
    return found[1]


# --- logging in ---


async def test_login_opens_a_session_of_its_own(door: Door) -> None:
    """Each has a new cookie for this host's pages alone, and a token for its forms that no other session has."""
    first, second = door.stranger(), door.stranger()
    for browser in (first, second):
        answer = await log_in(browser, " ada ", GOOD)
        assert (answer.status, answer.location) == (303, "/")
        entered(browser, answer)
        assert "You are <strong>Ada</strong>, an administrator" in (await browser.get("/account")).text
    assert first.cookies != second.cookies
    assert await token_in(first, "/account") != await token_in(second, "/account")


async def test_wrong_password_is_refused_like_an_unknown_name(door: Door) -> None:
    """The page says the same of both, keeps the name that was typed, and gives no cookie."""
    pages = []
    for name, source in (("Ada", "/login"), ("Nobody", "/login")):
        door.console.wait(60)
        answer = await door.stranger().post(source, ("name", name), ("password", "a wrong password"))
        assert (answer.status, "set-cookie" in answer.headers) == (401, False)
        assert "Wrong name or password." in answer.text and f'value="{name}"' in answer.text
        assert "a wrong password" not in answer.text
        pages.append(answer.text.replace(name, ""))
    assert pages[0] == pages[1]


async def test_password_is_taken_as_it_was_typed(door: Door) -> None:
    """Blanks at its ends belong to it."""
    assert (await log_in(door.stranger(), "Ada", f" {GOOD}")).status == 401
    door.console.wait(60)
    await door.console.users.add_with_password("Ben", "viewer", f" {OTHER} ", "test")
    assert (await log_in(door.stranger(), "Ben", f" {OTHER} ")).status == 303


async def test_guessing_is_told_to_wait(door: Door) -> None:
    """After a failure even the right password is not looked at; the answer says for how long, and then it is."""
    for failures, wait_seconds, wait in ((1, 1, "1 second"), (2, 2, "2 seconds"), (3, 4, "4 seconds")):
        assert (await log_in(door.stranger(), "Ada", "a wrong password")).status == 401, failures
        waiting = await log_in(door.stranger(), "Ada", GOOD)
        assert (waiting.status, waiting.headers["retry-after"]) == (429, str(wait_seconds))
        assert f"Too many failed attempts. Retry in {wait}." in waiting.text
        door.console.wait(wait_seconds)
    assert (await log_in(door.stranger(), "Ada", GOOD)).status == 303


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/account?x=1&y=2", "/account?x=1&y=2"),
        ("", "/"),
        ("account", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        (" //evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/\r\nset-cookie: a=b", "/"),
        ("/\x7f", "/"),
        ("/a\\b", "/"),
        ("/ /evil.example", "/"),
        ("/\u00e9", "/"),
        ("/\u2028/evil.example", "/"),
        ("/%09/evil.example", "/%09/evil.example"),
        ("/!~[]", "/!~[]"),
    ],
)
async def test_login_leads_to_pages_of_the_console_only(door: Door, target: str, location: str) -> None:
    """Where one was; what a link to the login page names of another site leads to the overview."""
    answer = await log_in(door.stranger(), "Ada", GOOD, next=target)
    assert (answer.status, answer.location) == (303, location)
    assert COOKIE.fullmatch(answer.headers["set-cookie"])


async def test_login_page_remembers_where_one_was(door: Door) -> None:
    """From the redirect through a wrong password to the login, the page that was asked for is kept."""
    redirect = await door.stranger().get("/account?x=1&y=2")
    for answer in (
        await door.stranger().get(redirect.location),
        await log_in(door.stranger(), "Ada", "a wrong password", next="/account?x=1&y=2"),
    ):
        found = re.search(r'name="next" value="([^"]*)"', answer.text)
        assert found is not None and html.unescape(found[1]) == "/account?x=1&y=2"


async def test_login_page_tells_of_the_first_link_while_nobody_can_administer(door: Door) -> None:
    """Afterwards a stranger is not told how links are made."""
    told = "tiktok-forwarder console-link"
    assert told in (await Door().stranger().get("/login")).text
    assert told not in (await door.stranger().get("/login")).text


async def test_login_page_leads_on_who_is_logged_in(door: Door) -> None:
    """There is nothing to log in for."""
    answer = await (await door.browser()).get("/login")
    assert (answer.status, answer.location) == (303, "/")


async def test_login_is_taken_while_a_session_is_open(door: Door) -> None:
    """A link of another site leads to the login page without the cookie, which the browser then sends with the form."""
    ada = await door.browser()
    answer = await ada.post("/login", ("name", "Ada"), ("password", GOOD), ("next", "/account"), token=False)
    assert (answer.status, answer.location) == (303, "/account")
    assert "Ada" in (await entered(ada, answer).get("/account")).text
    refused = await ada.post("/login", ("name", "Ada"), ("password", "a wrong password"), token=False)
    assert (refused.status, "set-cookie" in refused.headers) == (401, False)


async def test_cookie_behind_a_declared_proxy_needs_tls() -> None:
    """No other host and no plain connection carries it, and after logging out it opens nothing."""
    door = Door(PROXY)
    await door.console.users.add_with_password("Ada", "admin", GOOD, "test")
    proxied = {"host": "forwarder.example.com", "origin": PROXY, "x-forwarded-for": "203.0.113.9"}
    browser = door.stranger()
    answer = await browser.post("/login", ("name", "Ada"), ("password", GOOD), headers=proxied)
    found = re.fullmatch(r"__Host-session=([\w-]{43}); HttpOnly; Path=/; SameSite=strict; Secure", cookie_of(answer))
    assert found is not None, cookie_of(answer)
    browser.cookies = {"__Host-session": found[1]}
    page = await browser.get("/account", proxied)
    browser.csrf = re.findall(r'name="csrf" value="([\w-]{43})"', page.text)[0]
    assert (await browser.post("/logout", headers=proxied)).location == "/login"
    assert (await browser.get("/account", proxied)).status == 303


def cookie_of(answer: Answer) -> str:
    return answer.headers["set-cookie"]


# --- going out ---


async def test_logout_ends_this_session_only(door: Door) -> None:
    """The cookie stays to show why, and opens nothing any more; the same user's other session goes on."""
    ada, other = await door.browser(), await door.browser()
    answer = await ada.post("/logout")
    assert (answer.status, answer.location) == (303, "/login")
    assert "You logged out, on this page or on another one of this browser." in (await ada.get("/login")).text
    assert (await ada.get("/account")).location == "/login?next=%2Faccount"
    assert (await other.get("/account")).status == 200


async def test_login_page_shows_why_the_session_ended(door: Door) -> None:
    """Without use, of age, because of a new password, a removal, or too many logins; a stranger reads nothing."""
    assert "session" not in (await door.stranger().get("/login")).text.partition("<main")[2]
    reasons = {
        "idle": "Your session ended after 30 minutes without use.",
        "age": "Your session ended after 12 hours.",
        "password": "Your session ended because your password was changed.",
        "too many": "Your session ended because you had more than 50 sessions.",
        "removed": "Your session ended because this user was removed.",
    }
    for how, sentence in reasons.items():
        ben = await door.browser("Ben", "viewer")
        await _end(door, ben, how)
        assert (await ben.get("/account")).location == "/login?next=%2Faccount"
        assert sentence in (await ben.get("/login?next=%2Faccount")).text


async def _end(door: Door, browser: Browser, how: str) -> None:
    access, clock = door.console.access, door.console.clock
    if how == "idle":
        clock.time_ms += IDLE_MS + 1
    elif how == "age":
        for _ in range(LONGEST_MS // IDLE_MS + 1):
            clock.time_ms += IDLE_MS - 60_000
            await browser.get("/account")
        clock.time_ms += IDLE_MS
    elif how == "password":
        _, token = await access.link_for("Ben", "test")
        await access.accept_link(token, "", GOOD, "203.0.113.7")
    elif how == "too many":
        for _ in range(MAX_SESSIONS_OF_USER):
            clock.time_ms += 1000
            await door.console.entered("Ben")
    else:
        await access.remove("Ben", "test")


async def test_open_login_page_leads_on_when_the_user_is_logged_in(door: Door) -> None:
    """By another tab of the browser, for instance; another site's address is not followed."""
    ada = await door.browser()
    assert (await ada.get("/login?next=%2Faccount")).location == "/account"
    assert (await ada.get("/login?next=%2F%2Fevil.example.com")).location == "/"


async def test_changed_password_ends_the_other_sessions(door: Door) -> None:
    """The present one is asked for, both new ones must be alike; what is wrong changes nothing."""
    ada, other = await door.browser(), await door.browser()
    for current, new, again, problem in (
        ("wrong", OTHER, OTHER, "The current password is wrong."),
        (GOOD, OTHER, f"{OTHER} ", "The two passwords are not the same."),
        (GOOD, "short", "short", "Password: must be 8 to 128 characters"),
    ):
        refused = await ada.post("/account", ("current", current), ("password", new), ("again", again))
        assert (refused.status, problem in refused.text) == (422, True)
        door.console.wait(1)
    assert (await other.get("/account")).status == 200
    done = await ada.post("/account", ("current", GOOD), ("password", OTHER), ("again", OTHER))
    assert (done.status, done.location) == (303, "/account")
    notice = "Your password is changed. Your other sessions have ended."
    assert [notice in (await ada.get("/account")).text for _ in range(2)] == [True, False]
    assert (await other.get("/account")).status == 303
    assert (await log_in(door.stranger(), "Ada", OTHER)).status == 303


async def test_guesses_of_the_current_password_are_told_to_wait(door: Door) -> None:
    """429 with the time, as on the page for logging in; the right one is not looked at before."""
    ada = await door.browser()
    for current, status in (("wrong", 422), (GOOD, 429)):
        refused = await ada.post("/account", ("current", current), ("password", OTHER), ("again", OTHER))
        assert refused.status == status
    assert refused.headers["retry-after"] == "1" and "Retry in 1 second." in refused.text
    door.console.wait(1)
    assert (await ada.post("/account", ("current", GOOD), ("password", OTHER), ("again", OTHER))).status == 303


# --- links ---


async def test_first_link_lets_in_once(door: Door) -> None:
    """A form that is filled in wrongly does not use it up; the second use opens nothing and makes nobody."""
    door = Door()
    path = f"/welcome/{await door.console.access.first_link('test')}"
    browser = door.stranger()
    assert "You are the first user" in (await browser.get(path)).text
    fields = (("name", "Ada"), ("password", GOOD))
    assert (await browser.post(path, *fields, ("again", OTHER))).status == 422
    assert (await browser.post(path, ("name", "Ada"), ("password", "short"), ("again", "short"))).status == 422
    answer = await browser.post(path, *fields, ("again", GOOD))
    assert (answer.status, answer.location) == (303, "/")
    assert "Ada" in (await entered(browser, answer).get("/account")).text
    for again in (path, "/welcome/made-up"):
        for answer in (
            await door.stranger().get(again),
            await door.stranger().post(again, ("name", "Eve"), ("password", OTHER), ("again", OTHER)),
        ):
            assert (answer.status, LINK_NOT_VALID in answer.text, "set-cookie" in answer.headers) == (
                401,
                True,
                False,
            )
    assert [each.name for each in door.console.users.all()] == ["Ada"]


async def test_invitation_lets_in_its_user_whatever_name_is_sent(door: Door) -> None:
    """The page names the user; a changed name in the form is not heeded."""
    await door.console.users.add("Ben <b>", "viewer", "test")
    path = f"/welcome/{(await door.console.access.link_for('Ben <b>', 'test'))[1]}"
    browser = door.stranger()
    assert "Choose a password for <strong>Ben &lt;b&gt;</strong>." in (await browser.get(path)).text
    answer = await browser.post(path, ("name", "Ada"), ("password", OTHER), ("again", OTHER))
    assert "<strong>Ben &lt;b&gt;</strong>, a viewer" in (await entered(browser, answer).get("/account")).text
    assert (await log_in(door.stranger(), "Ada", GOOD)).status == 303


async def test_link_is_taken_while_a_session_is_open(door: Door) -> None:
    """Whoever forgot the password may still be logged in, and an administrator may try a link of somebody else."""
    ada, other = await door.browser(), await door.browser()
    await door.console.users.add("Ben", "viewer", "test")
    for name, role in (("Ada", "an administrator"), ("Ben", "a viewer")):
        path = f"/welcome/{(await door.console.access.link_for(name, 'test'))[1]}"
        assert f"Choose a password for <strong>{name}</strong>." in (await ada.get(path)).text
        answer = await ada.post(path, ("password", OTHER), ("again", OTHER), token=False)
        assert f"<strong>{name}</strong>, {role}" in (await entered(ada, answer).get("/account")).text
    assert (await other.get("/account")).status == 303


# --- access ---


async def test_administrator_invites_promotes_and_removes_a_user(door: Door) -> None:
    """The link is shown once, each change is made in the administrator's name, and a removal ends the session."""
    ada = await door.browser()
    ada.csrf = await token_in(ada, "/access")
    shown = await ada.post("/access/users", ("name", "Ben"), ("role", "viewer"))
    link = re.search(rf"{re.escape(BASE)}(/welcome/[\w-]+)", shown.text)
    assert shown.status == 200 and link is not None and "/welcome/" not in (await ada.get("/access")).text
    ben = entered(door.stranger(), await door.stranger().post(link[1], ("password", OTHER), ("again", OTHER)))
    assert [(await ben.get(path)).status for path in ("/account", "/access")] == [200, 403]
    user = door.console.users.find("Ben")
    assert user is not None
    assert (await ada.post(f"/access/users/{user.id}/role", ("role", "admin"))).location == "/access"
    assert (await ben.get("/access")).status == 200
    assert (await ada.post(f"/access/users/{user.id}/remove")).location == "/access"
    assert (await ben.get("/access")).location == "/login?next=%2Faccess"
    history = await door.console.store.document_history("user", user.id)
    assert [each.changed_by for each in history] == ["user Ada", "console link", "user Ada", "user Ada"]
    assert ("console_link", "user Ada", {"user": "Ben"}) in await door.console.audited()


async def test_administrator_makes_and_revokes_an_api_key(door: Door) -> None:
    """The key is shown once; both changes are in the administrator's name; a taken name is refused in any case."""
    ada = await door.browser()
    shown = await ada.post("/access/keys", ("key_name", "ci"), ("scope", "operate"))
    key = re.search(r"tfk_[\w-]+", shown.text)
    assert key is not None and key[0] not in (await ada.get("/access")).text
    refused = await ada.post("/access/keys", ("key_name", "CI"))
    assert (refused.status, "an API key named &#34;CI&#34; already exists" in refused.text) == (422, True)
    (document,) = await door.console.store.list_documents("api_key")
    assert (await ada.post(f"/access/keys/{document.id}/revoke")).location == "/access"
    history = await door.console.store.document_history("api_key", document.id)
    assert [(each.changed_by, each.body != b"") for each in history] == [("user Ada", True), ("user Ada", False)]
