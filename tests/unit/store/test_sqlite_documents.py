"""Documents in the default store: what a rewrite of their bodies leaves in its files."""

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.conformance.rig import T0
from tiktok_forwarder.store.sqlite import file as sqlite_file
from tiktok_forwarder.store.sqlite.store import SqliteStore

OLD, NEW = b"sealed-with-the-old-key", b"sealed-with-the-new-key"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A store with a document of two revisions."""
    opened = SqliteStore.open(tmp_path / "events.db")
    for _ in range(2):
        await opened.put_document("connection", "c", OLD, expected_revision=None, changed_by="test", now_ms=T0)
    yield opened
    await opened.close()


def _content(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir() if file.name.startswith("events.db"))


async def _bodies(store: SqliteStore) -> list[bytes]:
    return [each.body for each in await store.document_history("connection", "c")]


async def test_rewritten_bodies_are_beyond_recovery(store: SqliteStore, tmp_path: Path) -> None:
    """After a rotation of the key nothing sealed with the old one is left, neither in the database nor in its log."""
    assert OLD in _content(tmp_path)
    await store.rewrite_documents(["connection"], lambda _: NEW)
    assert await _bodies(store) == [NEW, NEW]
    content = _content(tmp_path)
    assert NEW in content and OLD not in content


async def test_rewrite_beside_a_long_read_is_done_all_the_same(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read keeps the log for a while; the rewrite counts, and the next one cleans up."""
    monkeypatch.setattr(sqlite_file, "BUSY_MS", 10)
    with closing(apsw.Connection(str(tmp_path / "events.db"))) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM waiting").fetchall()
        await store.rewrite_documents(["connection"], lambda _: NEW)
    assert await _bodies(store) == [NEW, NEW]
    await store.rewrite_documents(["connection"], lambda document: document.body)
    assert OLD not in _content(tmp_path)
