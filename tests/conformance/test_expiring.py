"""What every store promises about documents that expire."""

import pytest

from tests.conformance.rig import T0, Rig
from tiktok_forwarder.domain.errors import RevisionConflict
from tiktok_forwarder.store.expiring import MAX_OF_KIND, ExpiringDocument, ExpiringPut


async def _put(
    rig: Rig,
    document_id: str,
    body: bytes = b"",
    expected: int | None = None,
    until_ms: int = T0 + 10,
    now_ms: int = T0,
) -> None:
    await rig.store.put_expiring([ExpiringPut("session", document_id, body, until_ms, expected)], now_ms)


async def _ids(rig: Rig, now_ms: int = T0) -> list[str]:
    return [each.id for each in await rig.store.list_expiring("session", now_ms)]


async def test_expiring_document_comes_back_as_it_was_put(rig: Rig) -> None:
    """Over a restart; kinds do not mix."""
    await _put(rig, "a", b"\x00one", 0)
    await rig.reopen()
    assert await rig.store.get_expiring("session", "a", T0) == ExpiringDocument("session", "a", 1, b"\x00one", T0 + 10)
    assert await rig.store.get_expiring("login_link", "a", T0) is None
    assert await rig.store.list_expiring("login_link", T0) == []


async def test_document_is_missing_once_it_has_expired(rig: Rig) -> None:
    """Its last moment belongs to it. Another may have its ID then, and begins anew."""
    await _put(rig, "a", b"one", 0)
    assert await rig.store.get_expiring("session", "a", T0 + 10) is not None
    assert await _ids(rig, T0 + 10) == ["a"]
    assert await rig.store.get_expiring("session", "a", T0 + 11) is None
    assert await _ids(rig, T0 + 11) == []
    with pytest.raises(RevisionConflict):
        await _put(rig, "a", b"two", 1, T0 + 20, now_ms=T0 + 11)
    await _put(rig, "a", b"two", 0, T0 + 20, now_ms=T0 + 11)
    assert await rig.store.get_expiring("session", "a", T0 + 11) == ExpiringDocument("session", "a", 1, b"two", T0 + 20)


async def test_documents_are_listed_in_the_order_of_expiring(rig: Rig) -> None:
    """A document that was prolonged moves."""
    for document_id, until_ms in (("a", T0 + 1), ("b", T0 + 3), ("c", T0 + 2)):
        await _put(rig, document_id, until_ms=until_ms)
    assert await _ids(rig) == ["a", "c", "b"]
    await _put(rig, "a", until_ms=T0 + 4)
    assert await _ids(rig) == ["c", "b", "a"]


@pytest.mark.parametrize("expected", [0, 1, 3])
async def test_expiring_document_of_another_revision_is_not_changed(rig: Rig, expected: int) -> None:
    """Nor is one that was removed in the meantime made again; None puts whatever is stored."""
    await _put(rig, "a", b"one", 0)
    await _put(rig, "a", b"two", 1)
    with pytest.raises(RevisionConflict):
        await _put(rig, "a", b"mine", expected)
    found = await rig.store.get_expiring("session", "a", T0)
    assert (found.revision, found.body) == (2, b"two")
    await _put(rig, "a", b"three")
    await rig.store.remove_expiring("session", ["a"])
    with pytest.raises(RevisionConflict):
        await _put(rig, "a", b"mine", 3)
    assert await _ids(rig) == []


async def test_several_puts_are_all_or_none(rig: Rig) -> None:
    """One refusal leaves every document as it was."""
    await _put(rig, "a", b"one")
    puts = [ExpiringPut("session", "b", b"new", T0 + 10, 0), ExpiringPut("session", "a", b"changed", T0 + 10, 7)]
    with pytest.raises(RevisionConflict):
        await rig.store.put_expiring(puts, T0)
    assert [each.body for each in await rig.store.list_expiring("session", T0)] == [b"one"]


async def test_one_of_several_callers_removes_a_document(rig: Rig) -> None:
    """So that a link is used once."""
    await _put(rig, "a")
    await _put(rig, "b")
    removals = [rig.store.remove_expiring("session", ["a"]) for _ in range(4)]
    assert sorted(await rig.together(*removals)) == [0, 0, 0, 1]
    assert await rig.store.remove_expiring("session", ["a", "b", "c"]) == 1
    assert await rig.store.remove_expiring("session", []) == 0


async def test_one_of_several_callers_adds_a_document(rig: Rig) -> None:
    """And one of several changes it."""
    for expected in (0, 1):
        outcomes = await rig.together(*[_put(rig, "a", b"", expected) for _ in range(4)])
        assert sum(isinstance(outcome, RevisionConflict) for outcome in outcomes) == 3


async def test_kind_is_bounded(rig: Rig) -> None:
    """The document that expires first makes room; those of other kinds stay."""
    limit = MAX_OF_KIND["replay"]
    await _put(rig, "other")
    puts = [ExpiringPut("replay", str(number), b"", T0 + 1000 - number) for number in range(limit)]
    await rig.store.put_expiring(puts, T0)
    assert len(await rig.store.list_expiring("replay", T0)) == limit
    await rig.store.put_expiring([ExpiringPut("replay", "newest", b"", T0 + 2000)], T0)
    ids = [each.id for each in await rig.store.list_expiring("replay", T0)]
    assert len(ids) == limit and str(limit - 1) not in ids and ids[-1] == "newest"
    assert await _ids(rig) == ["other"]
