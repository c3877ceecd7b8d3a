"""Accepting: what of a request is stored and counted, for which connections, and what it leaves when it fails."""

import asyncio
import json
from typing import Any

import pytest

from tests.unit.mapping.batches import batch_of, purchase
from tests.unit.parts import Parts, sender
from tiktok_forwarder.domain.errors import ConnectionsFull, StoreFull, UnreadableBody
from tiktok_forwarder.intake.accept import Acceptance, SubjectHash, Visitor
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.queue import GroupLimits, LeasedEvent


@pytest.fixture
def parts() -> Parts:
    return Parts()


def body(*batches: dict[str, Any]) -> bytes:
    return json.dumps(batches[0] if len(batches) == 1 else list(batches)).encode()


async def waiting(parts: Parts, connection_id: str) -> tuple[LeasedEvent, ...]:
    lease = await parts.store.lease(connection_id, GroupLimits(), parts.clock.now_ms(), 60)
    return lease.events if lease is not None else ()


async def test_events_are_stored_as_tiktok_will_get_them(parts: Parts) -> None:
    """What waits is the finished event object, without the identity it was made from."""
    connection_id = await parts.add_connection()
    await parts.acceptor.accept(body(batch_of(purchase())), sender("web"))
    (event,) = await waiting(parts, connection_id)
    assert (event.event_name, event.event_id, event.connection_revision) == ("PlaceAnOrder", "m1", 1)
    assert event.accepted_at_ms == parts.clock.now_ms()
    assert json.loads(event.payload)["properties"]["value"] == 12.5
    assert b"cust-829311" not in event.payload
    assert await parts.queued() == {connection_id: 1}


async def test_every_connection_gets_its_own(parts: Parts) -> None:
    """One event for two connections is two events, each in its connection's form."""
    one = await parts.add_connection("One")
    two = await parts.add_connection("Two", events_api="1.0")
    await parts.acceptor.accept(body(batch_of(purchase())), sender("web"))
    assert b"event_time" in (await waiting(parts, one))[0].payload
    assert b"timestamp" in (await waiting(parts, two))[0].payload
    assert await parts.queued() == {one: 1, two: 1}


async def test_dropped_events_are_counted_by_reason(parts: Parts) -> None:
    """Events that do not go to TikTok are accepted and stand in the books with their reason."""
    connection_id = await parts.add_connection()
    refund = purchase(source_message_id="m2", product_action={"action": "refund"})
    await parts.acceptor.accept(body(batch_of(purchase(), refund, 7, purchase(custom_flags=None))), sender("web"))
    assert await parts.total(connection_id, "dropped") == {
        "unsupported_event": 1,
        "malformed_event": 1,
        "missing_page_url": 1,
    }
    assert await parts.total(connection_id, "accepted") == {"": 4}
    assert parts.told.counted["events", "web"] == 4


async def test_repeated_events_are_not_delivered_twice(parts: Parts) -> None:
    """A sender's retry is accepted and counted as duplicate."""
    connection_id = await parts.add_connection()
    for _ in range(3):
        await parts.acceptor.accept(body(batch_of(purchase())), sender("web"))
    assert len(await waiting(parts, connection_id)) == 1
    assert await parts.total(connection_id, "duplicate") == {"": 2}
    assert await parts.queued() == {connection_id: 1}


async def test_many_batches_are_one_write(parts: Parts) -> None:
    """A bulk request is stored at once, however many batches and connections it has."""
    await parts.add_connection("One")
    await parts.add_connection("Two")
    batches = [batch_of(purchase(source_message_id=f"m{number}")) for number in range(5)]
    await parts.acceptor.accept(body(*batches), sender("web"))
    assert parts.told.counted["stored",] == 1
    assert parts.told.counted["batches", "web"] == 5


async def test_without_a_connection_events_are_accepted_counted_and_reported(parts: Parts) -> None:
    """A sender set up before the first connection gets no error; that its events are not kept is reported."""
    await parts.acceptor.accept(body(batch_of(purchase(), purchase())), sender("web"))
    await parts.acceptor.accept(b'{"events":[]}', sender("web"))
    assert (parts.told.counted["events", "web"], parts.told.counted["not_kept", "web"]) == (2, 2)
    assert await parts.store.totals() == []


async def test_events_for_a_connection_that_does_not_take_them_are_not_reported_as_not_kept(parts: Parts) -> None:
    """A disabled connection counts them as dropped, and nothing is wrong with an input whose batches are empty."""
    connection_id = await parts.add_connection(enabled=False)
    await parts.acceptor.accept(body(batch_of(purchase())), sender("web"))
    await parts.acceptor.accept(b'{"events":[]}', sender("web"))
    assert await parts.total(connection_id, "dropped") == {"connection_disabled": 1}
    assert parts.told.counted["not_kept", "web"] == 0


async def test_an_empty_batch_writes_nothing(parts: Parts) -> None:
    """mParticle sends batches without events; they cost no write."""
    await parts.add_connection()
    assert await parts.acceptor.accept(b'{"events":[]}', sender("web")) is None
    assert (parts.told.counted["stored",], parts.told.counted["brought", "web"]) == (0, 1)


async def test_historical_events_are_read_and_never_forwarded(parts: Parts) -> None:
    """As at mParticle: what comes as historical is counted and goes nowhere, but must be readable."""
    connection_id = await parts.add_connection()
    parts.acceptor.accept_historical(body(batch_of(purchase(), purchase())), "web")
    assert parts.told.counted["historical", "web"] == 2
    assert await waiting(parts, connection_id) == ()
    with pytest.raises(UnreadableBody):
        parts.acceptor.accept_historical(b"{", "web")


async def test_an_unreadable_body_leaves_nothing(parts: Parts) -> None:
    """A body that cannot be read counts nowhere."""
    connection_id = await parts.add_connection()
    with pytest.raises(UnreadableBody):
        await parts.acceptor.accept(b'{"events":[', sender("web"))
    assert await parts.total(connection_id, "accepted") == {} and not parts.told.counted


async def test_a_full_store_takes_nothing_of_a_request() -> None:
    """When the store refuses, neither events nor drops are counted: the sender will be back."""
    parts = Parts(MemoryStore(max_events=2))
    for name in ("One", "Two"):
        await parts.add_connection(name)
    await parts.acceptor.accept(body(batch_of(purchase())), sender("web"))
    totals, queued = await parts.store.totals(), await parts.queued()
    with pytest.raises(StoreFull):
        await parts.acceptor.accept(body(batch_of(purchase(source_message_id="m2"), 7)), sender("web"))
    assert await parts.store.totals() == totals and await parts.queued() == queued
    assert (len(parts.told.acceptances), parts.told.counted["brought", "web"], parts.told.counted["stored",]) == (
        1,
        1,
        1,
    )


async def test_acceptance_lists_what_became_of_each_event(parts: Parts) -> None:
    """An event comes with its original, its warnings and the store's decision; drops name event and connection."""
    connection_id = await parts.add_connection()
    await parts.acceptor.accept(body(batch_of(purchase())), sender("web"))
    without_currency = purchase(source_message_id="m2", currency_code=None)
    acceptance = await parts.acceptor.accept(body(batch_of(7, purchase()), batch_of(without_currency)), sender("web"))
    assert acceptance is not None and parts.told.acceptances[1:] == [acceptance]
    assert list(acceptance.admitted) == [connection_id]
    admitted = acceptance.admitted[connection_id]
    assert [each.event.event_id for each in admitted] == ["m1", "m2"]
    originals = [each.original.data.source_message_id for each in admitted if each.original and each.original.data]
    assert (originals, [each.mapped.warnings for each in admitted]) == (["m1", "m2"], [(), ("missing_currency",)])
    assert [each.admission for each in admitted] == ["duplicate", "stored"]
    (drop,) = acceptance.drops
    assert (drop.connection_id, drop.dropped.reason, drop.event) == (connection_id, "malformed_event", None)
    assert acceptance.drop_counts == {(connection_id, "malformed_event"): 1}
    assert acceptance.accepted_at_ms == parts.clock.now_ms()


async def test_events_are_taken_for_one_connection_when_it_is_named(parts: Parts) -> None:
    """Recorded batches are replayed for a new connection, and must not reach the others a second time."""
    one = await parts.add_connection("One")
    two = await parts.add_connection("Two")
    acceptance = await parts.acceptor.accept(body(batch_of(purchase(), 7)), sender("web"), two)
    assert acceptance is not None and list(acceptance.admitted) == [two]
    assert (len(await waiting(parts, one)), len(await waiting(parts, two))) == (0, 1)
    assert {row.connection_id for row in await parts.store.totals()} == {two}
    assert await parts.queued() == {two: 1}


async def test_drops_are_stored_when_nothing_else_is(parts: Parts) -> None:
    """A request of which every event is dropped is counted as durably as any other."""
    connection_id = await parts.add_connection()
    acceptance = await parts.acceptor.accept(body(batch_of(7)), sender("web"))
    assert acceptance is not None and (acceptance.admitted, len(acceptance.drops)) == ({}, 1)
    assert await parts.total(connection_id, "dropped") == {"malformed_event": 1}
    assert await parts.queued() == {}


async def test_a_connection_with_half_the_store_loses_its_new_events_alone() -> None:
    """Beyond its share a connection's events are counted as dropped, and another connection's are stored."""
    parts = Parts(MemoryStore(max_events=4))
    await parts.add_input("web")
    await parts.add_input("app")
    full = await parts.add_connection("Full")
    other = await parts.add_connection("Other", inputs=["app"])
    events = [purchase(source_message_id=f"m{number}") for number in range(3)]
    await parts.acceptor.accept(body(batch_of(*events[:2])), sender("web"))
    await parts.acceptor.accept(body(batch_of(events[2])), sender("app"))
    assert await parts.total(full, "dropped") == {"connection_full": 1}
    assert await parts.queued() == {full: 2, other: 1}
    assert parts.told.counted["connection_full", full] == 1


async def test_request_for_a_full_connection_leaves_nothing() -> None:
    """No part of it is counted or observed: its sender is asked to repeat it."""
    parts = Parts(MemoryStore(max_events=4))
    full = await parts.add_connection("Full")
    events = [purchase(source_message_id=f"m{number}") for number in range(3)]
    await parts.acceptor.accept(body(batch_of(*events[:2])), sender("web"))
    with pytest.raises(ConnectionsFull):
        await parts.acceptor.accept(body(batch_of(events[2], 7)), sender("web"))
    assert await parts.total(full, "dropped") == {}
    assert (await parts.queued(), len(parts.told.acceptances)) == ({full: 2}, 1)
    assert parts.told.counted["connection_full", full] == 0


async def test_subjects_are_keyed_hashes_of_the_user(parts: Parts) -> None:
    """The same person's events can be erased by what identifies them, and another's stay."""
    connection_id = await parts.add_connection()
    ann = batch_of(purchase(source_message_id="a"), purchase(source_message_id="b"), mpid="777")
    bob = batch_of(purchase(source_message_id="c"), mpid="778", user_identities={"customer_id": "cust-2"})
    await parts.acceptor.accept(body(ann, bob), sender("web"))
    assert await parts.store.erase([SubjectHash(b"x" * 32).hash_of("777")], 0) == 0
    assert await parts.store.erase([SubjectHash(b"k" * 32).hash_of("777")], 0) == 2
    assert [event.event_id for event in await waiting(parts, connection_id)] == ["c"]


def test_subject_hash_stays_the_same_between_versions() -> None:
    """An erasure after an upgrade must find the events that were stored before it."""
    # BLAKE2b of 8 bytes, keyed, of "777": the first byte is the highest
    assert SubjectHash(b"k" * 32).hash_of("777") == 0xEC83_752A_B6CD_5B1A


async def test_warnings_are_told(parts: Parts) -> None:
    """A mapped event's warnings reach the metrics."""
    await parts.add_connection()
    await parts.acceptor.accept(body(batch_of(purchase(currency_code=None))), sender("web"))
    assert parts.told.counted["warning", "missing_currency"] == 1


@pytest.mark.parametrize("device_info", [{"platform": "web", "http_header_user_agent": "Forged/1.0"}, None])
async def test_visitor_replaces_what_a_batch_says_of_ip_address_and_user_agent(
    parts: Parts, device_info: dict[str, str] | None
) -> None:
    """A page may write any address and user agent into a batch; the service sees the real ones."""
    connection_id = await parts.add_connection()
    batch = batch_of(purchase(), ip="198.51.100.1", device_info=device_info)
    accepted: asyncio.Future[Acceptance | None] = asyncio.get_running_loop().create_future()
    parts.acceptor.accept_soon(
        body(batch),
        sender("web"),
        lambda acceptance, _error: accepted.set_result(acceptance),
        visitor=Visitor("203.0.113.7", "Mozilla/5.0 (real)"),
    )
    acceptance = await accepted
    (event,) = await waiting(parts, connection_id)
    user = json.loads(event.payload)["user"]
    assert (user["ip"], user["user_agent"]) == ("203.0.113.7", "Mozilla/5.0 (real)")
    assert acceptance is not None
    sources = acceptance.admitted[connection_id][0].mapped.sources
    assert (sources["ip"], sources["user_agent"]) == (
        "IP address of the request",
        "header User-Agent of the request",
    )


async def test_unknown_address_of_a_visitor_is_not_replaced_by_a_stated_one(parts: Parts) -> None:
    """A browser's batch has its visitor's address or none, so an event without one is dropped."""
    connection_id = await parts.add_connection()
    accepted: asyncio.Future[Acceptance | None] = asyncio.get_running_loop().create_future()
    parts.acceptor.accept_soon(
        body(batch_of(purchase(), ip="198.51.100.1")),
        sender("web"),
        lambda acceptance, _error: accepted.set_result(acceptance),
        visitor=Visitor("", "Mozilla/5.0"),
    )
    await accepted
    assert await parts.total(connection_id, "dropped") == {"missing_ip": 1}


async def test_recording_connection_stores_nothing_beside_others_that_send(parts: Parts) -> None:
    """What it would have sent is mapped and counted; a connection with the same input is not touched by that."""
    recording = await parts.add_connection("Recording", delivery="record")
    sending = await parts.add_connection("Sending")
    acceptance = await parts.acceptor.accept(body(batch_of(purchase(), purchase(custom_flags=None))), sender("web"))
    assert acceptance is not None
    assert [each.admission for each in acceptance.admitted[recording]] == ["recorded"]
    assert [each.admission for each in acceptance.admitted[sending]] == ["stored"]
    assert await waiting(parts, recording) == () and await parts.queued() == {sending: 1}
    assert await parts.total(recording, "dropped") == {"missing_page_url": 1, "recorded": 1}
    assert (await parts.total(recording, "accepted"), await parts.total(recording, "delivered")) == ({"": 2}, {})


async def test_sending_connection_does_not_send_what_it_recorded(parts: Parts) -> None:
    """A sender may repeat within 48 hours what it sent before the switch."""
    connection_id = await parts.add_connection(delivery="record")
    await parts.acceptor.accept(body(batch_of(purchase())), sender("web"))
    await parts.connections.set(connection_id, {"delivery": "send"}, expected_revision=None, changed_by="test")
    await parts.acceptor.accept(body(batch_of(purchase(), purchase(source_message_id="m2"))), sender("web"))
    assert [event.event_id for event in await waiting(parts, connection_id)] == ["m2"]


async def test_waiting_events_stay_when_a_connection_begins_to_record(parts: Parts) -> None:
    """They were accepted to be sent: only new events are recorded."""
    connection_id = await parts.add_connection()
    await parts.acceptor.accept(body(batch_of(purchase())), sender("web"))
    await parts.connections.set(connection_id, {"delivery": "record"}, expected_revision=None, changed_by="test")
    await parts.acceptor.accept(body(batch_of(purchase(source_message_id="m2"))), sender("web"))
    assert [event.event_id for event in await waiting(parts, connection_id)] == ["m1"]
