"""What every store promises about documents."""

import pytest

from tests.conformance.rig import T0, Rig
from tiktok_forwarder.domain.errors import RevisionConflict
from tiktok_forwarder.store.documents import Document


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
    changes = [("connection", "2", b"new", 0), ("connection", "1", b"changed", 7)]
    with pytest.raises(RevisionConflict):
        await rig.store.put_documents(changes, changed_by="ann", now_ms=T0)
    assert [each.body for each in await rig.store.list_documents("connection")] == [b"one"]
    changes[1] = ("connection", "1", b"changed", 1)
    assert [each.revision for each in await rig.store.put_documents(changes, changed_by="ann", now_ms=T0)] == [1, 2]


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
