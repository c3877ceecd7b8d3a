"""The origin of a request."""

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# Networks that no public router forwards. Python's `is_private` has others too, such as those for examples.
_PRIVATE_NETWORKS: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)
# A client with one address of an IPv6 network has as many as it likes.
_IPV6_NETWORK_BITS: Final = 64


def address_of(text: str) -> IpAddress | None:
    """Return the IP address, or None if the text is none.

    An IPv4 client of a socket that listens on IPv6 has an IPv6 address that contains its own, which is returned.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if address.version == 6 else address


def is_of_this_machine(scope: Mapping[str, Any]) -> bool:
    """Return whether the peer is on loopback.

    A TLS proxy on this machine is too, and forwards requests of other machines: see `is_proxied`.
    """
    address = _peer(scope)
    return address is not None and address.is_loopback


def is_of_private_network(scope: Mapping[str, Any]) -> bool:
    """Return whether the peer is on loopback, or its address is a private, unique local or link-local one."""
    address = _peer(scope)
    return address is not None and any(address in network for network in _PRIVATE_NETWORKS)


def _peer(scope: Mapping[str, Any]) -> IpAddress | None:
    client = scope.get("client")
    return address_of(client[0]) if client else None


def is_proxied(scope: Mapping[str, Any]) -> bool:
    """Return whether a proxy declares that it forwards another client's request."""
    return any(name in (b"x-forwarded-for", b"forwarded") for name, _ in scope["headers"])


def source_of(scope: Mapping[str, Any]) -> str:
    """Return the peer's address, for IPv6 its network. Headers are not used: any client can write them."""
    client = scope.get("client")
    return source_of_address(client[0]) if client else ""


def source_of_address(text: str) -> str:
    """Return the name under which an address is counted: itself, for IPv6 its network, for another text that text."""
    address = address_of(text)
    if address is None:
        return text
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((int(address), _IPV6_NETWORK_BITS), strict=False))
