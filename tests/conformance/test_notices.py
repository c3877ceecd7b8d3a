"""What every store promises about incidents and notices."""

from collections.abc import Sequence

import pytest

from tests.conformance.rig import HOUR, T0, Rig
from tiktok_forwarder.store.notices import KEPT_MS, MAX_NOTICES, StoredIncident, StoredNotice

PAUSED = StoredIncident("connection_paused", "cn_1", T0, b"\x00body")


def notice(notice_id: str, created_at_ms: int = T0, due_ms: int = T0) -> StoredNotice:
    return StoredNotice(notice_id, "nr_1", created_at_ms, b"\x00body", due_ms=due_ms)


async def ids(rig: Rig, limit: int = 10) -> list[str]:
    return [each.id for each in await rig.store.notices(limit)]


async def due(rig: Rig, now_ms: int = T0) -> list[str]:
    return [each.id for each in await rig.store.due_notices(now_ms)]


async def test_incident_is_opened_once_with_its_notices(rig: Rig) -> None:
    """A second finder stores nothing, so that each notice is sent once; both outlast a restart."""
    assert await rig.store.open_incident(PAUSED, [notice("one")])
    assert not await rig.store.open_incident(PAUSED, [notice("two")])
    await rig.reopen()
    if rig.is_durable:
        assert list(await rig.store.incidents()) == [PAUSED]
        assert list(await rig.store.notices(10)) == [notice("one")]
        assert await rig.store.notice("one") == notice("one")
    assert await rig.store.notice("two") is None


async def test_one_of_several_callers_opens_and_closes_an_incident(rig: Rig) -> None:
    """Nodes that find the same at the same time store one set of notices."""
    opened = await rig.together(*[rig.store.open_incident(PAUSED, [notice(f"open{n}")]) for n in range(4)])
    assert sorted(opened) == [False, False, False, True]
    closed = await rig.together(
        *[rig.store.close_incident(PAUSED.kind, PAUSED.subject, [notice(f"over{n}")]) for n in range(4)]
    )
    assert sorted(closed) == [False, False, False, True]
    assert await rig.store.incidents() == []
    assert [each[:4] for each in await ids(rig)] == ["over", "open"]


async def test_incident_remembers_since_when_it_is_away(rig: Rig) -> None:
    """Another process closes it as early as this one would have."""
    await rig.store.open_incident(PAUSED, [])
    for away_since_ms in (T0 + 5, None, T0 + 9):
        await rig.store.mark_incident(PAUSED.kind, PAUSED.subject, away_since_ms)
        (found,) = await rig.store.incidents()
        assert found.away_since_ms == away_since_ms
    await rig.store.mark_incident("dead_letters", "cn_1", T0)
    assert len(await rig.store.incidents()) == 1


async def test_incidents_of_one_subject_are_apart(rig: Rig) -> None:
    """Kind and subject together identify an incident; they are listed in the order of opening."""
    later = StoredIncident("dead_letters", "cn_1", T0 + 1, b"")
    for incident in (later, PAUSED):
        assert await rig.store.open_incident(incident, [])
    assert list(await rig.store.incidents()) == [PAUSED, later]
    assert await rig.store.close_incident("connection_paused", "cn_1", [])
    assert list(await rig.store.incidents()) == [later]


async def test_notice_is_due_until_it_is_settled(rig: Rig) -> None:
    """A failed attempt is due again at its time; what was sent or given up is not."""
    await rig.store.add_notices([notice("a"), notice("b", due_ms=T0 + 10), notice("c")])
    assert await due(rig) == ["a", "c"]
    assert await due(rig, T0 + 10) == ["a", "b", "c"]
    retried = StoredNotice("a", "nr_1", T0, b"\x00body", "waiting", T0 + 20, 1, "no answer in time")
    sent = StoredNotice("c", "nr_1", T0, b"\x00body", "sent", 0, 1, "", T0 + 1)
    failed = StoredNotice("b", "nr_1", T0, b"\x00body", "failed", 0, 3, "the recipient was removed", T0 + 2)
    for settled in (retried, sent, failed):
        await rig.store.settle_notice(settled)
    assert await due(rig, T0 + 19) == []
    assert await due(rig, T0 + 20) == ["a"]
    assert list(await rig.store.notices(10)) == [sent, failed, retried]
    await rig.store.settle_notice(notice("unknown"))
    assert await ids(rig) == ["c", "b", "a"]


async def test_notice_that_is_stored_already_stays(rig: Rig) -> None:
    """What was kept in memory while the store could not be used is stored once."""
    await rig.store.add_notices([notice("a", due_ms=T0 + 7)])
    await rig.store.add_notices([notice("a"), notice("b")])
    assert await ids(rig) == ["b", "a"]
    assert (await rig.store.notice("a")).due_ms == T0 + 7
    assert await ids(rig, 1) == ["b"]


async def test_old_notices_are_deleted_and_the_unsent_are_returned(rig: Rig) -> None:
    """24 hours after they were created; the caller reports what nobody got."""
    old: Sequence[StoredNotice] = [notice("sent"), notice("unsent")]
    await rig.store.add_notices([*old, notice("new", T0 + HOUR)])
    await rig.store.settle_notice(StoredNotice("sent", "nr_1", T0, b"", "sent", 0, 1, "", T0))
    assert list(await rig.store.delete_old_notices(T0 + KEPT_MS)) == []
    assert list(await rig.store.delete_old_notices(T0 + KEPT_MS + 1)) == [notice("unsent")]
    assert await ids(rig) == ["new"]
    assert list(await rig.store.delete_old_notices(T0 + KEPT_MS + 1)) == []


@pytest.mark.parametrize("sent", [MAX_NOTICES - 1, 0])
async def test_notices_are_bounded_and_those_that_wait_stay_longest(rig: Rig, sent: int) -> None:
    """A storm of incidents fills no disk, and the table of what was sent makes room first."""
    await rig.store.add_notices([notice("waiting")])
    done = [StoredNotice(f"n{n}", "nr_1", T0, b"", "sent" if n < sent else "waiting") for n in range(MAX_NOTICES - 1)]
    await rig.store.add_notices(done)
    await rig.store.add_notices([notice("last"), notice("newest")])
    kept = await ids(rig, 2 * MAX_NOTICES)
    assert (len(kept), kept[:2]) == (MAX_NOTICES, ["newest", "last"])
    assert ("waiting" in kept) == bool(sent)
