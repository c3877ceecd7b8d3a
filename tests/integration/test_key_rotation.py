"""Changing the encryption key of a service that is in use, and of one that is killed meanwhile."""

import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_rig import BASIC, TOKEN, Service, basic, fresh_batch, running_service
from tests.store_choice import stored_contents
from tests.unit.cli.running import Run
from tiktok_forwarder.domain.errors import SecretUnreadable
from tiktok_forwarder.secrets.key_ring import KeyRing
from tiktok_sandbox import Sandbox


def key_ids_in(data_dir: Path) -> set[bytes]:
    """Of the sealed texts in every file of the directory, and in its database."""
    contents = b"".join(stored_contents(data_dir).values())
    return {part[:12] for part in contents.split(b"v1.")[1:] if part[12:13] == b"."}


async def history(service: Service) -> Any:
    return await service.services.connections.history("Shop")


@pytest.mark.slow
@pytest.mark.both_stores
async def test_keys_change_under_load_without_a_refused_request(tmp_path: Path) -> None:
    """Every request is answered 202 and delivered; then no file holds a text of an old key."""
    async with (
        Sandbox(grants={TOKEN: ["PIXELSHOP"]}) as sandbox,
        running_service(tmp_path, sandbox.url, log_level="error") as service,
    ):
        await service.add_connection()
        await service.services.connections.set(
            "Shop", {"access_token": "another-token-0123"}, expected_revision=None, changed_by="ann"
        )
        await service.services.connections.set(
            "Shop", {"access_token": TOKEN}, expected_revision=None, changed_by="ann"
        )
        rotated = await service.services.inputs.rotate("shop", secret=None, authorization=None, changed_by="ann")
        secrets = (BASIC, basic(rotated.key, rotated.secret))
        before, key_ids = await history(service), [key_ids_in(tmp_path)]
        statuses: list[int] = []
        ended = asyncio.Event()

        async def keep_sending(sender: int) -> None:
            while not ended.is_set():
                batch = fresh_batch(f"s{sender}-{len(statuses)}")
                statuses.append((await service.post(body=batch, headers=secrets[sender % 2])).status)

        sending = [asyncio.create_task(keep_sending(sender)) for sender in range(4)]
        for _ in range(5):
            await service.services.key_rotation.rotate()
            key_ids.append(key_ids_in(tmp_path))
            await asyncio.sleep(0.05)
        ended.set()
        await asyncio.gather(*sending)
        assert len(statuses) > 20
        assert set(statuses) == {202}
        assert await history(service) == before
        await service.until_delivered(sandbox, len(statuses))
    assert [len(each) for each in key_ids] == [1] * 6
    assert len(set.union(*key_ids)) == 6
    async with running_service(tmp_path, log_level="error") as service:
        assert (await service.post(body=fresh_batch("after"))).status == 202


class Killed(Exception):
    """Stands for the end of the process at this point."""


async def killed_in(data_dir: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, after: bool) -> None:
    """A rotation that ends before or after this step, and nothing of its clean-up."""

    def killed(*arguments: Any) -> Any:
        if after:
            step(*arguments)
        raise Killed

    async def killed_later(*arguments: Any) -> None:
        if after:
            await step(*arguments)
        raise Killed

    async with running_service(data_dir, log_level="error") as service:
        if service.services.connections.find("Shop") is None:
            await service.add_connection()
        part = type(service.services.store) if name == "rewrite_documents" else KeyRing
        step = getattr(part, name)
        with monkeypatch.context() as patched:
            patched.setattr(part, name, killed_later if inspect.iscoroutinefunction(step) else killed)
            with pytest.raises(Killed):
                await service.services.key_rotation.rotate()


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("begin", True),
        ("rewrite_documents", False),
        ("rewrite_documents", True),
        ("use", True),
        ("finish", False),
        ("finish", True),
    ],
)
@pytest.mark.both_stores
async def test_a_change_cut_short_is_done_or_not_begun(
    name: str, after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever came last, the next start opens every secret, and the key can be changed again."""
    await killed_in(tmp_path, monkeypatch, name, after=after)
    async with running_service(tmp_path, log_level="error") as service:
        connection = service.services.connections.find("Shop")
        assert connection is not None
        assert service.services.connections.access_token(connection.id) == TOKEN
        assert (await service.post(body=fresh_batch("m1"))).status == 202
        assert len(key_ids_in(tmp_path)) == 1
        await service.services.key_rotation.rotate()
        assert service.services.connections.access_token(connection.id) == TOKEN
        assert not (tmp_path / "encryption.key.next").exists()


async def test_a_record_that_was_tampered_with_stops_the_change(tmp_path: Path) -> None:
    """It is named, and nothing was changed: the other secrets open as before."""
    async with running_service(tmp_path, log_level="error") as service:
        first, second = await service.add_connection("First"), await service.add_connection("Second")
        store = service.services.store
        documents = {each.id: each for each in await store.list_documents("connection")}
        mixed = documents[second].body
        await store.put_document("connection", first, mixed, expected_revision=None, changed_by="eve", now_ms=1)
        before = key_ids_in(tmp_path)
        with pytest.raises(SecretUnreadable, match=first):
            await service.services.key_rotation.rotate()
        assert key_ids_in(tmp_path) == before
        assert service.services.connections.access_token(second) == TOKEN


def test_the_command_prints_the_new_key_id(run: Run, tmp_path: Path) -> None:
    """And counts what was encrypted again; the backups' need of the old key is told."""
    assert run("inputs", "add", "--name", "shop", "--data-dir", tmp_path)[0] == 0
    status, out, err = run("keys", "rotate", "--data-dir", tmp_path)
    assert status == 0
    assert '"secrets": 3' in out
    assert "backup" in err
    assert run("inputs", "list", "--data-dir", tmp_path)[0] == 0
