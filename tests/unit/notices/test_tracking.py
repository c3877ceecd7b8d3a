"""When an incident begins and is over, and that each is reported once."""

import pytest

from tests.unit.notices.rig import NoticeRig, found, paused
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.notices import StoredIncident

FULL = found("store_problem", "full", facts={"remedy": "free space"})
NONE = found("store_problem", facts={})


async def test_incident_is_reported_once_when_it_begins_and_once_when_it_is_over() -> None:
    """However often it is found, and by whichever process."""
    rig = NoticeRig()
    await rig.add()
    for tracker in (rig.tracker, rig.tracker, rig.new_tracker()):
        await tracker.follow(paused("cn_1"))
        await rig.send()
    assert rig.sent == [("Ops", "incident.opened")]
    await rig.tracker.follow(paused())
    rig.later(61)
    await rig.new_tracker().follow(paused())
    await rig.send()
    assert rig.sent == [("Ops", "incident.opened"), ("Ops", "incident.closed")]
    assert await rig.store.incidents() == []
    assert rig.observer.events == [
        ("begun", "connection_paused", "cn_1"),
        ("sent", "slack"),
        ("over", "connection_paused", "cn_1"),
        ("sent", "slack"),
    ]


async def test_incident_that_comes_and_goes_is_reported_once() -> None:
    """It is over only when it has been away for the whole time; a pause that returns every minute is one incident."""
    rig = NoticeRig()
    await rig.add()
    for _ in range(10):
        await rig.tracker.follow(paused("cn_1"))
        rig.later(30)
        await rig.tracker.follow(paused())
        rig.later(55)
        await rig.tracker.follow(paused())
    await rig.send()
    assert rig.sent == [("Ops", "incident.opened")]


async def test_other_kinds_of_incidents_are_not_over() -> None:
    """A finder that has not looked, or could not, says nothing about them."""
    rig = NoticeRig(over_seconds=0)
    await rig.add()
    await rig.tracker.follow(paused("cn_1", "cn_2"))
    await rig.tracker.follow(NONE)
    assert len(await rig.store.incidents()) == 2
    await rig.tracker.follow(paused("cn_2"))
    assert [each.subject for each in await rig.store.incidents()] == ["cn_2"]


async def test_only_recipients_that_want_the_kind_get_notices() -> None:
    """And that it is over, only those that know of its beginning and are still there."""
    rig = NoticeRig(over_seconds=0)
    await rig.add("All")
    await rig.add("Gone")
    await rig.add("Letters", incidents=("dead_letters",))
    await rig.tracker.follow(paused("cn_1"))
    await rig.send()
    await rig.recipients.remove("Gone", "test")
    await rig.add("Late")
    await rig.tracker.follow(paused())
    await rig.send()
    assert sorted(rig.sent) == [
        ("All", "incident.closed"),
        ("All", "incident.opened"),
        ("Gone", "incident.opened"),
    ]


async def test_problem_of_the_store_that_ends_soon_is_no_incident() -> None:
    """Such as a failover of a database."""
    rig = NoticeRig()
    await rig.add()
    await rig.tracker.follow(FULL)
    rig.later(15)
    await rig.tracker.follow(NONE)
    rig.later(15)
    await rig.tracker.follow(FULL)
    assert await rig.store.incidents() == []
    rig.later(21)
    await rig.tracker.follow(FULL)
    await rig.send()
    assert rig.sent == [("Ops", "incident.opened")]


async def test_store_that_cannot_be_written_is_reported_from_memory() -> None:
    """Once, and its end too: when the store can be used again, it takes what was sent."""
    rig = NoticeRig(over_seconds=0)
    await rig.add()
    rig.store.is_broken = True
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await rig.tracker.follow(FULL)
        rig.tracker.follow_without_store(FULL)
        rig.outbox.run_unsaved(lambda: True)
        await rig.settle()
        rig.later(15)
    assert rig.sent == [("Ops", "incident.opened")]
    rig.store.is_broken = False
    await rig.tracker.follow(NONE)
    await rig.send()
    assert rig.sent == [("Ops", "incident.opened"), ("Ops", "incident.closed")]
    assert [(each.state, each.attempts) for each in await rig.store.notices(10)] == [("sent", 1), ("sent", 1)]


async def test_notice_that_could_not_be_sent_without_the_store_is_sent_later() -> None:
    """The outage of the store may be one of the network too."""
    rig = NoticeRig(over_seconds=3600)
    await rig.add()
    rig.store.is_broken = True
    rig.tracker.follow_without_store(FULL)
    rig.later(21)
    rig.tracker.follow_without_store(FULL)
    rig.store.is_broken = False
    await rig.tracker.follow(NONE)
    await rig.send()
    assert rig.sent == [("Ops", "incident.opened")]


async def test_open_incident_is_not_reported_again_when_the_store_fails() -> None:
    """The store was full, and is now not writable at all: that it is full was reported."""
    rig = NoticeRig()
    await rig.add()
    await rig.tracker.follow(FULL)
    rig.later(21)
    await rig.tracker.follow(FULL)
    await rig.tracker.follow(FULL)
    await rig.send()
    rig.store.is_broken = True
    rig.tracker.follow_without_store(FULL)
    rig.outbox.run_unsaved(lambda: True)
    await rig.settle()
    assert rig.sent == [("Ops", "incident.opened")]


async def test_incident_of_a_newer_version_is_left_alone() -> None:
    """Nodes of two versions share a store during an update."""
    rig = NoticeRig(over_seconds=0)
    await rig.store.open_incident(StoredIncident("newer_kind", "x", 0, b"{}"), [])
    await rig.tracker.follow(paused())
    assert len(await rig.store.incidents()) == 1
    assert await rig.tracker.open_incidents() == {}
