"""Coming in and going out: the first link, logging in, logging out, one's own password."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from tiktok_forwarder.access.console_access import LoggedIn
from tiktok_forwarder.console.page import Page, Visit
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName

_VOID: Final = "This link has been used, is out of date, or was replaced by a newer one. Ask for another."
_TWICE_DIFFERENT: Final = "The two passwords are not the same."


async def _login(visit: Visit) -> Response:
    if visit.is_logged_in:
        return visit.go("/")
    return _login_form(visit, [], 200)


def _login_form(visit: Visit, problems: list[str], status: int) -> Response:
    values = {
        "problems": problems,
        "name": visit.form.text("name"),
        "next": visit.form.text("next") or visit.query("next"),
        "needs_first_user": visit.parts.access.needs_first_user,
    }
    return visit.page("login/login.html", values, status)


async def _log_in(visit: Visit) -> Response:
    form = visit.form
    found = await visit.parts.access.log_in(form.text("name"), form.secret("password"), visit.origin.source)
    if isinstance(found, LoggedIn):
        return _let_in(visit, found, _own_path(form.text("next")))
    answer = _login_form(visit, [found.message], 429 if found.wait_seconds else 401)
    if found.wait_seconds:
        answer.headers["retry-after"] = str(found.wait_seconds)
    return answer


def _own_path(given: str) -> str:
    """Where to go on; an address of another site leads to the front page."""
    return given if given.startswith("/") and given[1:2] not in ("/", "\\") else "/"


def _let_in(visit: Visit, entry: LoggedIn, path: str) -> Response:
    answer = visit.go(path)
    answer.set_cookie(
        visit.origin.cookie, entry.reference, path="/", secure=visit.origin.is_secure, httponly=True, samesite="strict"
    )
    return answer


async def _log_out(visit: Visit) -> Response:
    reference = visit.request.cookies.get(visit.origin.cookie)
    if reference:
        visit.parts.access.log_out(reference)
    answer = visit.go("/login")
    answer.delete_cookie(visit.origin.cookie, path="/", secure=visit.origin.is_secure, httponly=True, samesite="strict")
    return answer


async def _welcome(visit: Visit) -> Response:
    if visit.parts.access.link_of(visit.path("token")) is None:
        raise HTTPException(401, _VOID)
    return _welcome_form(visit, [], 200)


def _welcome_form(visit: Visit, problems: list[str], status: int) -> Response:
    access = visit.parts.access
    link = access.link_of(visit.path("token"))
    user = access.users.find(link.user_id) if link is not None and link.user_id is not None else None
    values = {"problems": problems, "link_name": user.name if user else None, "name": visit.form.text("name")}
    return visit.page("login/welcome.html", values, status)


async def _accept(visit: Visit) -> Response:
    form = visit.form
    if form.secret("password") != form.secret("again"):
        return _welcome_form(visit, [_TWICE_DIFFERENT], 422)
    try:
        entry = await visit.parts.access.accept_link(
            visit.path("token"), form.text("name"), form.secret("password"), visit.origin.source
        )
    except ConfigurationError as error:
        return _welcome_form(visit, list(error.problems), 422)
    except UnknownName:
        raise HTTPException(401, _VOID) from None
    return _let_in(visit, entry, "/")


async def _account(visit: Visit) -> Response:
    return visit.page("login/account.html", {"problems": []})


async def _change_password(visit: Visit) -> Response:
    form = visit.form
    problems = [_TWICE_DIFFERENT] if form.secret("password") != form.secret("again") else []
    reference = visit.request.cookies[visit.origin.cookie]
    try:
        if not problems:
            await visit.parts.access.change_password(
                visit.user.id, form.secret("current"), form.secret("password"), reference
            )
    except ConfigurationError as error:
        problems = list(error.problems)
    if problems:
        return visit.page("login/account.html", {"problems": problems}, 422)
    return visit.go("/account", "Your password is changed. Your other sessions have ended.")


LOGIN_PAGES: Final = (
    Page("GET", "/login", "public", _login),
    Page("POST", "/login", "public", _log_in),
    Page("GET", "/welcome/{token}", "public", _welcome),
    Page("POST", "/welcome/{token}", "public", _accept),
    Page("POST", "/logout", "viewer", _log_out),
    Page("GET", "/account", "viewer", _account),
    Page("POST", "/account", "viewer", _change_password),
)
