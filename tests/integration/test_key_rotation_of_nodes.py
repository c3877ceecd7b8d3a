"""Rotating the encryption key of a database that two nodes use, each with a key file of its own."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.service_rig import TOKEN, Service, running_service
from tests.patience import wait_until
from tiktok_forwarder.domain.errors import ConfigurationError

pytestmark = pytest.mark.slow


@asynccontextmanager
async def two_nodes(store: str, folder: Path) -> AsyncIterator[tuple[Service, Service]]:
    one, two = folder / "one", folder / "two"
    async with running_service(one, store=store, log_level="error") as first:
        if not two.exists():
            await first.add_connection()
            two.mkdir(mode=0o700)
            shutil.copyfile(one / "encryption.key", two / "encryption.key")
        async with running_service(two, store=store, log_level="error") as second:
            yield first, second


def key_of(node: Service) -> str:
    return node.application.base.key_ring.key_id


async def test_rotation_waits_until_each_node_has_the_next_key(empty_database: str, tmp_path: Path) -> None:
    """Then all nodes go over to it without a restart, and their key files hold it."""
    next_file = tmp_path / "one" / "encryption.key.next"
    async with two_nodes(empty_database, tmp_path) as (first, second):
        before = key_of(first)
        for _ in range(2):
            with pytest.raises(ConfigurationError, match=r"another node uses this store without the next key") as told:
                await first.services.key_rotation.rotate()
            assert str(next_file) in str(told.value)
        assert key_of(first) == key_of(second) == before
        shutil.copyfile(next_file, tmp_path / "two" / next_file.name)
        await wait_until(lambda: _has_announced_two_keys(second))
        rotation = await first.services.key_rotation.rotate()
        assert rotation.key_id == key_of(first) != before
        await wait_until(lambda: _has_only_key(second, rotation.key_id))
        (connection,) = second.services.connections.all()
        assert second.services.connections.access_token(connection.id) == TOKEN
        added = await second.services.connections.add(
            {"name": "New", "pixel_id": "PIXELNEW", "access_token": "another-token-0123"}, "test"
        )
        assert second.services.connections.access_token(added.id) == "another-token-0123"
    keys = {(tmp_path / name / "encryption.key").read_text() for name in ("one", "two")}
    assert len(keys) == 1
    assert not any((tmp_path / name / next_file.name).exists() for name in ("one", "two"))
    async with two_nodes(empty_database, tmp_path) as (first, second):
        assert {key_of(first), key_of(second)} == {rotation.key_id}
        for node in (first, second):
            assert node.services.connections.access_token(added.id) == "another-token-0123"


async def test_change_on_a_node_that_has_not_noticed_the_rotation_is_sealed_with_the_new_key(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other node has dropped the old key by then."""
    async with two_nodes(empty_database, tmp_path) as (first, second):
        for name in ("one", "two"):
            (tmp_path / name / "encryption.key.next").write_text("11" * 32)
        await wait_until(lambda: _has_announced_two_keys(second))
        with monkeypatch.context() as patched:
            patched.setattr(second.services.key_rotation, "follow", _learn_nothing)
            patched.setattr(second.services.connections._shared, "catch_up", _learn_nothing)
            rotation = await first.services.key_rotation.rotate()
            added = await second.services.connections.add(
                {"name": "Late", "pixel_id": "PIXELLATE", "access_token": "late-token-0123456"}, "test"
            )
        await wait_until(lambda: _has_only_key(second, rotation.key_id))
    async with two_nodes(empty_database, tmp_path) as nodes:
        for node in nodes:
            assert node.services.connections.access_token(added.id) == "late-token-0123456"


async def _learn_nothing() -> None:
    return


async def _has_announced_two_keys(node: Service) -> bool:
    base = node.application.base
    return len(base.key_ring.key_ids) == 2 and await base.store.count_nodes_without(base.key_ring.key_ids[1]) == 0


async def _has_only_key(node: Service, key_id: str) -> bool:
    return node.application.base.key_ring.key_ids == [key_id]


async def test_node_alone_rotates_in_one_step(empty_database: str, tmp_path: Path) -> None:
    """A node that has ended does not count; it needs the key at its next start."""
    async with two_nodes(empty_database, tmp_path):
        pass
    async with running_service(tmp_path / "one", store=empty_database, log_level="error") as first:
        before = key_of(first)
        await first.services.key_rotation.rotate()
        assert key_of(first) != before
    with pytest.raises(ConfigurationError, match="encrypted with key"):
        async with running_service(tmp_path / "two", store=empty_database, log_level="error"):
            await asyncio.sleep(0)
