"""Logging in through an OIDC provider: to it and back. These pages exist only if there is one."""

from typing import Final

from starlette.responses import RedirectResponse, Response

from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.console.pages.login import login_form, own_path, with_session
from tiktok_forwarder.oidc.login import CALLBACK_PATH, LOGIN_SECONDS, LoginRefused, OidcLogin, RoleMissing


async def _start(request: PageRequest) -> Response:
    """Send the browser to the provider, with the state of this login in a cookie."""
    path = own_path(request.query("next"))
    if request.is_logged_in:
        return request.go(path)
    try:
        started = await _oidc(request).start(request.origin.base, path)
    except LoginRefused as error:
        return login_form(request, [str(error)], error.status)
    answer = RedirectResponse(started.url, 303)
    answer.set_cookie(
        request.origin.oidc_cookie,
        started.sealed,
        max_age=LOGIN_SECONDS,
        path="/",
        secure=request.origin.is_secure,
        httponly=True,
        # The browser comes back from another site, from where it sends no strict cookie.
        samesite="lax",
    )
    return answer


async def _finish(request: PageRequest) -> Response:
    """Open a session for the user whom the provider has identified."""
    access, origin = request.services.access, request.origin
    sealed = request.http.cookies.get(origin.oidc_cookie, "")
    try:
        finished = await _oidc(request).finish(origin.base, request.http.query_params, sealed)
    except LoginRefused as error:
        if isinstance(error, RoleMissing):
            await access.refuse_from_provider(error.user)
        # The cookie stays: another site's link to this page must not end a login that has started.
        return login_form(request, [str(error)], error.status)
    entry = await access.log_in_from_provider(finished.user)
    # The browser sends the strict cookie of the session with what a page of the console leads to, but not with a
    # redirect, which would continue the other site's navigation.
    answer = request.page("login/continue.html", {"path": own_path(finished.path)})
    answer.delete_cookie(origin.oidc_cookie, path="/", secure=origin.is_secure, httponly=True, samesite="lax")
    return with_session(request, entry, answer)


def _oidc(request: PageRequest) -> OidcLogin:
    oidc = request.services.oidc
    if oidc is None:
        raise RuntimeError("these pages exist only if there is an OIDC provider")
    return oidc


OIDC_PAGES: Final = (
    Page("GET", "/login/oidc", "public", _start),
    Page("GET", CALLBACK_PATH, "public", _finish),
)
