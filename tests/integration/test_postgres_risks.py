"""What a PostgreSQL server's settings risk, found on real servers with and without a standby."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.service_rig import Service, running_service
from tests.patience import wait_until
from tests.postgres_server import USER, OwnServer, own_server, shared_server
from tiktok_forwarder.store.postgres.store import PostgresStore

pytestmark = pytest.mark.slow


async def risks_on(address: str) -> list[str]:
    store = await PostgresStore.open(address)
    try:
        return [risk.name for risk in await store.risks()]
    finally:
        await store.close()


@asynccontextmanager
async def with_standby() -> AsyncIterator[tuple[OwnServer, OwnServer]]:
    with own_server() as primary, own_server(primary) as standby:
        await primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await primary.run("SELECT pg_reload_conf()")
        yield primary, standby


async def test_settings_of_a_database_are_found(empty_database: str) -> None:
    """The server of the tests makes no syncs and has no standby; the commit is the session's own setting."""
    assert await risks_on(empty_database) == ["fsync_off", "no_synchronous_standby"]
    name = empty_database.partition("?")[0].rpartition("/")[2]
    async with shared_server().connection() as connection:
        await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    assert await risks_on(empty_database) == ["fsync_off", "synchronous_commit_off", "no_synchronous_standby"]


async def test_synchronous_standby_that_is_waited_for_leaves_no_risk() -> None:
    """As soon as it is gone, or a commit does not wait for its disk, there is one again."""
    async with with_standby() as (primary, standby):
        await primary.run("CREATE ROLE forwarder LOGIN")
        await primary.run("CREATE DATABASE events OWNER forwarder")
        address = primary.address("events")
        # A role without rights does not see in which state a standby is.
        for user in ("forwarder", USER):
            assert await risks_on(address.replace(f"user={USER}", f"user={user}")) == []
        for value, risk in (("local", "standby_not_awaited"), ("remote_write", "standby_not_on_disk")):
            await primary.run(f"ALTER DATABASE events SET synchronous_commit = {value}")
            assert await risks_on(address) == [risk]
        await primary.run("ALTER DATABASE events SET synchronous_commit = local")
        standby.kill()
        assert await risks_on(address) == ["standby_not_awaited", "no_synchronous_standby"]


async def test_risks_are_shown_to_people(
    empty_database: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the status, which the console shows, in the metrics, and in the log when the service starts."""
    async with running_service(tmp_path, store=empty_database, log_format="json") as service:
        await service.add_connection()
        warnings = (await service.status())["warnings"]
        assert ["fsync = on" in warnings[0], "synchronous_standby_names" in warnings[1], len(warnings)] == [
            True,
            True,
            2,
        ]
        await wait_until(lambda: _is_counted(service))
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    risks = [line["risk"] for line in lines if line["event"] == "the event store may lose accepted events"]
    assert risks == ["fsync_off", "no_synchronous_standby"]


async def _is_counted(service: Service) -> bool:
    metrics = await service.metrics()
    risks = [f'tiktok_forwarder_store_risk{{risk="{name}"}} 1.0' for name in ("fsync_off", "no_synchronous_standby")]
    return all(risk in metrics for risk in risks)
