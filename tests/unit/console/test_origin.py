"""By which way a browser may come to the console."""

from collections.abc import Mapping

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from tiktok_forwarder.console.origin import Origin, check_same_site, origin_of
from tiktok_forwarder.web.trusted_proxies import TrustedProxies, parse_networks

PROXY = "https://forwarder.example.com"
PROXIES = TrustedProxies(parse_networks("127.0.0.0/8, 10.0.0.0/8"))


def request(client: str = "127.0.0.1", **headers: str) -> Request:
    """Underscores in the names stand for dashes."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw, "client": (client, 5000)})


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("127.0.0.1:8090", "http://127.0.0.1:8090"),
        ("localhost:8090", "http://localhost:8090"),
        ("LOCALHOST:8090", "http://localhost:8090"),
        ("[::1]:8090", "http://[::1]:8090"),
        ("[::1]", "http://[::1]:80"),
        ("localhost", "http://localhost:80"),
    ],
)
def test_this_machine_is_answered_over_plain_http(host: str, base: str) -> None:
    """Under its own names only; the cookie's name tells services of one machine apart."""
    origin = origin_of(request(host=host), "", PROXIES)
    assert (origin.base, origin.is_secure) == (base, False)
    assert origin.cookie == f"session-{base.rpartition(':')[2]}"


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        ("203.0.113.9", {"host": "localhost:8090"}),
        ("2001:db8::1", {"host": "localhost:8090"}),
        ("127.0.0.1", {"host": "localhost:8090", "x_forwarded_for": "203.0.113.9"}),
        ("127.0.0.1", {"host": "localhost:8090", "forwarded": "for=203.0.113.9"}),
        ("127.0.0.1", {"host": "evil.example:8090"}),
        ("127.0.0.1", {"host": "127.0.0.1.evil.example"}),
        ("127.0.0.1", {"host": ""}),
        ("127.0.0.1", {}),
    ],
)
def test_everybody_else_is_refused_without_a_declared_proxy(client: str, headers: Mapping[str, str]) -> None:
    """Another machine, a proxy nobody told of, and a foreign name that leads here."""
    with pytest.raises(HTTPException) as refused:
        origin_of(request(client, **headers), "", PROXIES)
    assert refused.value.status_code == 403
    assert "console_url" in refused.value.detail


@pytest.mark.parametrize(
    "client", ["127.0.0.1", "10.88.0.1", "172.17.0.1", "192.168.65.1", "fd00::1", "::ffff:10.0.2.2"]
)
@pytest.mark.parametrize("host", ["localhost:8090", "127.0.0.1:9000", "[::1]:8090", "localhost"])
def test_private_peers_are_answered_over_plain_http_if_allowed(client: str, host: str) -> None:
    """A container's browser is on another network, and has the published port on its own machine."""
    origin = origin_of(request(client, host=host), "", PROXIES, allows_private_peers=True)
    assert not origin.is_secure and origin.base.startswith(f"http://{host}")
    with pytest.raises(HTTPException):
        origin_of(request("10.88.0.1", host=host), "", PROXIES)


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        ("203.0.113.9", {"host": "localhost:8090"}),
        ("100.64.0.1", {"host": "localhost:8090"}),
        ("10.88.0.1", {"host": "evil.example:8090"}),
        ("10.88.0.1", {"host": "localhost.evil.example"}),
        ("10.88.0.1", {"host": "localhost.:8090"}),
        ("10.88.0.1", {"host": "10.88.0.2:8090"}),
        ("10.88.0.1", {"host": "127.0.0.2:8090"}),
        ("10.88.0.1", {}),
        ("10.88.0.1", {"host": "localhost:8090", "x_forwarded_for": "203.0.113.9"}),
        ("10.88.0.1", {"host": "localhost:8090", "x_forwarded_for": "10.88.0.1"}),
        ("10.88.0.1", {"host": "localhost:8090", "forwarded": "for=203.0.113.9"}),
        ("127.0.0.1", {"host": "localhost:8090", "x_forwarded_for": "127.0.0.1"}),
    ],
)
def test_private_peers_are_allowed_under_the_name_of_their_own_machine_only(
    client: str, headers: Mapping[str, str]
) -> None:
    """A site's name that is made to resolve to the container, a public peer and a proxy are refused as before."""
    with pytest.raises(HTTPException) as refused:
        origin_of(request(client, **headers), "", PROXIES, allows_private_peers=True)
    assert refused.value.status_code == 403


@pytest.mark.parametrize(
    "port", ["", "x", "8090;", "8090,", "-1", "123456", "٨٠", "8090\n", "8090@evil.example", "80 90"]
)
def test_hostile_port_is_refused(port: str) -> None:
    """It would become part of a cookie's name and of links; 5 digits are the most that a port has."""
    with pytest.raises(HTTPException) as refused:
        origin_of(request(host=f"localhost:{port}"), "", PROXIES)
    assert refused.value.status_code == 400
    assert origin_of(request(host="localhost:65535"), "", PROXIES).base == "http://localhost:65535"


def test_a_declared_proxy_is_answered_under_its_name() -> None:
    """From any peer, with a cookie that only TLS carries; failures count for whom the proxy speaks for."""
    given = request("10.0.0.2", host="forwarder.example.com", x_forwarded_for="198.51.100.1, 203.0.113.9")
    origin = origin_of(given, PROXY, PROXIES)
    assert origin == Origin(PROXY, is_secure=True, source="203.0.113.9")
    assert origin.cookie == "__Host-session"


@pytest.mark.parametrize("declared", ["https://Forwarder.Example.COM", "https://forwarder.example.com"])
@pytest.mark.parametrize("host", ["forwarder.example.com", "FORWARDER.example.com"])
def test_name_of_a_declared_proxy_has_no_case(declared: str, host: str) -> None:
    """A setting with capitals is the same address, and a form from it is one of the console's own."""
    given = request("10.0.0.2", host=host, origin="https://forwarder.example.com")
    origin = origin_of(given, declared, PROXIES)
    assert origin.is_secure
    check_same_site(given, origin)


@pytest.mark.parametrize(
    "host", ["forwarder.example.com:8443", "forwarder.example.com.evil.example", "example.com", ""]
)
def test_name_of_a_declared_proxy_is_compared_to_the_letter(host: str) -> None:
    """A part of it, something behind it, or another port is another host."""
    with pytest.raises(HTTPException) as refused:
        origin_of(request("10.0.0.2", host=host), PROXY, PROXIES)
    assert refused.value.status_code == 403


@pytest.mark.parametrize(
    ("forwarded", "source"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1,203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 2001:db8::1", "2001:db8::/64"),
        ("unknown", "unknown"),
        (" ", "10.0.0.2"),
    ],
)
def test_failures_count_for_whom_the_proxy_names_last(forwarded: str, source: str) -> None:
    """What a guesser writes into the header stands before it; without a name the proxy itself is the source."""
    given = request("10.0.0.2", host="forwarder.example.com", x_forwarded_for=forwarded)
    assert origin_of(given, PROXY, PROXIES).source == source


def test_failures_count_for_the_proxy_when_it_names_nobody() -> None:
    """A proxy that sets no header is slowed as one source, which is better than none."""
    assert origin_of(request("10.0.0.2", host="forwarder.example.com"), PROXY, PROXIES).source == "10.0.0.2"


def test_failures_count_for_the_peer_on_this_machine() -> None:
    """Without a proxy the socket says who it is."""
    assert origin_of(request("127.0.0.1", host="localhost:8090"), "", PROXIES).source == "127.0.0.1"
    assert origin_of(request("::1", host="localhost:8090"), "", PROXIES).source == "::/64"


def test_a_declared_proxy_opens_no_other_door() -> None:
    """Another name is still refused from afar, and this machine still gets plain HTTP."""
    with pytest.raises(HTTPException):
        origin_of(request("10.0.0.2", host="10.0.0.1:8090"), PROXY, PROXIES)
    assert not origin_of(request(host="localhost:8090"), PROXY, PROXIES).is_secure


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"origin": "http://localhost:8090"}, True),
        ({"origin": "HTTP://LOCALHOST:8090"}, True),
        ({"sec_fetch_site": "same-origin"}, True),
        ({"origin": "http://localhost:8091"}, False),
        ({"origin": "https://localhost:8090"}, False),
        ({"origin": "null"}, False),
        ({"origin": "null", "sec_fetch_site": "same-origin"}, True),
        ({"origin": "null", "sec_fetch_site": "cross-site"}, False),
        ({"origin": "http://localhost:8090", "sec_fetch_site": "cross-site"}, False),
        ({"origin": "http://evil.example", "sec_fetch_site": "same-origin"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "none"}, False),
        ({}, False),
    ],
)
def test_a_form_must_come_from_a_page_of_ours(headers: Mapping[str, str], is_ours: bool) -> None:
    """Browsers say where a form comes from; what does not say it is refused."""
    given = request(host="localhost:8090", **headers)
    origin = origin_of(given, "", PROXIES)
    if is_ours:
        check_same_site(given, origin)
        return
    with pytest.raises(HTTPException) as refused:
        check_same_site(given, origin)
    assert refused.value.status_code == 403


def test_the_usual_port_is_not_written_in_an_origin() -> None:
    """A browser on http://localhost says just that."""
    given = request(host="localhost", origin="http://localhost")
    check_same_site(given, origin_of(given, "", PROXIES))
