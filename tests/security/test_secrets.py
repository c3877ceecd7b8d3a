"""Access tokens and secrets at rest: unreadable in every file, and useless where they were moved or changed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.service_rig import (
    AUTHORIZATION,
    SECRET,
    TOKEN,
    Service,
    fresh_batch,
    running_service,
    wait_until,
)
from tiktok_forwarder.store.sqlite.backup import back_up
from tiktok_sandbox import Sandbox


def files_with(folder: Path, text: str) -> list[str]:
    return [each.name for each in folder.rglob("*") if each.is_file() and text.encode() in each.read_bytes()]


async def test_no_file_and_no_backup_holds_a_secret(tmp_path: Path) -> None:
    """Neither what was given nor what was replaced, in the database, its log, the activity or a backup."""
    replaced = "a-token-that-was-replaced"
    data_dir = tmp_path / "data"
    async with running_service(data_dir, log_level="error") as service:
        await service.add_connection(access_token=replaced)
        changed = {"access_token": TOKEN}
        await service.services.connections.set("Shop", changed, expected_revision=None, changed_by="test")
        new = await service.services.inputs.rotate("shop", secret=None, authorization=None, changed_by="test")
        key = await service.services.api_keys.make("k", "admin", "test")
        back_up(data_dir / "events.db", tmp_path / "copy.db")
        for secret in (replaced, TOKEN, SECRET, AUTHORIZATION, new.secret, new.authorization, key.key):
            assert files_with(tmp_path, secret) == []
    assert files_with(tmp_path, TOKEN) == []
    key_text = (data_dir / "encryption.key").read_text().strip()
    assert files_with(tmp_path, key_text) == ["encryption.key"]


async def test_only_the_owner_can_read_what_is_on_disk(tmp_path: Path) -> None:
    """Every file of the data directory, and the directory itself."""
    async with running_service(tmp_path / "data", log_level="error") as service:
        await service.add_connection()
        found = dict(_modes(tmp_path / "data"))
    assert {"events.db", "events.db-wal", "activity.db", "encryption.key", "admin.sock", "forwarder.lock"} <= set(found)
    assert {name: oct(mode) for name, mode in found.items() if mode & 0o077} == {}


def _modes(folder: Path) -> Iterator[tuple[str, int]]:
    yield ".", folder.stat().st_mode & 0o777
    for each in folder.iterdir():
        yield each.name, each.stat().st_mode & 0o777


def swap_bodies(database: Path) -> None:
    """As somebody could who may write the file, but has not the key: each connection gets the other's token."""
    with closing(sqlite3.connect(database)) as connection:
        (one, first), (two, second) = connection.execute("SELECT id, body FROM documents WHERE kind = 'connection'")
        tokens = [body[body.index(b"v1.") : body.rindex(b'"')] for body in (first, second)]
        for document_id, body, old, new in ((one, first, *tokens), (two, second, *reversed(tokens))):
            connection.execute("UPDATE documents SET body = ? WHERE id = ?", (body.replace(old, new), document_id))
        connection.commit()


async def is_paused(service: Service) -> bool:
    deliveries = [each["delivery"] for each in (await service.status())["connections"]]
    return all(delivery and delivery["condition"] == "paused" for delivery in deliveries)


@pytest.mark.slow
async def test_swapped_tokens_open_nothing(tmp_path: Path) -> None:
    """Both connections are paused with their events kept, and no request leaves; a new token resumes."""
    async with running_service(tmp_path, log_level="error") as service:
        await service.add_connection("First", access_token="token-of-the-first-1")
        await service.add_connection("Second", access_token="token-of-the-second")
    swap_bodies(tmp_path / "events.db")
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url, log_level="error") as service:
        assert (await service.post(body=fresh_batch("e1"))).status == 202

        async def paused() -> bool:
            return await is_paused(service)

        await wait_until(paused)
        assert sandbox.requests() == []
        assert await service.waiting() == 2
        for name in ("First", "Second"):
            changed = {"access_token": TOKEN}
            await service.services.connections.set(name, changed, expected_revision=None, changed_by="test")
        await service.until_delivered(sandbox, 2)
