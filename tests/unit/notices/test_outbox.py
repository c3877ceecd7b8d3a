"""How waiting notices are sent: at least once, each recipient's apart, and for a day."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.unit.notices.rig import NoticeRig, paused
from tiktok_forwarder.notices.https_post import NotSent
from tiktok_forwarder.notices.outbox import retry_delay_ms
from tiktok_forwarder.store.notices import StoredNotice


async def states(rig: NoticeRig) -> list[tuple[str, int, str]]:
    return [(each.state, each.attempts, each.reason) for each in await rig.store.notices(10)]


async def test_failed_notice_is_repeated_with_the_same_id() -> None:
    """At growing intervals, until it is sent; the reason is kept."""
    rig = NoticeRig()
    await rig.add()
    await rig.tracker.follow(paused("cn_1"))
    rig.sender.failures["Ops"] = NotSent("the server answered HTTP 503")
    (stored,) = await rig.store.notices(1)
    await rig.send()
    assert await states(rig) == [("waiting", 1, "the server answered HTTP 503")]
    rig.later(9)
    await rig.send()
    assert (await states(rig))[0][1] == 1
    rig.later(1)
    await rig.send()
    assert (await states(rig))[0][1] == 2
    del rig.sender.failures["Ops"]
    rig.later(20)
    await rig.send()
    await rig.send()
    assert rig.sender.sent == [("Ops", "incident.opened", stored.id)]
    assert await states(rig) == [("sent", 3, "")]
    assert rig.observer.events[1] == ("failed", "slack", "Ops", "the server answered HTTP 503")


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 10), (2, 20), (5, 160), (8, 1280), (9, 1800), (500, 1800)])
def test_delay_doubles_up_to_half_an_hour(attempts: int, seconds: int) -> None:
    """So a day has about fifty attempts."""
    assert retry_delay_ms(attempts) == seconds * 1000


async def test_notice_is_given_up_after_a_day() -> None:
    """It is deleted and counted, whatever its recipient does then."""
    rig = NoticeRig()
    await rig.add()
    await rig.tracker.follow(paused("cn_1"))
    rig.sender.failures["Ops"] = NotSent("a connection was not possible")
    for _ in range(60):
        await rig.send()
        rig.later(1800)
    assert await states(rig) == []
    assert rig.observer.events[-1] == ("expired", "1")
    attempts = sum(event[0] == "failed" for event in rig.observer.events)
    assert 40 < attempts < 60


async def test_final_failure_is_not_repeated() -> None:
    """The receiver has said that the URL is gone."""
    rig = NoticeRig()
    await rig.add()
    await rig.tracker.follow(paused("cn_1"))
    rig.sender.failures["Ops"] = NotSent("the URL is gone", is_final=True)
    for _ in range(3):
        await rig.send()
        rig.later(3600)
    assert await states(rig) == [("failed", 1, "the URL is gone")]


async def test_blocked_recipient_delays_no_other() -> None:
    """Nor does it get a second request for the same notice meanwhile."""
    rig = NoticeRig()
    for name in ("Blocked", "Ops"):
        await rig.add(name)
    rig.sender.blocked["Blocked"] = asyncio.Event()
    for subjects in (("cn_1",), ("cn_1", "cn_2")):
        await rig.tracker.follow(paused(*subjects))
        await rig.send()
    assert rig.sent == [("Ops", "incident.opened")] * 2
    rig.sender.blocked["Blocked"].set()
    await rig.settle()
    await rig.send()
    assert sorted(rig.sent) == [("Blocked", "incident.opened")] * 2 + [("Ops", "incident.opened")] * 2


async def test_notices_of_a_removed_recipient_are_not_sent() -> None:
    """Their state says why."""
    rig = NoticeRig()
    await rig.add()
    await rig.tracker.follow(paused("cn_1"))
    await rig.recipients.remove("Ops", "test")
    await rig.send()
    assert (rig.sent, await states(rig)) == ([], [("failed", 0, "the recipient was removed")])


async def test_process_that_lost_the_claim_sends_nothing_more() -> None:
    """It is asked before each notice: the rest is sent by the node that has the claim now."""
    rig = NoticeRig()
    await rig.add()
    await rig.tracker.follow(paused("cn_1", "cn_2", "cn_3"))
    asked = iter([True, False])
    await rig.outbox.run(lambda: next(asked))
    await rig.settle()
    assert len(rig.sent) == 1
    await rig.send()
    assert len(rig.sent) == 3


async def test_outcome_that_cannot_be_stored_is_stored_later() -> None:
    """In this process, what was sent is not sent again."""
    rig = NoticeRig()
    await rig.add()
    await rig.tracker.follow(paused("cn_1"))
    rig.sender.blocked["Ops"] = asyncio.Event()
    await rig.send()
    rig.store.is_broken = True
    rig.sender.blocked.pop("Ops").set()
    await rig.settle()
    rig.store.is_broken = False
    assert (await states(rig))[0][0] == "waiting"
    await rig.send()
    await rig.send()
    assert (rig.sent, await states(rig)) == ([("Ops", "incident.opened")], [("sent", 1, "")])


async def test_notice_is_sent_again_after_a_kill() -> None:
    """With the same ID, by which the receiver can recognize it."""
    rig = NoticeRig()
    await rig.add()
    await rig.tracker.follow(paused("cn_1"))
    rig.sender.blocked["Ops"] = asyncio.Event()
    await rig.send()
    await rig.outbox.stop()
    del rig.sender.blocked["Ops"]
    (stored,) = await rig.store.due_notices(rig.clock.now_ms())
    await rig.send()
    assert rig.sender.sent == [("Ops", "incident.opened", stored.id)]


async def test_notice_that_is_settled_while_the_store_is_asked_is_not_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer may be older than what a running task has stored."""
    rig = NoticeRig()
    await rig.add()
    await rig.tracker.follow(paused("cn_1"))
    blocked = rig.sender.blocked["Ops"] = asyncio.Event()
    await rig.send()
    due_notices = rig.store.due_notices

    async def late(now_ms: int) -> Sequence[StoredNotice]:
        found = await due_notices(now_ms)
        blocked.set()
        await rig.settle()
        return found

    monkeypatch.setattr(rig.store, "due_notices", late)
    await rig.send()
    assert rig.sent == [("Ops", "incident.opened")]


async def test_test_is_tried_once() -> None:
    """Who sends it waits for the outcome, and fixes the settings."""
    rig = NoticeRig()
    recipient = await rig.add()
    rig.sender.failures["Ops"] = NotSent("the host was not found")
    testing = asyncio.create_task(rig.outbox.test(recipient))
    await rig.settle()
    await rig.send()
    outcome = await testing
    assert (outcome.state, outcome.reason) == ("failed", "the host was not found")
