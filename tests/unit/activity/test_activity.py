"""The activity: what it records of a request and a delivery, what it counts, and what it leaves out."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from tests.unit.mapping.batches import batch_of, purchase
from tests.unit.parts import ManualClock, Parts, sender

from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.activity.figures import FigureSet, figure_set
from tiktok_forwarder.activity.file import ActivityFile
from tiktok_forwarder.activity.records import ActivityWrite, Record, RecordFilter
from tiktok_forwarder.delivery.interfaces import VERDICT_KINDS, Attempt, DeliveryStatus, Settled, SettledAs
from tiktok_forwarder.domain.outcome import (
    Accepted,
    Answer,
    BadEvent,
    DeadLettered,
    Delivered,
    Retry,
    Settlement,
    Throttled,
    TryLater,
    Verdict,
)
from tiktok_forwarder.intake.accept import SubjectHash
from tiktok_forwarder.store.queue import GroupLimits, LeasedEvent

HOUR_MS = 3_600_000
OK = Answer(200, 0, "OK", "r-1")
_NAMES: dict[type[Settlement], SettledAs] = {Delivered: "delivered", Retry: "retry", DeadLettered: "dead_letter"}


class Rig:
    """An activity in memory, with a clock that a test sets, and an acceptor that feeds it."""

    def __init__(self, most_per_second: int = 50) -> None:
        self.parts = Parts()
        self.clock = self.parts.clock
        self.file = ActivityFile.open(None, max_bytes=16 * 1024 * 1024)
        self.activity = Activity(self.file, self.clock, SubjectHash(b"k" * 32), most_per_second=most_per_second)

    async def accept(self, *events: Any, **members: Any) -> None:
        told = len(self.parts.told.acceptances)
        await self.parts.acceptor.accept(json.dumps(batch_of(*events, **members)).encode(), sender("web"))
        for acceptance in self.parts.told.acceptances[told:]:
            self.activity.on_accepted(acceptance)

    async def leased(self, connection_id: str) -> Sequence[LeasedEvent]:
        lease = await self.parts.store.lease(connection_id, GroupLimits(), self.clock.now_ms(), 60)
        return lease.events if lease is not None else ()

    def attempt(self, connection_id: str, verdict: Verdict, events: Sequence[LeasedEvent], note: str = "") -> None:
        kind = VERDICT_KINDS[type(verdict)]
        self.activity.on_attempted(Attempt(connection_id, kind, verdict.answer, events, 0.25, note))

    def settle(
        self, connection_id: str, outcomes: Sequence[tuple[LeasedEvent, Settlement]], verdict: Verdict | None = None
    ) -> None:
        counts: dict[SettledAs, int] = {}
        for _, outcome in outcomes:
            counts[_NAMES[type(outcome)]] = counts.get(_NAMES[type(outcome)], 0) + 1
        self.activity.on_settled(Settled(connection_id, outcomes, counts, verdict))

    def pass_seconds(self, seconds: float) -> None:
        self.clock.time_ms += round(seconds * 1000)

    async def records(self, **conditions: Any) -> list[Record]:
        """Oldest first; time passes until everything that has happened is written."""
        self.pass_seconds(1)
        kept = await self.activity.recent(RecordFilter(limit=10_000, **conditions))
        return [each.record for each in reversed(kept)]

    async def figures(self, connection_id: str) -> FigureSet:
        now_ms = self.clock.now_ms()
        self.pass_seconds(1)
        found = await self.activity.figures(now_ms - 24 * HOUR_MS, now_ms + HOUR_MS, connection_id)
        return figure_set(each.figures for each in found)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    await rig.activity.close()


async def test_an_events_whole_way_is_kept(rig: Rig) -> None:
    """From acceptance over a failed attempt to delivery, with TikTok's answers."""
    connection_id = await rig.parts.add_connection()
    accepted_at_ms = rig.clock.now_ms()
    await rig.accept(purchase())
    (event,) = await rig.leased(connection_id)
    rig.pass_seconds(1)
    busy = TryLater(Answer(200, 40700, "Internal error", "r-0"))
    rig.attempt(connection_id, busy, [event])
    rig.settle(connection_id, [(event, Retry(rig.clock.now_ms() + 10_000, busy.answer))], busy)
    rig.pass_seconds(10)
    rig.attempt(connection_id, Accepted(OK), [event])
    rig.settle(connection_id, [(event, Delivered())], Accepted(OK))
    rig.pass_seconds(1)
    way = [each.record for each in await rig.activity.way(connection_id, "PlaceAnOrder", "m1")]
    assert [record.outcome for record in way] == ["accepted", "retry", "delivered"]
    assert json.loads(way[0].payload)["event_id"] == "m1" and not way[1].payload
    assert way[1].facts.answer == busy.answer and way[1].reason == "try_later"
    assert way[1].facts.due_ms == accepted_at_ms + 11_000
    assert way[2].facts.answer == OK and way[2].facts.accepted_at_ms == accepted_at_ms
    assert way[2].facts.group_events == 1
    (request,) = await rig.records(outcome="attempted")
    assert (request.reason, request.event_id, request.facts.group_events) == ("try_later", "", 1)


async def test_drops_say_what_the_event_was(rig: Rig) -> None:
    """A dropped event is found by the sender's id, with the reason and its name at mParticle."""
    connection_id = await rig.parts.add_connection()
    refund = purchase(source_message_id="m2", product_action={"action": "refund"})
    await rig.accept(refund, 7, purchase(source_message_id="m3", custom_flags=None))
    records = await rig.records(connection_id=connection_id)
    assert [(record.outcome, record.reason, record.event_id) for record in records] == [
        ("dropped", "unsupported_event", "m2"),
        ("dropped", "malformed_event", ""),
        ("dropped", "missing_page_url", "m3"),
    ]
    assert records[0].facts.source == "commerce_event refund" and "refund" in records[0].facts.detail
    (way,) = await rig.activity.way(connection_id, "", "m2")
    assert way.record == records[0]


async def test_names_and_ids_of_dropped_events_hold_no_address(rig: Rig) -> None:
    """What a sender puts into an event's name or id is not trusted to be free of e-mail addresses."""
    await rig.parts.add_connection()
    data = {"event_name": "login jane@example.com", "source_message_id": "m-jane@example.com"}
    await rig.accept({"event_type": "custom_event", "data": data})
    (record,) = await rig.records()
    assert record.facts.source == "custom_event login redacted" and record.event_id == "redacted"


async def test_names_and_ids_of_dropped_events_hold_no_identity_of_their_user(rig: Rig) -> None:
    """Nor a phone number of anyone, nor half of an address where a text is cut."""
    await rig.parts.add_connection()
    identities = {"customer_id": "cust-829311", "mobile_number": "+1 415 555 0123"}
    for name, event_id, source, kept_id in (
        ("hello cust-829311", "o-14155550123", "custom_event redacted", "redacted"),
        ("hello +1 415 555 0199", "o-1", "custom_event hello redacted", "o-1"),
        ("x" * 195 + " jane@example.com", "o-2", "custom_event " + "x" * 187, "o-2"),
    ):
        data = {"event_name": name, "source_message_id": event_id}
        await rig.accept({"event_type": "custom_event", "data": data}, user_identities=identities)
        record = (await rig.records())[-1]
        assert (record.facts.source, record.event_id) == (source, kept_id)
        assert "cust-829311" not in record.facts.detail


async def test_repeats_are_told_apart(rig: Rig) -> None:
    """A duplicate is a record and a figure of its own, and no accepted event."""
    connection_id = await rig.parts.add_connection()
    await rig.accept(purchase())
    await rig.accept(purchase())
    assert [record.outcome for record in await rig.records()] == ["accepted", "duplicate"]
    figures = await rig.figures(connection_id)
    assert (figures.accepted, figures.mapped, figures.duplicate) == (1, 1, 1)


async def test_events_of_several_connections_are_counted_apart(rig: Rig) -> None:
    """One request feeds two connections, which drop and map differently."""
    one = await rig.parts.add_connection("One")
    two = await rig.parts.add_connection("Two", page_url_fallback=False)
    await rig.accept(purchase(), purchase(source_message_id="m2"), purchase(custom_flags=None))
    for connection_id in (one, two):
        figures = await rig.figures(connection_id)
        assert (figures.accepted, figures.mapped, figures.dropped) == (3, 2, {"missing_page_url": 1})


async def test_match_keys_and_warnings_are_counted(rig: Rig) -> None:
    """Coverage says which share of events TikTok can find a person by, and warnings how often something was amiss."""
    connection_id = await rig.parts.add_connection(require_ip_and_user_agent=False)
    identities = {"email": "jane@example.com", "customer_id": "c-1"}
    await rig.accept(purchase(), user_identities=identities, partner_identities={"tiktok_cookie_id": "t"})
    flags = {"TikTok.URL": "https://shop.example.com/", "TikTok.Callback": "E.C.P.1"}
    broken = {"email": "no address", "customer_id": "c-1"}
    await rig.accept(
        purchase(source_message_id="m2", custom_flags=flags), user_identities=broken, device_info={"platform": "web"}
    )
    figures = await rig.figures(connection_id)
    assert figures.match_events == 2
    assert figures.match_keys == {
        "email": 1,
        "phone": 0,
        "external_id": 2,
        "click_id": 1,
        "ttp": 1,
        "ip_and_user_agent": 1,
    }
    assert figures.warnings == {"invalid_email": 1}


async def test_deliveries_are_counted_by_how_long_they_took(rig: Rig) -> None:
    """Latency is from acceptance to delivery, in buckets, each event in one."""
    connection_id = await rig.parts.add_connection()
    await rig.accept(purchase())
    rig.pass_seconds(8)
    await rig.accept(purchase(source_message_id="m2"), purchase(source_message_id="m3"))
    rig.pass_seconds(0.5)
    events = await rig.leased(connection_id)
    rig.attempt(connection_id, Accepted(OK), events)
    rig.settle(connection_id, [(event, Delivered()) for event in events], Accepted(OK))
    figures = await rig.figures(connection_id)
    taken = {bucket.within_seconds: bucket.events for bucket in figures.latency if bucket.events}
    assert taken == {1: 2, 10: 1} and figures.delivered == 3 and figures.attempts == {"accepted": 1}


async def test_of_many_events_a_sample_goes_its_whole_way() -> None:
    """Above the rate the same events are kept at acceptance and at delivery, and the figures count all."""
    rig = Rig(most_per_second=10)
    connection_id = await rig.parts.add_connection()
    for start in range(0, 400, 100):
        await rig.accept(*(purchase(source_message_id=f"m{number}") for number in range(start, start + 100)))
    events = await rig.leased(connection_id)
    rig.settle(connection_id, [(event, Delivered()) for event in events], Accepted(OK))
    accepted = {record.event_id for record in await rig.records(outcome="accepted")}
    delivered = {record.event_id for record in await rig.records(outcome="delivered")}
    assert accepted == delivered and 1 <= len(accepted) <= 20
    figures = await rig.figures(connection_id)
    assert (figures.mapped, figures.delivered, figures.match_events) == (400, 400, len(accepted))
    await rig.activity.close()


async def test_failures_are_kept_whatever_the_rate() -> None:
    """Dead letters and drops are never left out of a sample, and keep what was to be sent."""
    rig = Rig(most_per_second=1)
    connection_id = await rig.parts.add_connection()
    fine = [purchase(source_message_id=f"m{number}") for number in range(100)]
    await rig.accept(*fine, *(purchase(source_message_id=f"d{number}", custom_flags=None) for number in range(100)))
    events = await rig.leased(connection_id)
    refused = DeadLettered("refused", Answer(200, 40002, "A parameter is wrong."))
    rig.settle(connection_id, [(event, refused) for event in events], BadEvent(Answer(200, 40002), 0))
    assert len(await rig.records(outcome="dropped")) == 100
    dead = await rig.records(outcome="dead_letter", reason="refused")
    assert [record.event_id for record in dead] == [event.event_id for event in events]
    assert all(record.payload and record.facts.answer == refused.answer for record in dead)
    assert (await rig.figures(connection_id)).dead_letters == {"refused": 100}
    await rig.activity.close()


async def test_attempts_without_an_outcome_stand_in_the_way(rig: Rig) -> None:
    """A group that was divided, or refused as too frequent, is told with each of its events."""
    connection_id = await rig.parts.add_connection()
    await rig.accept(purchase(), purchase(source_message_id="m2"))
    events = await rig.leased(connection_id)
    rig.attempt(connection_id, BadEvent(Answer(200, 40002, "wrong"), None), events)
    rig.attempt(connection_id, Throttled(Answer(200, 40100, "too frequent")), events[:1])
    rig.pass_seconds(1)
    way = [each.record for each in await rig.activity.way(connection_id, "PlaceAnOrder", "m1")]
    assert [record.reason for record in way] == ["", "bad_event", "throttled"]
    assert [record.facts.group_events for record in way] == [0, 2, 1]


async def test_notes_of_deliveries_are_kept(rig: Rig) -> None:
    """What TikTok said about a group it took stands with the request and its events."""
    connection_id = await rig.parts.add_connection()
    await rig.accept(purchase())
    events = await rig.leased(connection_id)
    noted = Accepted(Answer(200, 20001, "partial"), "events[0]: currency is missing")
    rig.attempt(connection_id, noted, events, noted.note)
    rig.settle(connection_id, [(events[0], Delivered())], noted)
    (request,) = await rig.records(outcome="attempted")
    (delivered,) = await rig.records(outcome="delivered")
    assert request.facts.detail == delivered.facts.detail == noted.note


async def test_pauses_are_records(rig: Rig) -> None:
    """When a connection was paused, and why, stands between the events."""
    rig.activity.on_state_changed(DeliveryStatus("c", "paused", "The token is wrong.", 40104, by="service"))
    (record,) = await rig.records(outcome="condition")
    assert (record.reason, record.facts.detail, record.facts.source) == ("paused", "The token is wrong.", "service")


async def test_filters_and_pages(rig: Rig) -> None:
    """Every condition narrows, and pages join without gap or repeat."""
    one = await rig.parts.add_connection("One")
    await rig.parts.add_connection("Two")
    await rig.accept(*(purchase(source_message_id=f"m{number}") for number in range(10)))
    since_ms = rig.clock.now_ms()
    rig.pass_seconds(60)
    await rig.accept(purchase(source_message_id="later"), purchase(source_message_id="dropped", custom_flags=None))
    assert len(await rig.records()) == 24 and len(await rig.records(connection_id=one)) == 12
    assert len(await rig.records(connection_id=one, since_ms=since_ms + 1)) == 2
    assert len(await rig.records(outcome="dropped", reason="missing_page_url")) == 2
    assert len(await rig.records(event_name="PlaceAnOrder")) == 22 and not await rig.records(event_name="Other")
    numbers: list[int] = []
    before = None
    while page := await rig.activity.recent(RecordFilter(connection_id=one, before_record_no=before, limit=5)):
        numbers += [each.record_no for each in page]
        before = numbers[-1]
    assert len(numbers) == 12 and numbers == sorted(set(numbers), reverse=True)
    newer = await rig.activity.recent(RecordFilter(connection_id=one, after_record_no=numbers[3], limit=100))
    assert [each.record_no for each in newer] == numbers[:3]
    assert [each.record.event_id for each in newer] == ["later", "dropped", "m9"]
    assert await rig.activity.recent(RecordFilter(connection_id=one, after_record_no=numbers[0])) == []


async def test_an_event_id_leads_to_every_connection_that_has_it(rig: Rig) -> None:
    """Mapped or dropped; other conditions narrow it; each record is found by its number, too."""
    one = await rig.parts.add_connection("One")
    two = await rig.parts.add_connection("Two", consent_purpose="Marketing")
    await rig.accept(purchase(), purchase(source_message_id="m2"))
    await rig.records()
    found = await rig.activity.recent(RecordFilter(event_id="m1"))
    assert {(each.record.connection_id, each.record.outcome) for each in found} == {
        (one, "accepted"),
        (two, "dropped"),
    }
    (dropped,) = await rig.activity.recent(RecordFilter(event_id="m1", outcome="dropped"))
    assert await rig.activity.one(dropped.record_no) == dropped
    assert await rig.activity.one(999) is None
    assert await rig.activity.recent(RecordFilter(event_id="")) == []


async def test_erasure_finds_all_of_a_persons_records(rig: Rig) -> None:
    """By a keyed hash of a digest or an mpid: mapped, dropped and settled records go, waiting or written."""
    connection_id = await rig.parts.add_connection()
    await rig.accept(purchase(), purchase(source_message_id="m2", custom_flags=None), mpid=111)
    (event,) = await rig.leased(connection_id)
    refused = BadEvent(Answer(200, 40002, "cust-829311 is wrong"), 0)
    rig.attempt(connection_id, refused, [event])
    rig.settle(connection_id, [(event, DeadLettered("refused", refused.answer))], refused)
    assert len(await rig.records()) == 4
    await rig.accept(purchase(source_message_id="m3"), mpid=111, user_identities={"customer_id": "c-2"})
    await rig.accept(purchase(source_message_id="m4"), mpid=222, user_identities={"customer_id": "c-3"})
    assert await rig.activity.erase([SubjectHash(b"k" * 32).hash_of("111")]) == 4
    assert [record.event_id for record in await rig.records()] == ["m4"]
    assert await rig.activity.erase([SubjectHash(b"k" * 32).hash_of("111")]) == 0


async def test_nothing_new_is_kept_about_an_erased_person(rig: Rig) -> None:
    """The answer to a request that was on its way during the erasure leaves no record, nor does a text of TikTok's."""
    connection_id = await rig.parts.add_connection()
    await rig.accept(purchase(), mpid=111)
    events = await rig.leased(connection_id)
    assert await rig.activity.erase([SubjectHash(b"k" * 32).hash_of("111")]) == 1
    refused = BadEvent(Answer(200, 40002, "cust-829311 is wrong"), 0)
    rig.attempt(connection_id, refused, events)
    rig.settle(connection_id, [(events[0], DeadLettered("refused", refused.answer))], refused)
    assert await rig.records() == []
    assert (await rig.figures(connection_id)).dead_lettered == 1


async def test_what_the_service_took_back_is_counted(rig: Rig) -> None:
    """Dead letters that were not the events' fault wait again: a figure too, so that the books can be compared."""
    rig.activity.on_replayed("c", 3)
    assert (await rig.figures("c")).replayed == 3


class Stuck:
    """A keeper that takes nothing until it is told to."""

    def __init__(self) -> None:
        self.lost_records = 0
        self.level_delay_seconds = 0
        self.takes = False
        self.written: list[ActivityWrite] = []

    def new_levels(self) -> Sequence[Any]:
        return ()

    def write(self, write: ActivityWrite) -> bool:
        if self.takes:
            self.written.append(write)
        return self.takes

    async def recent(self, which: RecordFilter) -> Sequence[Any]:
        return ()

    async def newest(self) -> int:
        return 0

    async def one(self, record_no: int) -> None:
        """Nothing is kept."""

    async def way(self, connection_id: str, event_name: str, event_id: str) -> Sequence[Any]:
        return ()

    async def figures(self, from_minute: int, until_minute: int, connection_id: str | None = None) -> Sequence[Any]:
        return ()

    async def hours(self, from_hour: int, until_hour: int, connection_id: str | None = None) -> Sequence[Any]:
        return ()

    async def names(self, since_ms: int, connection_id: str | None = None) -> Sequence[Any]:
        return ()

    async def delete_before(self, before_ms: int) -> None:
        """Nothing is kept."""

    async def erase(self, subjects: object) -> int:
        return 0

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_stuck_disk_costs_records_and_no_figures() -> None:
    """While nothing can be written records are dropped and counted as lost; counts are kept and written later."""
    keeper, clock = Stuck(), ManualClock()
    activity = Activity(keeper, clock, SubjectHash(b"k" * 32), most_per_second=50)
    for _ in range(3000):
        activity.on_state_changed(DeliveryStatus("c", "paused"))
        activity.on_replayed("c", 1)
    assert activity.lost_records >= 2500
    keeper.takes = True
    await activity.close()
    assert [figures for write in keeper.written for figures in write.figures.values()] == [{"replayed": 3000}]


async def test_a_flood_of_drops_is_bounded() -> None:
    """Beyond what a file can take in a second records are lost and counted, and the figures are right all the same."""
    keeper = Stuck()
    keeper.takes = True
    parts = Parts()
    await parts.add_connection()
    activity = Activity(keeper, parts.clock, SubjectHash(b"k" * 32), most_per_second=50)
    body = json.dumps(batch_of(*(purchase(custom_flags=None) for _ in range(900)))).encode()
    for _ in range(10):
        await parts.acceptor.accept(body, sender("web"))
        activity.on_accepted(parts.told.acceptances[-1])
    await activity.close()
    assert sum(len(write.records) for write in keeper.written) == 5000
    assert activity.lost_records == 4000
    total = figure_set(figures for write in keeper.written for figures in write.figures.values())
    assert total.dropped == {"missing_page_url": 9000}


async def test_sampled_records_leave_room_for_failures() -> None:
    """Half of a second's records are left to drops and dead letters, however many events are accepted in it."""
    keeper = Stuck()
    keeper.takes = True
    parts = Parts()
    await parts.add_connection()
    activity = Activity(keeper, parts.clock, SubjectHash(b"k" * 32), most_per_second=100_000)
    for start in range(0, 3000, 300):
        events = [purchase(source_message_id=f"m{number}") for number in range(start, start + 300)]
        await parts.acceptor.accept(json.dumps(batch_of(*events, purchase(custom_flags=None))).encode(), sender("web"))
        activity.on_accepted(parts.told.acceptances[-1])
    assert activity.lost_records == 3000 - 2492
    await activity.close()
    kept = Counter(record.outcome for write in keeper.written for record in write.records)
    assert kept == {"accepted": 2492, "dropped": 10}


async def test_recorded_event_is_kept_with_what_would_have_been_sent(rig: Rig) -> None:
    """It counts as dropped, and has the payload, its sources and the revision that mapped it, to be compared."""
    connection_id = await rig.parts.add_connection(delivery="record")
    await rig.accept(purchase())
    (record,) = await rig.records(connection_id=connection_id)
    assert (record.outcome, record.reason, record.event_name, record.event_id) == (
        "dropped", "recorded", "PlaceAnOrder", "m1",
    )  # fmt: skip
    assert json.loads(record.payload)["event_id"] == "m1" and record.subjects
    assert record.facts.connection_revision == 1 and record.facts.field_sources is not None
    figures = await rig.figures(connection_id)
    assert (figures.accepted, figures.mapped, figures.dropped, figures.match_events) == (1, 0, {"recorded": 1}, 1)
