"""Which IP addresses are public: the others are sent with a warning."""

import pytest

from tiktok_forwarder.mapping.visitor import address_in

PRIVATE = (
    *("10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "127.0.0.1", "169.254.1.1"),
    *("100.64.0.1", "100.127.255.255", "224.0.0.1", "239.255.255.255", "0.0.0.0", "::1", "fe80::1", "febf::1"),  # noqa: S104
    *("fc00::1", "fdff::1", "ff02::1", "::ffff:192.168.0.1"),
)
PUBLIC = (
    *("9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "126.0.0.1"),
    *("128.0.0.1", "169.253.0.1", "100.63.255.255", "100.128.0.0", "223.255.255.255", "240.0.0.1", "0.0.0.1", "::2"),
    *("fec0::1", "fbff::1", "2001:db8::1", "::ffff:203.0.113.7"),
)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_recognized(address: str) -> None:
    """The ends of each private, shared, local and multicast block are in it."""
    assert address_in(address) == (address, False)


@pytest.mark.parametrize("address", PUBLIC)
def test_neighbors_of_private_blocks_are_public(address: str) -> None:
    """The address before and the one behind each block is not in it."""
    assert address_in(address) == (address, True)
