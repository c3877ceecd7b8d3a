"""Checks that a request reaches the console safely: from this machine, or through a declared proxy with TLS.

A container's port can be published on the browser's machine. The console is then on another network than the browser,
which has it under `localhost` nevertheless: a setting allows that.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request

from tiktok_forwarder.web.origin import is_of_private_network, is_of_this_machine, is_proxied, source_of
from tiktok_forwarder.web.trusted_proxies import TrustedProxies

_LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
# The port becomes part of a cookie's name and of links.
_PORT: Final = re.compile(r"[0-9]{1,5}")
_TOO_OPEN: Final = (
    "the console answers this machine only, since it speaks plain HTTP: put a proxy with TLS in front of it and name "
    "the proxy's address in the setting console_url"
)
_FOREIGN_HOST: Final = "the console is not known under this address: see the setting console_url"
_FOREIGN_FORM: Final = "this form was sent from another site, so nothing was done"


class Origin(Struct, frozen=True):
    """How a browser reached the console. `base` is scheme and host in its view; login failures count for `source`."""

    base: str
    is_secure: bool
    source: str

    @property
    def cookie(self) -> str:
        """Return the name of the session's cookie."""
        return self._cookie_named("session")

    @property
    def oidc_cookie(self) -> str:
        """Return the name of the cookie of a login that the OIDC provider has not finished yet."""
        return self._cookie_named("oidc")

    def _cookie_named(self, name: str) -> str:
        # Cookies are shared by all ports of a host, and this machine may have several services.
        return f"__Host-{name}" if self.is_secure else f"{name}-{self.base.rpartition(':')[2]}"


def origin_of(
    request: Request, console_url: str, proxies: TrustedProxies, *, allows_private_peers: bool = False
) -> Origin:
    """Return the origin. Raises `HTTPException` for a foreign host, or if a password would be sent unencrypted.

    `allows_private_peers`: plain HTTP is accepted from private networks too, under the names of the browser's machine.
    """
    host = request.headers.get("host", "").lower()
    if console_url and host == urlsplit(console_url).netloc.lower():
        return Origin(console_url, True, proxies.source_of(request.scope))
    is_near = is_of_private_network if allows_private_peers else is_of_this_machine
    # A proxy forwards requests of other machines, whatever its own address is.
    if not is_near(request.scope) or is_proxied(request.scope):
        raise HTTPException(403, _TOO_OPEN)
    # Any site's name can resolve to this machine, or to one in the browser's network.
    name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "80")
    if name not in _LOOPBACK_NAMES:
        raise HTTPException(403, _FOREIGN_HOST)
    if not _PORT.fullmatch(port):
        raise HTTPException(400, "the header Host has an invalid port")
    return Origin(f"http://{name}:{port}", False, source_of(request.scope))


def check_same_site(request: Request, origin: Origin) -> None:
    """Raise `HTTPException` unless the form was sent by a page of the console, as every browser reports."""
    site = request.headers.get("sec-fetch-site")
    given = request.headers.get("origin", "null").lower()
    is_own = given in (origin.base.lower(), origin.base.lower().removesuffix(":80"))
    # Browsers send origin null with forms of pages whose policy is no-referrer.
    same = is_own if site is None else site == "same-origin" and (is_own or given == "null")
    if not same:
        raise HTTPException(403, _FOREIGN_FORM)
