"""The paths of the browsers' routes, as mParticle's Web SDK builds them from its setting `domain`, or without it."""

import re
from typing import Final, Literal, NamedTuple

from tiktok_forwarder.web.paths import without_extra_slashes

RouteKind = Literal["events", "config", "identity", "modify", "search", "discarded"]
"""What a route does. What is sent to `discarded` ones, user aliases and statistics of kits, is not kept."""


class Place(NamedTuple):
    """A route and what its path names. `route` is the path without those values, the name in metrics."""

    kind: RouteKind
    route: str
    method: str = "POST"
    key: str = ""
    mpid: str = ""


_EVENTS: Final = "/v3/JS/{key}/events"
# The first part of a path is that of the SDK's setting `domain`. `{key}` and `{mpid}` are the values in it.
_ROUTES: Final[tuple[tuple[RouteKind, str, str], ...]] = (
    ("events", "/webevents", _EVENTS),
    ("config", "/tags", "/JS/v2/{key}/config"),
    ("identity", "/identity", "/v1/identify"),
    ("identity", "/identity", "/v1/login"),
    ("identity", "/identity", "/v1/logout"),
    ("modify", "/identity", "/v1/{mpid}/modify"),
    ("search", "/identity", "/v1/search"),
    ("discarded", "/webevents", "/v1/identity/{key}/Alias"),
    ("discarded", "/webevents", "/v1/JS/{key}/Forwarding"),
    ("discarded", "/webevents", "/v2/JS/{key}/Forwarding"),
)
_VALUES: Final = {"{key}": r"(?P<key>[^/]+)", "{mpid}": r"(?P<mpid>-?[0-9]{1,19})"}
# Every route of browsers is below one of these.
PREFIXES: Final = ("/v1/", "/v2/JS/", "/v3/JS/", "/JS/", "/webevents/", "/tags/JS/", "/identity/")


def _pattern(prefix: str, path: str) -> re.Pattern[str]:
    for name, value in _VALUES.items():
        path = path.replace(name, value)
    return re.compile(f"(?:{prefix})?{path}", re.ASCII)


_PATTERNS: Final = tuple((kind, path, _pattern(prefix, path)) for kind, prefix, path in _ROUTES)


def events_path(key: str) -> str:
    """Return the path for the events of the browser input with this key, as short as it can be."""
    return _EVENTS.replace("{key}", key)


def is_browser_path(path: str) -> bool:
    """Return whether the path is a browsers' route, or like one."""
    if path.startswith("//"):
        path = without_extra_slashes(path)
    return path.startswith(PREFIXES)


def find_place(path: str) -> Place | None:
    """Return the route of a path; None if it has none."""
    plain = without_extra_slashes(path)
    for kind, route, pattern in _PATTERNS:
        if found := pattern.fullmatch(plain):
            return Place(kind, route, "GET" if kind == "config" else "POST", **found.groupdict())
    return None
