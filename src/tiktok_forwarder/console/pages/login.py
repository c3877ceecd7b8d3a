"""Logging in and out with a password, links that set a password, and the user's own password."""

import re
from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from tiktok_forwarder.access.console_access import LoggedIn, Refused
from tiktok_forwarder.access.sessions import MAX_SESSIONS_OF_USER, EndReason
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName

_LINK_NOT_VALID: Final = "this link has been used, has expired, or was replaced by a newer one; ask for another"
# Visible ASCII characters without the backslash, as in every path that a browser requests: browsers ignore tabs and
# line breaks, and read a backslash as a slash, so "/\t/host" would lead to another site.
_OWN_PATH: Final = re.compile(r"/(?!/)[!-\[\]-~]*")
_END_REASONS: Final[Mapping[EndReason, str]] = {
    "idle": "Your session ended after 30 minutes without use.",
    "age": "Your session ended after 12 hours. Every session does.",
    "logged_out": "You logged out, on this page or on another one of this browser.",
    "password_changed": "Your session ended because your password was changed.",
    "user_removed": "Your session ended because this user was removed. Ask an administrator.",
    "oidc_changed": "Your session ended because the settings of logins through a provider were changed.",
    "too_many": f"Your session ended because you had more than {MAX_SESSIONS_OF_USER} sessions.",
    "unknown": "Your session has ended.",
}
_PASSWORDS_DIFFER: Final = "the two passwords are not the same"


async def _login(request: PageRequest) -> Response:
    if request.is_logged_in:
        return request.go(own_path(request.query("next")))
    reference = request.http.cookies.get(request.origin.cookie)
    ended = await request.services.access.why_ended(reference) if reference else None
    return login_form(request, [], 200, _END_REASONS[ended] if ended is not None else "")


def login_form(request: PageRequest, problems: list[str], status: int, ended: str = "") -> Response:
    oidc = request.services.oidc
    values = {
        "provider": oidc.provider_name if oidc is not None else "",
        "problems": problems,
        "ended": ended,
        "name": request.form.text("name"),
        "next": request.form.text("next") or request.query("next"),
        "needs_first_user": request.services.access.needs_first_user,
    }
    return request.page("login/login.html", values, status)


async def _log_in(request: PageRequest) -> Response:
    form = request.form
    found = await request.services.access.log_in(form.text("name"), form.secret("password"), request.origin.source)
    if isinstance(found, LoggedIn):
        return with_session(request, found, request.go(own_path(form.text("next"))))
    return _with_retry_after(login_form(request, [found.message], 429 if found.wait_seconds else 401), found)


def own_path(given: str) -> str:
    """Return the path to open after the login; the overview instead of another site's URL."""
    return given if _OWN_PATH.fullmatch(given) else "/"


def with_session(request: PageRequest, entry: LoggedIn, answer: Response) -> Response:
    """Return the answer with the cookie of the session that was opened."""
    answer.set_cookie(
        request.origin.cookie,
        entry.reference,
        path="/",
        secure=request.origin.is_secure,
        httponly=True,
        samesite="strict",
    )
    return answer


async def _log_out(request: PageRequest) -> Response:
    reference = request.http.cookies.get(request.origin.cookie)
    if reference:
        await request.services.access.log_out(reference)
    # The cookie stays: it opens nothing, and other pages of this browser read why by it.
    return request.go("/login")


async def _welcome(request: PageRequest) -> Response:
    if await request.services.access.link_of(request.path("token")) is None:
        raise HTTPException(401, _LINK_NOT_VALID)
    return await _welcome_form(request, [], 200)


async def _welcome_form(request: PageRequest, problems: list[str], status: int) -> Response:
    access = request.services.access
    link = await access.link_of(request.path("token"))
    user = access.users.find(link.user_id) if link is not None and link.user_id is not None else None
    values = {"problems": problems, "link_name": user.name if user else None, "name": request.form.text("name")}
    return request.page("login/welcome.html", values, status)


async def _accept(request: PageRequest) -> Response:
    form = request.form
    if form.secret("password") != form.secret("again"):
        return await _welcome_form(request, [_PASSWORDS_DIFFER], 422)
    try:
        entry = await request.services.access.accept_link(
            request.path("token"), form.text("name"), form.secret("password"), request.origin.source
        )
    except ConfigurationError as error:
        return await _welcome_form(request, list(error.problems), 422)
    except UnknownName:
        raise HTTPException(401, _LINK_NOT_VALID) from None
    return with_session(request, entry, request.go("/"))


async def _account(request: PageRequest) -> Response:
    return request.page("login/account.html", {"problems": []})


async def _change_password(request: PageRequest) -> Response:
    form = request.form
    if form.secret("password") != form.secret("again"):
        return _account_form(request, [_PASSWORDS_DIFFER])
    reference = request.http.cookies[request.origin.cookie]
    try:
        refused = await request.services.access.change_password(
            request.user.id, form.secret("current"), form.secret("password"), reference, request.origin.source
        )
    except ConfigurationError as error:
        return _account_form(request, list(error.problems))
    if refused is not None:
        answer = _account_form(request, [refused.message], 429 if refused.wait_seconds else 422)
        return _with_retry_after(answer, refused)
    return request.go("/account", "Your password is changed. Your other sessions have ended.")


def _account_form(request: PageRequest, problems: list[str], status: int = 422) -> Response:
    return request.page("login/account.html", {"problems": problems}, status)


def _with_retry_after(answer: Response, refused: Refused) -> Response:
    if refused.wait_seconds:
        answer.headers["retry-after"] = str(refused.wait_seconds)
    return answer


LOGIN_PAGES: Final = (
    Page("GET", "/login", "public", _login),
    Page("POST", "/login", "public", _log_in),
    Page("GET", "/welcome/{token}", "public", _welcome),
    Page("POST", "/welcome/{token}", "public", _accept),
    Page("POST", "/logout", "viewer", _log_out),
    Page("GET", "/account", "viewer", _account),
    Page("POST", "/account", "viewer", _change_password),
)
