"""Which peers may name the client they forward for."""

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
