"""Which IP addresses are public: what the service asks by a URL that others wrote must not reach an inner network."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from typing import Final

from tiktok_forwarder.web.origin import IpAddress

# All global unicast addresses in use; what is outside of it, such as site-local addresses, is never public.
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
# Addresses that lead to an IPv4 address which is part of them, or which a relay decides.
_TUNNELS: Final = (IPv6Network("2002::/16"), IPv6Network("2001::/32"), ip_network("192.88.99.0/24"))
_DOCUMENTATION: Final = IPv6Network("3fff::/20")


def is_public(address: IpAddress) -> bool:
    """Return whether everyone on the internet reaches the same machine by this address."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            # The way to an IPv4 address in a network that has IPv6 only.
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.scope_id is not None or address not in _GLOBAL_UNICAST or address in _DOCUMENTATION:
            return False
    if any(address.version == tunnel.version and address in tunnel for tunnel in _TUNNELS):
        return False
    return address.is_global and not address.is_multicast
