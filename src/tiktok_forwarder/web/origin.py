"""Where a request comes from."""

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

# Whoever has one address of an IPv6 network has as many as they like.
_IPV6_NETWORK_BITS: Final = 64


def is_of_this_machine(scope: Mapping[str, Any]) -> bool:
    """Whether the peer is on loopback. A TLS proxy on this machine is, and speaks for others: see `is_proxied`."""
    client = scope.get("client")
    if not client:
        return False
    try:
        return ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


def is_proxied(scope: Mapping[str, Any]) -> bool:
    """Whether a proxy says that it speaks for somebody else."""
    return any(name in (b"x-forwarded-for", b"forwarded") for name, _ in scope["headers"])


def source_of(scope: Mapping[str, Any]) -> str:
    """The peer's address, of IPv6 the network. What a header says of it is anybody's to write."""
    client = scope.get("client")
    if not client:
        return ""
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return str(client[0])
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((int(address), _IPV6_NETWORK_BITS), strict=False))
