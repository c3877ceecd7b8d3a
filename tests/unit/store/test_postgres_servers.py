"""The server that can write is found while others do not answer, and connections to a replaced one end."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.postgres_server import USER, own_server, shared_server
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.postgres.address import addresses_of_servers
from tiktok_forwarder.store.postgres.database import Database
from tiktok_forwarder.store.postgres.limits import PoolLimits
from tiktok_forwarder.store.postgres.servers import Servers
from tiktok_forwarder.store.postgres.store import PostgresStore

LIMITS = PoolLimits(connections=2)
NOTICED_SECONDS = 10


@contextmanager
def mute_server(folder: Path) -> Iterator[Path]:
    """A server to which connections can be made, and which never says anything."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / ".s.PGSQL.5432"))
        listening.listen()
        yield folder


def address_of(*folders: Path) -> str:
    return f"postgresql:///postgres?host={','.join(map(str, folders))}&user={USER}"


@pytest.mark.parametrize(
    ("address", "servers"),
    [
        ("postgresql://h/d", ["postgresql://h/d"]),
        ("postgresql:///d", ["postgresql:///d"]),
        ("postgresql://u:p@a:1,[::1],c/d?x=y", [f"postgresql://u:p@{host}/d?x=y" for host in ("a:1", "[::1]", "c")]),
        ("postgresql:///d?host=a,b&port=5", ["postgresql:///d?host=a&port=5", "postgresql:///d?host=b&port=5"]),
        ("postgresql:///d?host=a,b&port=5,6", ["postgresql:///d?host=a&port=5", "postgresql:///d?host=b&port=6"]),
        ("postgresql:///d?host=a,b&port=5,6,7", ["postgresql:///d?host=a,b&port=5,6,7"]),
    ],
)
def test_address_of_several_servers_is_one_address_each(address: str, servers: list[str]) -> None:
    """With the options of all; what PostgreSQL's library refuses is left to it."""
    assert addresses_of_servers(address) == servers


async def test_mute_server_does_not_keep_others_from_being_found(tmp_path: Path) -> None:
    """The one that was found is tried first the next time."""
    with mute_server(tmp_path) as mute:
        servers = Servers(address_of(mute, shared_server().folder), has_pooler=False)
        for limit in (2.0, 0.2):
            began = time.monotonic()
            connection = await servers.connect(timeout=5)
            assert time.monotonic() - began < limit
            assert connection.server_started_at is not None
            connection.terminate()


async def test_refusal_is_raised_rather_than_silence(tmp_path: Path) -> None:
    """The server that answers knows more about what is wrong than the one that cannot be reached."""
    for folders in ((tmp_path, shared_server().folder), (shared_server().folder, tmp_path)):
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            await Servers(address_of(*folders).replace("/postgres?", "/nothing?"), has_pooler=False).connect(timeout=5)


@pytest.mark.slow
async def test_connection_to_a_server_that_was_replaced_ends() -> None:
    """Its use fails long before a statement would have taken too long, and the next one is with the new server."""
    with own_server() as primary, own_server(primary) as standby:
        database = await Database.connect(address_of(primary.folder, standby.folder), LIMITS)
        waiting = asyncio.create_task(database.use(lambda session: session.run_script("SELECT pg_sleep(60)")))
        await asyncio.sleep(0.2)
        primary.freeze()
        await standby.run("SELECT pg_promote()")
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await waiting
        assert time.monotonic() - began < NOTICED_SECONDS
        assert await database.value("server_version") > 0
        await database.close()


@pytest.mark.slow
async def test_long_use_of_the_server_that_writes_goes_on() -> None:
    """Only another server in its place ends it."""
    server = shared_server()
    database = await Database.connect(server.address("postgres"), LIMITS)
    await database.use(lambda session: session.run_script("SELECT pg_sleep(8)"))
    await database.close()


@pytest.mark.slow
async def test_store_goes_on_with_the_server_that_took_over() -> None:
    """Without a hand, while the old one is frozen with all its connections open."""
    with own_server() as primary, own_server(primary) as standby:
        store = await PostgresStore.open(address_of(primary.folder, standby.folder), limits=LIMITS)
        assert await store.counts() == {}
        primary.freeze()
        await standby.run("SELECT pg_promote()")
        deadline = time.monotonic() + 2 * NOTICED_SECONDS
        while True:
            try:
                assert await store.counts() == {}
                break
            except StoreUnavailable:
                assert time.monotonic() < deadline
        assert list(await store.problems()) == []
        await store.close()
