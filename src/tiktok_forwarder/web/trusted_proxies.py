"""Which peers are proxies that are trusted to name the client they forward for, and who that client is."""

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from tiktok_forwarder.web.origin import IpNetwork, address_of, source_of_address

DEFAULT_TRUSTED_PROXIES: Final = "127.0.0.0/8, ::1/128"
_MAX_REMEMBERED: Final = 4096
# The longest IPv6 address in brackets with a port has 47 characters.
_MAX_ADDRESS_CHARS: Final = 64
_FORWARDED_FOR: Final = b"x-forwarded-for"


def parse_networks(text: str) -> tuple[IpNetwork, ...]:
    """Return the networks in CIDR form, separated by commas; a single address is a network of its own.

    Raises `ValueError` if one of them cannot be read, or has bits set beyond its prefix.
    """
    parts = (part.strip() for part in text.split(","))
    return tuple(ipaddress.ip_network(part) for part in parts) if text.strip() else ()


class TrustedProxies:
    """The networks of trusted proxies. Any text is allowed as an address; only one of these networks is trusted."""

    def __init__(self, networks: Iterable[IpNetwork]) -> None:
        self._networks = tuple(networks)
        # Every connection asks, and most come from the same few addresses.
        self.is_trusted = lru_cache(_MAX_REMEMBERED)(self._is_trusted)

    def _is_trusted(self, address: str) -> bool:
        parsed = address_of(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def visitor_of(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return the address of the visitor who sent the request, or a text that is none if a proxy wrote one.

        That is the peer's, or if the peer is a trusted proxy, the rightmost address in all its X-Forwarded-For lines
        that is not a trusted proxy's: what is left of that was written by the visitor, who may write anything.
        """
        if not self.is_trusted(peer):
            return peer
        visitor = peer
        for visitor in reversed(_forwarded_for(headers)):
            if not self.is_trusted(visitor):
                break
        return visitor

    def source_of(self, scope: Mapping[str, Any]) -> str:
        """Return under which name the visitor is counted who sent the request."""
        client = scope.get("client")
        return source_of_address(self.visitor_of(client[0] if client else "", scope["headers"]))


def _forwarded_for(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    lines = [value.decode("latin-1") for name, value in headers if name == _FORWARDED_FOR]
    addresses = [_without_port(address.strip()) for address in ",".join(lines).split(",")]
    return [address for address in addresses if address]


def _without_port(text: str) -> str:
    """Return an address without port and brackets, such as those of `[2001:db8::1]:8080`."""
    text = text[:_MAX_ADDRESS_CHARS]
    if text.startswith("["):
        return text[1:].partition("]")[0]
    # An IPv6 address without brackets has no port.
    return text.partition(":")[0] if text.count(":") == 1 else text
