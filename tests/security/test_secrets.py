"""Access tokens and secrets at rest: unreadable in every file, and useless where they were moved or changed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.service_rig import (
    AUTHORIZATION,
    SECRET,
    TOKEN,
    Service,
    fresh_batch,
    running_service,
)
from tests.patience import wait_until
from tests.store_choice import STORES, stored_contents
from tiktok_forwarder.store.documents import DocumentKind
from tiktok_forwarder.store.sqlite.backup import back_up
from tiktok_sandbox import Sandbox

REPLACED = "a-token-that-was-replaced"


def places_with(data_dir: Path, text: str) -> list[str]:
    return [name for name, content in stored_contents(data_dir).items() if text.encode() in content]


async def fill_with_secrets(service: Service) -> list[str]:
    """Each kind of secret, also one that was replaced; return all of them."""
    await service.add_connection(access_token=REPLACED)
    changed = {"access_token": TOKEN}
    await service.services.connections.set("Shop", changed, expected_revision=None, changed_by="test")
    new = await service.services.inputs.rotate("shop", secret=None, authorization=None, changed_by="test")
    key = await service.services.api_keys.make("k", "admin", "test")
    given = [REPLACED, TOKEN, SECRET, AUTHORIZATION, key.key]
    return [*given, *(secret for secret in (new.secret, new.authorization) if secret is not None)]


@pytest.mark.both_stores
async def test_no_file_and_no_table_holds_a_secret(tmp_path: Path) -> None:
    """Neither what was given nor what was replaced, in the database, its log or the activity."""
    async with running_service(tmp_path, log_level="error") as service:
        secrets = await fill_with_secrets(service)
        assert len(secrets) == 7
        for secret in secrets:
            assert places_with(tmp_path, secret) == []
    assert places_with(tmp_path, TOKEN) == []
    key_text = (tmp_path / "encryption.key").read_text().strip()
    assert places_with(tmp_path, key_text) == ["encryption.key"]


@pytest.mark.sqlite_files("only an SQLite file is backed up here")
async def test_no_backup_holds_a_secret(tmp_path: Path) -> None:
    """The key is not in it either."""
    async with running_service(tmp_path / "data", log_level="error") as service:
        secrets = await fill_with_secrets(service)
        back_up(tmp_path / "data" / "events.db", tmp_path / "copy.db")
    copy = (tmp_path / "copy.db").read_bytes()
    key_text = (tmp_path / "data" / "encryption.key").read_text().strip()
    assert [secret for secret in [*secrets, key_text] if secret.encode() in copy] == []


async def test_only_the_owner_can_read_what_is_on_disk(tmp_path: Path) -> None:
    """Every file of the data directory, and the directory itself."""
    async with running_service(tmp_path / "data", log_level="error") as service:
        await service.add_connection()
        found = dict(_modes(tmp_path / "data"))
    assert {"encryption.key", "admin.sock", "forwarder.lock"} <= set(found)
    assert {"activity.db", "events.db", "events.db-wal"} <= set(found) or STORES.tables(tmp_path / "data")
    assert {name: oct(mode) for name, mode in found.items() if mode & 0o077} == {}


def _modes(folder: Path) -> Iterator[tuple[str, int]]:
    yield ".", folder.stat().st_mode & 0o777
    for each in folder.iterdir():
        yield each.name, each.stat().st_mode & 0o777


async def swap_tokens(service: Service) -> None:
    """As somebody could who may write the database, but has not the key: each connection gets the other's token."""
    first, second = await service.services.store.list_documents("connection")
    one, two = (each.body[each.body.index(b"v1.") : each.body.rindex(b'"')] for each in (first, second))
    swapped = {first.id: first.body.replace(one, two), second.id: second.body.replace(two, one)}
    kinds: tuple[DocumentKind, ...] = ("connection",)
    await service.services.store.rewrite_documents(kinds, lambda document: swapped[document.id])


async def is_paused(service: Service) -> bool:
    deliveries = [each["delivery"] for each in (await service.status())["connections"]]
    return all(delivery and delivery["condition"] == "paused" for delivery in deliveries)


@pytest.mark.slow
@pytest.mark.both_stores
async def test_swapped_tokens_open_nothing(tmp_path: Path) -> None:
    """Both connections are paused with their events kept, and no request leaves; a new token resumes."""
    async with running_service(tmp_path, log_level="error") as service:
        await service.add_connection("First", access_token="token-of-the-first-1")
        await service.add_connection("Second", access_token="token-of-the-second")
        await swap_tokens(service)
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
