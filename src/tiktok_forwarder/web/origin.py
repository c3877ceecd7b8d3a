"""The origin of a request."""

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

# A client with one address of an IPv6 network has as many as it likes.
_IPV6_NETWORK_BITS: Final = 64


def is_of_this_machine(scope: Mapping[str, Any]) -> bool:
    """Return whether the peer is on loopback.

    A TLS proxy on this machine is too, and forwards requests of other machines: see `is_proxied`.
    """
    client = scope.get("client")
    if not client:
        return False
    try:
        return ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


def is_proxied(scope: Mapping[str, Any]) -> bool:
    """Return whether a proxy declares that it forwards another client's request."""
    return any(name in (b"x-forwarded-for", b"forwarded") for name, _ in scope["headers"])


def source_of(scope: Mapping[str, Any]) -> str:
    """Return the peer's address, for IPv6 its network. Headers are not used: any client can write them."""
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
