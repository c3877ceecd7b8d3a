"""Which peers are proxies that are trusted to name the client they forward for."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from tiktok_forwarder.web.origin import IpNetwork, address_of

DEFAULT_TRUSTED_PROXIES: Final = "127.0.0.0/8, ::1/128"
_MAX_REMEMBERED: Final = 4096


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
