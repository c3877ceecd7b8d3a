"""Which paths are browsers' routes."""

import pytest

from tiktok_forwarder.browser.paths import Place, find_place, is_browser_path

PLACES = [
    ("/v3/JS/k-1/events", Place("events", "/v3/JS/{key}/events", key="k-1")),
    ("/webevents/v3/JS/k-1/events", Place("events", "/v3/JS/{key}/events", key="k-1")),
    ("/JS/v2/k-1/config", Place("config", "/JS/v2/{key}/config", "GET", key="k-1")),
    ("/tags/JS/v2/k-1/config", Place("config", "/JS/v2/{key}/config", "GET", key="k-1")),
    ("/v1/identify", Place("identity", "/v1/identify")),
    ("/identity/v1/login", Place("identity", "/v1/login")),
    ("/identity/v1/logout", Place("identity", "/v1/logout")),
    ("/identity/v1/-734/modify", Place("modify", "/v1/{mpid}/modify", mpid="-734")),
    ("/v1/search", Place("search", "/v1/search")),
    ("/webevents/v1/identity/k-1/Alias", Place("discarded", "/v1/identity/{key}/Alias", key="k-1")),
    ("/v1/JS/k-1/Forwarding", Place("discarded", "/v1/JS/{key}/Forwarding", key="k-1")),
    ("/webevents/v2/JS/k-1/Forwarding", Place("discarded", "/v2/JS/{key}/Forwarding", key="k-1")),
]


@pytest.mark.parametrize(("path", "place"), PLACES)
def test_path_leads_to_its_place(path: str, place: Place) -> None:
    """With the prefix of the SDK's setting `domain` and without; extra slashes change nothing."""
    for spelling in (path, f"{path}/", f"/{path}", path.replace("/", "//")):
        assert is_browser_path(spelling)
        assert find_place(spelling) == place


@pytest.mark.parametrize(
    "path",
    [
        "/v3/JS/events",
        "/v3/JS/k/more/events",
        "/tags/v3/JS/k/events",
        "/webevents/JS/v2/k/config",
        "/v3/js/k/events",
        "/v1/x/modify",
        "/v1/12345678901234567890/modify",
        "/v1/\u0661/modify",
        "/v1/events",
    ],
)
def test_other_path_has_no_place(path: str) -> None:
    """A prefix belongs to one route, an mpid is a number."""
    assert find_place(path) is None


@pytest.mark.parametrize("path", ["/", "/inputs", "/v2/events", "/webhook/shop", "/api/inputs", "/healthz", "//login"])
def test_paths_of_others_are_left_to_them(path: str) -> None:
    """The senders' routes, the API and the console keep theirs."""
    assert not is_browser_path(path)
