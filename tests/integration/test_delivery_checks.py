"""What deliveries show of pixel and access token: it is kept like the answer to a check."""

from typing import Any

from tests.integration.delivery_rig import BAD_TOKEN, PATIENT, Rig, answer, delivery_rig, ids, take_all
from tiktok_forwarder.delivery.check_records import CheckAnswer, CheckRecord
from tiktok_forwarder.delivery.interfaces import DeliveryTarget
from tiktok_forwarder.delivery.pauses import BY_SERVICE
from tiktok_forwarder.domain.errors import StoreUnavailable


def target(rig: Rig) -> DeliveryTarget:
    found = rig.connections.target("c")
    assert found is not None
    return found


def kept(rig: Rig) -> CheckRecord | None:
    return rig.checks.find(target(rig))


async def test_accepted_events_make_the_connection_live_over_restarts() -> None:
    """TikTok's yes to events is as good as its yes to a check, and is kept."""
    async with delivery_rig() as rig:
        assert rig.deliverer.status("c").condition == "not_checked"
        await rig.accept(ids(1))
        await rig.until_condition("live")
        await rig.restart()
        status = rig.deliverer.status("c")
        assert (status.condition, status.check) == ("live", "good")
    assert rig.witness.changes == [("c", "live")]


async def test_accepted_test_events_make_the_connection_test() -> None:
    """With a test event code TikTok accepts events, and counts none."""
    async with delivery_rig(start=False) as rig:
        rig.connections.change("c", test_event_code="TEST1")
        await rig.deliverer.start()
        await rig.accept(ids(1))
        await rig.until_condition("test")


async def test_event_that_is_refused_for_itself_says_nothing_of_the_connection() -> None:
    """It is a dead letter; whether TikTok accepts the connection's events is still open."""
    async with delivery_rig() as rig:
        rig.tiktok.judge = lambda _: answer(40002, "A parameter is wrong.")
        await rig.accept(ids(1))
        await rig.until_empty()
        await rig.give_time()
        assert kept(rig) is None and rig.deliverer.status("c").condition == "not_checked"


async def test_refusal_is_kept_when_its_pause_ends() -> None:
    """A person may resume at any time: that is not TikTok's yes."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused(1)
        await rig.wait_until(lambda: kept(rig) is not None)
        record = kept(rig)
        assert record is not None
        assert (record.answer.outcome, record.answer.code, record.source) == ("refused", BAD_TOKEN, "delivery")
        assert record.answer.tiktok_message == "Access token is incorrect or has been revoked."
        await rig.deliverer.stop(1.0)
        status = await rig.deliverer.resume("c", "ann")
        assert (status.condition, status.is_paused, status.code) == ("refused", False, BAD_TOKEN)


async def check(rig: Rig, outcome: Any) -> None:
    rig.clock.advance(1)
    settings = rig.checks.settings_of(target(rig))
    await rig.checks.keep("c", settings, CheckAnswer(outcome, "said so", 0), "check")


async def test_good_check_ends_the_services_pause() -> None:
    """TikTok has accepted, later, the very settings that it had refused."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused()
        await rig.wait_until(lambda: kept(rig) is not None)
        rig.tiktok.judge = take_all
        await check(rig, "good")
        await rig.until_empty()
        await rig.until_condition("live")
    assert rig.witness.changes == [("c", "refused"), ("c", "live")]


async def test_check_ends_no_pause_that_it_cannot_disprove() -> None:
    """Not a person's, nor one for events that were all refused, nor any without a good answer."""
    async with delivery_rig(PATIENT) as rig:
        await rig.deliverer.pause("c", "stocktaking", "ann")
        await check(rig, "good")
        await rig.give_time()
        assert rig.deliverer.status("c").condition == "paused"
        await rig.deliverer.resume("c", "ann")
        rig.tiktok.judge = lambda _: answer(40002, "A parameter is wrong.")
        await rig.accept(ids(30))
        await rig.wait_until(lambda: rig.deliverer.status("c").is_paused)
        await check(rig, "good")
        await rig.give_time()
        status = rig.deliverer.status("c")
        assert (status.condition, status.is_paused, status.by) == ("refused", True, BY_SERVICE)


async def test_bad_or_missing_answer_to_a_check_ends_no_pause() -> None:
    """Only TikTok's yes does."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused(1)
        for outcome in ("refused", "unknown"):
            await check(rig, outcome)
            await rig.give_time()
            assert rig.deliverer.status("c").is_paused
        assert len(rig.tiktok.requests) == 1


async def test_check_that_is_refused_shows_without_a_pause_and_is_probed_later() -> None:
    """The pause that follows begins with its own time: the refusal of the check was no probe."""
    async with delivery_rig(PATIENT) as rig:
        await check(rig, "refused")
        assert rig.deliverer.status("c").condition == "refused"
        rig.clock.advance(400)
        await rig.refuse_until_paused(1)
        await rig.wait_until(lambda: rig.deliverer.status("c").is_paused)
        await rig.give_time()
        assert len(rig.tiktok.requests) == 1


async def test_answer_that_cannot_be_kept_costs_no_event(monkeypatch: Any) -> None:
    """The next request brings it again."""
    async with delivery_rig() as rig:
        put = rig.store.put_documents

        async def fail(*_values: object, **_named: object) -> None:
            raise StoreUnavailable("the disk is full")

        monkeypatch.setattr(rig.store, "put_documents", fail)
        await rig.accept(ids(1))
        await rig.until_empty()
        await rig.give_time()
        assert (await rig.total("delivered"), rig.deliverer.status("c").condition) == (1, "not_checked")
        monkeypatch.setattr(rig.store, "put_documents", put)
        await rig.accept(ids(1, "later"))
        await rig.until_condition("live")
    assert rig.witness.failures == []
