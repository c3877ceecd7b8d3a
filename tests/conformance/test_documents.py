"""What every store promises about documents."""

import asyncio
import time

import pytest

from tests.conformance.rig import T0, Rig
from tiktok_forwarder.domain.errors import DocumentsChanged, RevisionConflict
from tiktok_forwarder.store.documents import Document, DocumentKind, DocumentPut


async def _put(rig: Rig, document_id: str, body: bytes, expected: int | None = None, now_ms: int = T0) -> Document:
    document: Document = await rig.store.put_document(
        "connection", document_id, body, expected_revision=expected, changed_by="ann", now_ms=now_ms
    )
    return document


async def test_document_comes_back_as_it_was_put(rig: Rig) -> None:
    """With its revision, over a restart; kinds do not mix."""
    await _put(rig, "1", b"one", expected=0)
    await rig.reopen()
    assert await rig.store.get_document("connection", "1") == Document("connection", "1", 1, b"one", T0, "ann")
    assert await rig.store.get_document("input", "1") is None
    assert await rig.store.list_documents("input") == []


async def test_documents_are_listed_in_order_of_creation(rig: Rig) -> None:
    """A change does not move one."""
    for document_id in ("b", "a", "c"):
        await _put(rig, document_id, b"")
    await _put(rig, "b", b"changed")
    assert [each.id for each in await rig.store.list_documents("connection")] == ["b", "a", "c"]


@pytest.mark.parametrize("expected", [0, 1, 3])
async def test_change_of_another_revision_is_refused(rig: Rig, expected: int) -> None:
    """Somebody else was faster; None overwrites all the same."""
    await _put(rig, "1", b"one")
    await _put(rig, "1", b"two", expected=1)
    with pytest.raises(RevisionConflict):
        await _put(rig, "1", b"mine", expected=expected)
    assert (await _put(rig, "1", b"three")).revision == 3


async def test_several_changes_are_all_or_none(rig: Rig) -> None:
    """One refusal leaves every document as it was."""
    await _put(rig, "1", b"one")
    puts = [DocumentPut("connection", "2", b"new", 0), DocumentPut("connection", "1", b"changed", 7)]
    with pytest.raises(RevisionConflict):
        await rig.store.put_documents(puts, changed_by="ann", now_ms=T0)
    assert [each.body for each in await rig.store.list_documents("connection")] == [b"one"]
    puts[1] = DocumentPut("connection", "1", b"changed", 1)
    assert [each.revision for each in await rig.store.put_documents(puts, changed_by="ann", now_ms=T0)] == [1, 2]


async def test_history_keeps_every_revision_and_removal(rig: Rig) -> None:
    """Who and when; a document made again goes on from there."""
    await _put(rig, "1", b"one", now_ms=T0)
    await _put(rig, "1", b"two", now_ms=T0 + 1)
    assert await rig.store.remove_document("connection", "1", changed_by="bob", now_ms=T0 + 2)
    assert not await rig.store.remove_document("connection", "1", changed_by="bob", now_ms=T0 + 3)
    assert await rig.store.get_document("connection", "1") is None
    await _put(rig, "1", b"three", expected=0, now_ms=T0 + 4)
    await rig.reopen()
    history = [(each.revision, each.body, each.changed_at_ms, each.changed_by) for each in await _history(rig)]
    assert history == [
        (1, b"one", T0, "ann"),
        (2, b"two", T0 + 1, "ann"),
        (3, b"", T0 + 2, "bob"),
        (4, b"three", T0 + 4, "ann"),
    ]


async def _history(rig: Rig) -> list[Document]:
    return list(await rig.store.document_history("connection", "1"))


async def test_rewriting_is_no_change_of_a_document(rig: Rig) -> None:
    """Bodies of the kinds named say the same in other bytes, in the history too; revisions and names stay."""
    await _put(rig, "1", b"one", now_ms=T0)
    await _put(rig, "1", b"two", now_ms=T0 + 1)
    await rig.store.put_document("input", "1", b"one", expected_revision=0, changed_by="ann", now_ms=T0)
    await rig.store.rewrite_documents(["connection"], lambda document: document.body.upper())
    await rig.reopen()
    assert await rig.store.get_document("connection", "1") == Document("connection", "1", 2, b"TWO", T0 + 1, "ann")
    assert [each.body for each in await rig.store.document_history("connection", "1")] == [b"ONE", b"TWO"]
    assert [each.body for each in await rig.store.list_documents("input")] == [b"one"]


# --- the numbers of changes ---


async def test_changes_are_listed_after_a_number_in_their_order(rig: Rig) -> None:
    """Each document once, removed ones too; audit entries, which no process keeps, are not listed."""
    await _put(rig, "0", b"one")
    seen = (await rig.store.changes(None, 0)).last
    assert (await rig.store.changes(seen, 0)).changed == ()
    puts = [DocumentPut("user", "2", b"one"), DocumentPut("user", "1", b"one")]
    await rig.store.put_documents(puts, changed_by="ann", now_ms=T0)
    await _put(rig, "0", b"two")
    await rig.store.put_document("audit", "1", b"one", expected_revision=0, changed_by="ann", now_ms=T0)
    await rig.store.remove_document("user", "2", changed_by="ann", now_ms=T0)
    found = await rig.store.changes(seen, 0)
    assert sorted(found.changed) == [("connection", "0"), ("user", "1"), ("user", "2")]
    assert found.changed.index(("user", "1")) < found.changed.index(("connection", "0"))
    assert found.last > seen
    for after in (found.last, None):
        nothing = await rig.store.changes(after, 0)
        assert (nothing.last, nothing.changed, nothing.server) == (found.last, (), found.server)


async def test_rewritten_documents_are_changed(rig: Rig) -> None:
    """Their copies in memory say the same in old bytes, which a changed key does not open any more."""
    await _put(rig, "1", b"one")
    await _put(rig, "2", b"two")
    await rig.store.put_document("input", "1", b"one", expected_revision=0, changed_by="ann", now_ms=T0)
    seen = (await rig.store.changes(None, 0)).last
    await rig.store.rewrite_documents(["connection"], lambda document: document.body.upper())
    assert sorted((await rig.store.changes(seen, 0)).changed) == [("connection", "1"), ("connection", "2")]


async def test_waiting_ends_with_the_first_change(rig: Rig) -> None:
    """Within a second, and when the time is up without one."""
    seen = (await rig.store.changes(None, 60)).last
    assert (await rig.store.changes(seen, 0.02)).changed == ()
    waiting = asyncio.create_task(rig.store.changes(seen, 60))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    started = time.monotonic()
    await _put(rig, "1", b"one")
    assert (await waiting).changed == (("connection", "1"),)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("kind", ["connection", "input", "user", "api_key"])
async def test_change_on_an_outdated_view_is_refused(rig: Rig, kind: DocumentKind) -> None:
    """Whatever of the configuration has changed, by a put, a removal or a rewriting: nothing is put or removed."""
    await _put(rig, "1", b"one")
    for _ in range(3):
        seen = (await rig.store.changes(None, 0)).last
        if await rig.store.get_document(kind, "x") is None:
            await rig.store.put_document(kind, "x", b"x", expected_revision=0, changed_by="bob", now_ms=T0)
        elif (await rig.store.get_document(kind, "x")).body == b"x":
            await rig.store.rewrite_documents([kind], lambda document: document.body.upper())
        else:
            await rig.store.remove_document(kind, "x", changed_by="bob", now_ms=T0)
        with pytest.raises(DocumentsChanged):
            await _put_as_of(rig, seen)
        with pytest.raises(DocumentsChanged):
            await rig.store.remove_document("connection", "1", changed_by="ann", now_ms=T0, as_of=seen)
    assert [each.revision for each in await rig.store.list_documents("connection") if each.id == "1"] == [1]
    await _put_as_of(rig, (await rig.store.changes(None, 0)).last)
    assert await rig.store.remove_document(
        "connection", "1", changed_by="ann", now_ms=T0, as_of=(await rig.store.changes(None, 0)).last
    )


async def test_state_of_delivery_outdates_no_view(rig: Rig) -> None:
    """The service itself changes it at any time, and no rule of the configuration is about it."""
    seen = (await rig.store.changes(None, 0)).last
    await rig.store.put_document("delivery_state", "1", b"", expected_revision=0, changed_by="service", now_ms=T0)
    await _put_as_of(rig, seen)
    assert [each.body for each in await rig.store.list_documents("connection")] == [b"mine"]


async def test_one_of_two_changes_on_the_same_view_is_made(rig: Rig) -> None:
    """Also if they are about different documents: together they may break a rule."""
    seen = (await rig.store.changes(None, 0)).last
    outcomes = await rig.together(*[_put_as_of(rig, seen, document_id) for document_id in "abcde"])
    assert sum(isinstance(outcome, DocumentsChanged) for outcome in outcomes) == 4
    assert len(await rig.store.list_documents("connection")) == 1


async def _put_as_of(rig: Rig, seen: int, document_id: str = "1") -> None:
    await rig.store.put_documents(
        [DocumentPut("connection", document_id, b"mine")], changed_by="ann", now_ms=T0, as_of=seen
    )
