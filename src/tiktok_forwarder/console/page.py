"""A page of the console: a row of the table from which routes, rights and security tests are built."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal
from urllib.parse import unquote

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tiktok_forwarder.access.console_access import ConsoleAccess
from tiktok_forwarder.access.sessions import Session
from tiktok_forwarder.access.users import User
from tiktok_forwarder.console.activity.live import LiveViews
from tiktok_forwarder.console.api import Api
from tiktok_forwarder.console.attention import MenuCount
from tiktok_forwarder.console.flash_messages import FlashMessages
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.origin import Origin
from tiktok_forwarder.console.rendering import Rendering
from tiktok_forwarder.oidc.login import OidcLogin

Right = Literal["public", "viewer", "admin"]
"""Who can open a page: anyone, logged-in users, administrators."""


_REFUSED: Final = 400


class ConsoleServices(Struct, frozen=True):
    """What pages use besides the API. `oidc` is None if users log in with passwords only."""

    access: ConsoleAccess
    rendering: Rendering
    flash_messages: FlashMessages
    live_views: LiveViews
    oidc: OidcLogin | None


class PageRequest:
    """One request to a page. `http` is Starlette's; `user`, `session` and `api` are those of the user who is logged in,
    on all but public pages. `menu_counts` are beside the menu's pages, by path.
    """

    def __init__(
        self,
        http: Request,
        services: ConsoleServices,
        origin: Origin,
        form: Form,
        entry: tuple[User, Session, Api] | None,
    ) -> None:
        self.http = http
        self.services = services
        self.origin = origin
        self.form = form
        self._entry = entry
        self.menu_counts: Mapping[str, MenuCount] = {}

    @property
    def user(self) -> User:
        return self._entered()[0]

    @property
    def session(self) -> Session:
        return self._entered()[1]

    @property
    def api(self) -> Api:
        return self._entered()[2]

    def _entered(self) -> tuple[User, Session, Api]:
        if self._entry is None:
            raise RuntimeError("a public page has no user")
        return self._entry

    @property
    def draft_key(self) -> str:
        """Return the key with which the user's browser seals what is typed and not saved."""
        return self.services.access.draft_keys.key_of(self.user.id)

    @property
    def is_logged_in(self) -> bool:
        return self._entry is not None

    @property
    def is_admin(self) -> bool:
        return self._entry is not None and self._entry[0].role == "admin"

    @property
    def is_htmx(self) -> bool:
        """Return whether htmx requests a part of the page."""
        return self.http.headers.get("hx-request") == "true"

    def path(self, name: str) -> str:
        """Return a decoded parameter of the path."""
        return unquote(self.http.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        return self.http.query_params.get(name, default)

    def page(self, template: str, values: Mapping[str, Any] | None = None, status: int = 200) -> Response:
        """Render the template with the values and `request`."""
        is_whole = self.is_logged_in and not self.is_htmx
        messages = self.services.flash_messages.take(self.session) if is_whole else []
        given = {"request": self, "flash_messages": messages, "is_refused": status >= _REFUSED, **(values or {})}
        text = self.services.rendering.render(template, given)
        return Response(text, status, media_type="text/html")

    def go(self, path: str, message: str = "") -> Response:
        """Send the browser to this page of the console after a change; it shows the flash message once."""
        if message and self.is_logged_in:
            self.services.flash_messages.add(self.session, message)
        if self.is_htmx:
            return Response(status_code=204, headers={"hx-redirect": path})
        return RedirectResponse(path, 303)


class Page(Struct, frozen=True):
    """`path` may have parameters such as `{name}`, read with `PageRequest.path`. GET must change nothing.

    The one exception is the return from an OIDC provider, which opens a session, for the browser that asked for it.
    """

    method: Literal["GET", "POST"]
    path: str
    right: Right
    run: Callable[[PageRequest], Awaitable[Response]]
