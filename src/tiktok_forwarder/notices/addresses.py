"""Where notices may go: every address of a host must be public, unless the operator allows the host or its network.

A URL in a recipient's settings must not make the service send requests to machines that only it can reach, such as a
cloud's metadata service. So a name is resolved once for each attempt, all of its addresses are checked, and the
connection is made to one of those that were checked.
"""

import asyncio
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Final

from msgspec import Struct

from tiktok_forwarder.web.origin import IpAddress, IpNetwork
from tiktok_forwarder.web.public_addresses import is_public

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host, in the order in which they should be tried. Raises `OSError`."""

_HOST: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_-]{1,63})*")

_RESOLVING: Final = threading.BoundedSemaphore(16)


class AddressRefused(Exception):
    """The host has no address that a notice may be sent to. The text is a short reason."""


class AllowedHosts(Struct, frozen=True):
    """The hosts and networks of the setting `notice_allowed_hosts`, which need not be public."""

    names: frozenset[str] = frozenset()
    networks: tuple[IpNetwork, ...] = ()

    def has_name(self, host: str) -> bool:
        return host.lower().rstrip(".") in self.names

    def allows(self, host: str, addresses: Iterable[str]) -> bool:
        """Return whether the host, or each of its addresses, is listed."""
        return self.has_name(host) or all(self.has_address(ip_address(address)) for address in addresses)

    def has_address(self, address: IpAddress) -> bool:
        return any(address.version == network.version and address in network for network in self.networks)


def parse_allowed_hosts(text: str) -> AllowedHosts:
    """Return the names and networks in a text, separated by commas. Raises `ValueError` if one of them is neither."""
    names: set[str] = set()
    networks: list[IpNetwork] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            networks.append(ip_network(part))
        except ValueError:
            if not is_host_name(part) or part.rpartition(".")[2].isdigit():
                raise
            names.add(part.lower().rstrip("."))
    return AllowedHosts(frozenset(names), tuple(networks))


def is_host_name(text: str) -> bool:
    """Return whether the text can be the name of a host, or an IPv4 address."""
    return _HOST.fullmatch(text.removesuffix(".")) is not None


def is_host(text: str) -> bool:
    """Return whether the text is the name or the address of a host."""
    try:
        ip_address(text)
    except ValueError:
        return is_host_name(text)
    return True


async def checked_addresses(host: str, port: int, allowed: AllowedHosts, resolve: Resolve) -> list[str]:
    """Return the addresses of the host, all of which may be connected to. Raises `AddressRefused`."""
    try:
        found = list(dict.fromkeys(await resolve(host, port)))
    except (OSError, UnicodeError):
        raise AddressRefused("the host was not found") from None
    if not found:
        raise AddressRefused("the host was not found")
    if not allowed.has_name(host) and not all(_is_allowed(address, allowed) for address in found):
        raise AddressRefused("the host has an address that is not public, and is not in notice_allowed_hosts")
    return found


def _is_allowed(text: str, allowed: AllowedHosts) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return allowed.has_address(address) or is_public(address)


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """Resolve by the machine's own resolver, in a thread of its own.

    The event loop's threads are few, and delivery resolves TikTok's name in them: a resolver that hangs for a
    recipient's name must not hold them, nor the end of the process.
    """
    if not _RESOLVING.acquire(blocking=False):
        raise OSError("too many names are being resolved")
    loop = asyncio.get_running_loop()
    resolved: asyncio.Future[Sequence[str]] = loop.create_future()

    def report(addresses: Sequence[str], error: Exception | None) -> None:
        if not resolved.done():
            resolved.set_exception(error) if error is not None else resolved.set_result(addresses)

    def resolve() -> None:
        addresses: list[str] = []
        failure: Exception | None = None
        try:
            addresses = [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError) as error:
            failure = error
        finally:
            _RESOLVING.release()
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(report, addresses, failure)

    threading.Thread(target=resolve, name="resolve", daemon=True).start()
    return await resolved
