"""Where a request comes from."""

import ipaddress
from collections.abc import Mapping
from typing import Any


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
