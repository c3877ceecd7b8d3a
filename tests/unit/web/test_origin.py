"""Under which name a peer is counted, and which peers are on this machine."""

import pytest

from tiktok_forwarder.web.origin import is_of_this_machine, source_of


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
