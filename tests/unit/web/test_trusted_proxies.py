"""Which peers may name the client they forward for."""

from typing import Any

import pytest

from tiktok_forwarder.web.trusted_proxies import DEFAULT_TRUSTED_PROXIES, TrustedProxies, parse_networks


@pytest.mark.parametrize(
    ("networks", "address", "is_trusted"),
    [
        ("10.0.0.0/8", "10.0.0.0", True),
        ("10.0.0.0/8", "10.255.255.255", True),
        ("10.0.0.0/8", "9.255.255.255", False),
        ("10.0.0.0/8", "11.0.0.0", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("2001:db8::/32", "2001:db8:ffff::1", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("10.0.0.0/8, 2001:db8::/32", "2001:db8::1", True),
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("0.0.0.0/0", "unknown", False),
        ("0.0.0.0/0", "", False),
        ("0.0.0.0/0", "10.0.0.1:8080", False),
        ("", "127.0.0.1", False),
    ],
)
def test_address_is_trusted_when_it_is_in_a_network(networks: str, address: str, is_trusted: bool) -> None:
    """Both ends of a network belong to it, and what is no address belongs to none."""
    proxies = TrustedProxies(parse_networks(networks))
    assert [proxies.is_trusted(address), proxies.is_trusted(address)] == [is_trusted, is_trusted]


def test_default_trusts_loopback_only() -> None:
    """A proxy on this machine is trusted without a setting, and no other."""
    proxies = TrustedProxies(parse_networks(DEFAULT_TRUSTED_PROXIES))
    addresses = ("127.0.0.1", "127.255.255.255", "::1", "128.0.0.0", "::2", "10.0.0.1")
    assert [proxies.is_trusted(address) for address in addresses] == [True, True, True, False, False, False]


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8,", "example.com", "10.0.0.0/8 10.1.0.0/16"])
def test_unreadable_network_is_refused(text: str) -> None:
    """A mistyped network must not silently trust more or less than was meant."""
    with pytest.raises(ValueError, match=r"."):
        parse_networks(text)


def _scope(peer: str | None, *lines: str) -> dict[str, Any]:
    headers = [(b"host", b"example.com"), *((b"x-forwarded-for", line.encode("latin-1")) for line in lines)]
    return {"client": (peer, 5000) if peer is not None else None, "headers": headers}


@pytest.mark.parametrize(
    ("peer", "lines", "source"),
    [
        # The header of a peer that is no trusted proxy counts for nothing.
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("203.0.113.9", [], "203.0.113.9"),
        ("10.0.0.2", ["198.51.100.1"], "198.51.100.1"),
        # What the visitor wrote is left of what the proxies add, in one line or in several.
        ("10.0.0.2", ["192.0.2.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.2", ["192.0.2.1", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.2", ["192.0.2.1", "10.9.9.9", "198.51.100.1, 10.0.0.3", "10.0.0.4"], "198.51.100.1"),
        # A visitor who writes a trusted proxy's address does not become one.
        ("10.0.0.2", ["10.0.0.3, 198.51.100.1"], "198.51.100.1"),
        # Ports and brackets.
        ("10.0.0.2", ["198.51.100.1:50321"], "198.51.100.1"),
        ("10.0.0.2", ["198.51.100.1, 10.0.0.3:443"], "198.51.100.1"),
        ("10.0.0.2", ["2001:db8:1:2::5"], "2001:db8:1:2::/64"),
        ("10.0.0.2", ["[2001:db8:1:2::5]"], "2001:db8:1:2::/64"),
        ("10.0.0.2", ["[2001:db8:1:2::5]:50321"], "2001:db8:1:2::/64"),
        ("10.0.0.2", ["::ffff:198.51.100.1"], "198.51.100.1"),
        # A proxy that names nobody, or proxies only.
        ("10.0.0.2", [], "10.0.0.2"),
        ("10.0.0.2", ["", " , "], "10.0.0.2"),
        ("10.0.0.2", ["10.0.0.5, 10.0.0.3"], "10.0.0.5"),
        ("10.0.0.2", ["192.0.2.1, unknown"], "unknown"),
        ("::ffff:10.0.0.2", ["198.51.100.1"], "198.51.100.1"),
        (None, ["198.51.100.1"], ""),
    ],
)
def test_visitor_is_the_rightmost_address_that_is_no_trusted_proxys(
    peer: str | None, lines: list[str], source: str
) -> None:
    """Whatever else the visitor writes into the header."""
    assert TrustedProxies(parse_networks("10.0.0.0/8")).source_of(_scope(peer, *lines)) == source


def test_visitor_has_the_whole_address_of_an_ipv6_network() -> None:
    """It is counted by its network, and its events have its own address."""
    proxies = TrustedProxies(parse_networks("10.0.0.0/8"))
    scope = _scope("10.0.0.2", "[2001:db8:1:2::5]:50321")
    assert proxies.visitor_of("10.0.0.2", scope["headers"]) == "2001:db8:1:2::5"
    assert proxies.visitor_of("203.0.113.9", scope["headers"]) == "203.0.113.9"


def test_text_that_is_no_address_is_counted_by_its_beginning() -> None:
    """A header of any length leaves little behind."""
    proxies = TrustedProxies(parse_networks("10.0.0.0/8"))
    assert proxies.source_of(_scope("10.0.0.2", "x" * 60_000)) == "x" * 64
