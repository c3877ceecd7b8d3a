"""The console as an ASGI application: its pages behind one gateway."""

import contextlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import urlencode, urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tiktok_forwarder.access.console_access import ConsoleAccess
from tiktok_forwarder.access.sessions import Session
from tiktok_forwarder.access.users import User
from tiktok_forwarder.api.endpoint import refusal
from tiktok_forwarder.api.service import ATTENTION
from tiktok_forwarder.console.activity.live import LiveViews
from tiktok_forwarder.console.api import Api, ApiError
from tiktok_forwarder.console.attention import menu_counts
from tiktok_forwarder.console.flash_messages import FlashMessages
from tiktok_forwarder.console.forms import MAX_FORM_BYTES, MAX_PUBLIC_FORM_BYTES, Form, read_form
from tiktok_forwarder.console.headers import with_headers
from tiktok_forwarder.console.origin import Origin, check_same_site, origin_of
from tiktok_forwarder.console.page import ConsoleServices, Page, PageRequest
from tiktok_forwarder.console.pages.access import ACCESS_PAGES
from tiktok_forwarder.console.pages.activity import ACTIVITY_PAGES
from tiktok_forwarder.console.pages.connection_actions import CONNECTION_ACTIONS_PAGES
from tiktok_forwarder.console.pages.connection_import import CONNECTION_IMPORT_PAGES
from tiktok_forwarder.console.pages.connection_senders import CONNECTION_SENDERS_PAGES
from tiktok_forwarder.console.pages.connection_settings import CONNECTION_SETTINGS_PAGES
from tiktok_forwarder.console.pages.connections import CONNECTIONS_PAGES
from tiktok_forwarder.console.pages.dead_letters import DEAD_LETTER_PAGES
from tiktok_forwarder.console.pages.development import DEVELOPMENT_PAGES
from tiktok_forwarder.console.pages.event import EVENT_PAGES
from tiktok_forwarder.console.pages.first_steps import FIRST_STEPS_PAGES
from tiktok_forwarder.console.pages.health import HEALTH_PAGES
from tiktok_forwarder.console.pages.help import HELP_PAGES
from tiktok_forwarder.console.pages.inputs import INPUTS_PAGES
from tiktok_forwarder.console.pages.login import LOGIN_PAGES
from tiktok_forwarder.console.pages.mappings import MAPPINGS_PAGES
from tiktok_forwarder.console.pages.notices import NOTICES_PAGES
from tiktok_forwarder.console.pages.oidc import OIDC_PAGES
from tiktok_forwarder.console.pages.overview import OVERVIEW_PAGES
from tiktok_forwarder.console.pages.pixel import PIXEL_PAGES
from tiktok_forwarder.console.pages.received_events import RECEIVED_EVENTS_PAGES
from tiktok_forwarder.console.pages.results import RESULTS_PAGES
from tiktok_forwarder.console.rendering import Rendering
from tiktok_forwarder.console.static_files import StaticFiles
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.oidc.login import OidcLogin
from tiktok_forwarder.web.asgi import AsgiApplication, Receive, Scope, Send
from tiktok_forwarder.web.trusted_proxies import TrustedProxies

PAGES: Final[tuple[Page, ...]] = (
    *LOGIN_PAGES,
    *OVERVIEW_PAGES,
    *HEALTH_PAGES,
    *ACCESS_PAGES,
    *CONNECTIONS_PAGES,
    *CONNECTION_SETTINGS_PAGES,
    *CONNECTION_ACTIONS_PAGES,
    *CONNECTION_SENDERS_PAGES,
    *CONNECTION_IMPORT_PAGES,
    *FIRST_STEPS_PAGES,
    *INPUTS_PAGES,
    *ACTIVITY_PAGES,
    *EVENT_PAGES,
    *DEVELOPMENT_PAGES,
    *DEAD_LETTER_PAGES,
    *MAPPINGS_PAGES,
    *RECEIVED_EVENTS_PAGES,
    *RESULTS_PAGES,
    *NOTICES_PAGES,
    *PIXEL_PAGES,
    *HELP_PAGES,
)
_FORGED: Final = "this form has expired; reload the page and submit it again"


def build_console(
    api: AsgiApplication,
    access: ConsoleAccess,
    console_url: str,
    proxies: TrustedProxies,
    live_views: LiveViews,
    oidc: OidcLogin | None = None,
    *,
    allows_private_peers: bool = False,
) -> AsgiApplication:
    """`api` is the service's API behind `console_caller`. Stop the live views before the service stops."""
    static = StaticFiles()
    services = ConsoleServices(access, Rendering(static), FlashMessages(), live_views, oidc)
    find_origin = partial(
        origin_of, console_url=console_url, proxies=proxies, allows_private_peers=allows_private_peers
    )
    gateway = _Gateway(api, services, find_origin)
    by_path = _by_path((*PAGES, *OIDC_PAGES) if oidc is not None else PAGES)
    pages = [Route(path, gateway.to(found), methods=[each.method for each in found]) for path, found in by_path]
    console = Starlette(
        routes=[*pages, Route("/static/{name:path}", static.answer, methods=["GET"])],
        exception_handlers={
            HTTPException: gateway.handle_http_exception,
            ApiError: gateway.handle_api_error,
            StoreUnavailable: gateway.handle_unavailable_store,
            Exception: gateway.handle_internal_error,
        },
    )
    console.router.redirect_slashes = False
    return with_headers(_by_raw_path(console), is_behind_tls=bool(console_url))


def _by_path(pages: Sequence[Page]) -> Sequence[tuple[str, list[Page]]]:
    paths: dict[str, list[Page]] = {}
    for page in pages:
        paths.setdefault(page.path, []).append(page)
    # Fixed segments sort before parameters, so a fixed path matches first.
    return sorted(paths.items(), key=lambda each: [segment.startswith("{") for segment in each[0].split("/")])


def _by_raw_path(application: AsgiApplication) -> AsgiApplication:
    """Route by the undecoded path, so that a name can contain a slash, encoded as %2F."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await application({**scope, "path": scope["raw_path"].decode("latin-1")}, receive, send)

    return answer


class _Gateway:
    """Checks session, origin, form token and role, then calls the page's handler."""

    def __init__(
        self, api: AsgiApplication, services: ConsoleServices, find_origin: Callable[[Request], Origin]
    ) -> None:
        self._api = api
        self._services = services
        self._find_origin = find_origin
        self._shown = _depths_of_shown_pages()

    def to(self, pages: Sequence[Page]) -> Callable[[Request], Awaitable[Response]]:
        of_method = {page.method: page for page in pages}

        async def answer(request: Request) -> Response:
            page = of_method["POST" if request.method == "POST" else "GET"]
            origin = self._find_origin(request)
            entry = await self._entry(request, origin)
            if page.right != "public" and entry is None:
                return _to_login(request, self._shown.get(page.path, 0))
            if request.method == "POST":
                check_same_site(request, origin)
            form = await read_form(request, MAX_FORM_BYTES if entry is not None else MAX_PUBLIC_FORM_BYTES)
            # Not on public pages: opened from another site's link they have no cookie, so no token, but the browser
            # sends the cookie with their forms.
            if request.method == "POST" and entry is not None and page.right != "public":
                _check_token(request, form.secret("csrf"), entry[1])
            page_request = PageRequest(request, self._services, origin, form, entry)
            if page.right == "admin" and not page_request.is_admin:
                raise HTTPException(403, "this page is for administrators")
            if entry is not None and not page_request.is_htmx:
                # The page is more important than the counts in its menu.
                with contextlib.suppress(ApiError, StoreUnavailable):
                    page_request.menu_counts = menu_counts(await entry[2].call(ATTENTION))
            return await page.run(page_request)

        return answer

    async def _entry(self, request: Request, origin: Origin) -> tuple[User, Session, Api] | None:
        reference = request.cookies.get(origin.cookie)
        if not reference:
            return None
        found = await self._services.access.who(reference, extends_session=_is_user_action(request))
        return (*found, Api(self._api, found[0])) if found is not None else None

    # --- error pages ---

    async def handle_http_exception(self, request: Request, error: Exception) -> Response:
        status, detail = 500, str(error)
        if isinstance(error, HTTPException):
            status, detail = error.status_code, error.detail
        return await self._error_page(request, status, ["no page has this address"] if status == 404 else [detail])

    async def handle_api_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)  # noqa: S101  # by its registration
        return await self._error_page(request, error.status, error.problems)

    async def handle_unavailable_store(self, request: Request, error: Exception) -> Response:
        return await self._error_page(request, 503, [str(error)])

    async def handle_internal_error(self, request: Request, _error: Exception) -> Response:
        # Starlette raises the error again after the answer, so the server logs it.
        return await self._error_page(request, 500, ["internal error; the service log shows where"])

    async def _error_page(self, request: Request, status: int, problems: list[str]) -> Response:
        entry = None
        try:
            origin = self._find_origin(request)
            with contextlib.suppress(StoreUnavailable):
                entry = await self._entry(request, origin)
        except HTTPException:
            origin = Origin("", is_secure=False, source="")
        if "text/html" not in request.headers.get("accept", "") and "hx-request" not in request.headers:
            return refusal(status, "NOT_FOUND" if status == 404 else "REFUSED", *problems)
        page_request = PageRequest(request, self._services, origin, Form(), entry)
        template = "error_part.html" if page_request.is_htmx else "error.html"
        return page_request.page(template, {"status": status, "problems": problems}, status)


def _is_user_action(request: Request) -> bool:
    """Return whether a person made this request; a page that refreshes itself does not extend a session."""
    is_part = request.method == "GET" and request.headers.get("hx-request") == "true"
    return not is_part and request.headers.get("accept") != "text/event-stream"


def _depths_of_shown_pages() -> Mapping[str, int]:
    """Return by path how many of its segments lead to a page that can be opened, for forms that are sent to it."""
    shown = {page.path for page in PAGES if page.method == "GET"}
    depths: dict[str, int] = {}
    for page in PAGES:
        path = page.path
        while path and path not in shown:
            path = path.rpartition("/")[0]
        depths[page.path] = path.count("/")
    return depths


def _to_login(request: Request, shown_depth: int) -> Response:
    """Send the browser to the login, and back to the open page from there. `shown_depth` is of the page of a form."""
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"hx-redirect": _login_path(_open_page(request))})
    if request.method == "GET":
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(_login_path(request.scope["path"] + query), 303)
    path = "/".join(request.scope["path"].split("/")[: shown_depth + 1]) if request.method == "POST" else ""
    return RedirectResponse(_login_path(path), 303)


def _open_page(request: Request) -> str:
    """Return the path of the page in which htmx made this request; nothing for another site's."""
    page = urlsplit(request.headers.get("hx-current-url", ""))
    query = f"?{page.query}" if page.query else ""
    return page.path + query if page.netloc.lower() == request.headers.get("host", "").lower() else ""


def _login_path(path: str) -> str:
    is_worth_naming = path.partition("?")[0] not in ("", "/")
    return f"/login?{urlencode({'next': path})}" if is_worth_naming else "/login"


def _check_token(request: Request, given: str, session: Session) -> None:
    token = given or request.headers.get("x-csrf-token", "")
    if not hmac.compare_digest(token.encode(), session.csrf_token.encode()):
        raise HTTPException(403, _FORGED)
