"""Under which name a peer is counted, and which peers are on this machine or a private network."""

import pytest

from tiktok_forwarder.web.origin import is_of_private_network, is_of_this_machine, source_of


@pytest.mark.parametrize(
    ("address", "source", "is_ours"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.9.9.9", "127.9.9.9", True),
        ("::1", "::/64", True),
        ("203.0.113.9", "203.0.113.9", False),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64", False),
        ("::ffff:203.0.113.9", "203.0.113.9", False),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("unknown", "unknown", False),
    ],
)
def test_peer_is_counted_by_its_address_or_network(address: str, source: str, is_ours: bool) -> None:
    """An IPv4 client keeps its own name when the service listens on IPv6 too."""
    scope = {"client": (address, 5000)}
    assert (source_of(scope), is_of_this_machine(scope)) == (source, is_ours)


def test_peer_of_a_unix_socket_has_no_address() -> None:
    """It is counted under the empty name, and is not on loopback."""
    assert (source_of({"client": None}), is_of_this_machine({})) == ("", False)


@pytest.mark.parametrize(
    ("address", "is_private"),
    [
        ("127.0.0.1", True),
        ("10.88.0.1", True),
        ("172.16.0.1", True),
        ("172.31.255.255", True),
        ("192.168.65.1", True),
        ("169.254.1.1", True),
        ("::1", True),
        ("fd00::1", True),
        ("fe80::1", True),
        ("::ffff:10.0.0.1", True),
        ("172.15.255.255", False),
        ("172.32.0.1", False),
        ("100.64.0.1", False),
        ("192.0.2.1", False),
        ("203.0.113.9", False),
        ("::ffff:203.0.113.9", False),
        ("2001:db8::1", False),
        ("unknown", False),
    ],
)
def test_private_networks_are_those_that_no_public_router_forwards(address: str, is_private: bool) -> None:
    """Addresses shared by a provider's customers, or reserved for examples, are not of anyone's own network."""
    assert is_of_private_network({"client": (address, 5000)}) == is_private


def test_peer_of_a_unix_socket_is_on_no_network() -> None:
    """It has no address that could be private."""
    assert not is_of_private_network({"client": None})
