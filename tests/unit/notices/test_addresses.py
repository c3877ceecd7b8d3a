"""Which hosts a notice may be sent to."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import pytest

from tiktok_forwarder.notices.addresses import (
    AddressRefused,
    AllowedHosts,
    Resolve,
    checked_addresses,
    parse_allowed_hosts,
    resolve_host,
)
from tiktok_forwarder.web.public_addresses import is_public

NONE = AllowedHosts()
PUBLIC = ("8.8.8.8", "203.0.114.1", "2606:4700::1111", "2620:4f:8000::1", "::ffff:8.8.8.8", "64:ff9b::808:808")
NOT_PUBLIC = (
    "0.0.0.0",  # noqa: S104 - an address that is refused
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::a00:1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:a00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
)


def resolver(*addresses: str) -> Resolve:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return resolve


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_allowed(address: str) -> None:
    """Also where it is part of an IPv6 address, as in a network that has IPv6 only."""
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_address_that_is_not_public_is_refused(address: str) -> None:
    """In every spelling: as an IPv6 address that contains it, or one that a tunnel leads elsewhere."""
    assert not is_public(ip_address(address))


async def test_one_private_address_of_several_refuses_the_host() -> None:
    """The connection could go to any of them."""
    with pytest.raises(AddressRefused, match="not public"):
        await checked_addresses("hooks.example.com", 443, NONE, resolver("8.8.8.8", "10.0.0.1"))


async def test_addresses_are_returned_as_resolved_without_repeats() -> None:
    """The first one is tried first."""
    found = await checked_addresses("hooks.example.com", 443, NONE, resolver("8.8.8.8", "1.1.1.1", "8.8.8.8"))
    assert found == ["8.8.8.8", "1.1.1.1"]


@pytest.mark.parametrize(
    ("allowed", "is_allowed"),
    [
        ("10.0.0.0/8", True),
        ("10.0.0.1", True),
        ("smtp.internal", True),
        ("SMTP.Internal.", True),
        ("10.1.0.0/16", False),
        ("internal", False),
        ("fd00::/8", False),
        ("", False),
    ],
)
async def test_private_host_is_allowed_by_name_or_network_only(allowed: str, is_allowed: bool) -> None:
    """A name in the setting is that host, not the hosts below it."""
    checked = checked_addresses("smtp.internal", 25, parse_allowed_hosts(allowed), resolver("10.0.0.1"))
    if is_allowed:
        assert await checked == ["10.0.0.1"]
    else:
        with pytest.raises(AddressRefused, match="notice_allowed_hosts"):
            await checked


async def test_host_without_addresses_is_not_found() -> None:
    """The reason does not show what the resolver said."""

    async def fails(_host: str, _port: int) -> Sequence[str]:
        raise OSError("Name or service not known at 10.0.0.53")

    for resolve in (resolver(), fails):
        with pytest.raises(AddressRefused, match=r"^the host was not found$"):
            await checked_addresses("hooks.example.com", 443, NONE, resolve)


@pytest.mark.parametrize("spelling", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "localhost", "::1"])
async def test_every_spelling_of_this_machine_is_refused(spelling: str) -> None:
    """The machine's own resolver reads them, so its addresses are checked and not the text."""
    with pytest.raises(AddressRefused):
        await checked_addresses(spelling, 443, NONE, resolve_host)


@pytest.mark.parametrize("text", ["smtp.example.com:25", "https://example.com", "10.0.0.1/8", "10.0.0", "a b", "-"])
def test_unreadable_allowed_host_is_refused(text: str) -> None:
    """A mistake in the setting must neither allow nor forbid something unnoticed."""
    with pytest.raises(ValueError, match=r"."):
        parse_allowed_hosts(text)


async def test_resolver_that_hangs_holds_no_thread_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delivery resolves TikTok's name in the event loop's threads; beyond a limit, names are not resolved at all."""
    may_end = threading.Event()
    original = socket.getaddrinfo

    def hanging(host: str, *arguments: Any, **options: Any) -> Any:
        if host.endswith(".example.com"):
            may_end.wait(10)
            raise OSError
        return original(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    tasks = [asyncio.create_task(resolve_host(f"h{number}.example.com", 443)) for number in range(20)]
    await asyncio.sleep(0.05)
    assert sum(task.done() for task in tasks) == 4
    assert await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80), 2)
    may_end.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, OSError) for outcome in outcomes)
    assert "127.0.0.1" in await resolve_host("127.0.0.1", 443)
