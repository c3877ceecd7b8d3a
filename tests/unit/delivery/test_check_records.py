"""TikTok's latest answer about a connection: what it applies to, and which answer is kept."""

from typing import Any

import pytest

from tests.unit.parts import ManualClock, Parts
from tiktok_forwarder.delivery.check_records import CheckAnswer, CheckedSettings, CheckRecord, CheckRecords
from tiktok_forwarder.delivery.interfaces import DeliveryTarget
from tiktok_forwarder.domain.errors import SecretUnreadable

GOOD = CheckAnswer("good", "fine", 0)
REFUSED = CheckAnswer("refused", "No permission.", 40001, "No permission to operate pixel code")
UNKNOWN = CheckAnswer("unknown", "TikTok could not be reached.")


def target_of(parts: Parts, connection_id: str) -> DeliveryTarget:
    target = parts.connections.target(connection_id)
    assert target is not None
    return target


async def keep(parts: Parts, connection_id: str, answer: CheckAnswer, by: Any = "check") -> None:
    settings = parts.check_records.settings_of(target_of(parts, connection_id))
    await parts.check_records.keep(connection_id, settings, answer, by)


def found(parts: Parts, connection_id: str) -> CheckAnswer | None:
    record = parts.check_records.find(target_of(parts, connection_id))
    return record.answer if record is not None else None


async def change(parts: Parts, connection_id: str, **settings: object) -> None:
    await parts.connections.set(connection_id, settings, expected_revision=None, changed_by="test")


@pytest.mark.parametrize("settings", [{"pixel_id": "OTHER"}, {"access_token": "another-token-0123"}])
@pytest.mark.parametrize("answer", [GOOD, REFUSED, UNKNOWN])
async def test_changed_pixel_or_token_makes_an_answer_void(settings: dict[str, str], answer: CheckAnswer) -> None:
    """TikTok has been asked about others; the old ones back, its answer applies again."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop", access_token="the-first-0123")
    await keep(parts, connection_id, answer)
    assert found(parts, connection_id) == answer
    await change(parts, connection_id, **settings)
    assert found(parts, connection_id) is None
    await change(parts, connection_id, pixel_id="pixel-Shop", access_token="the-first-0123")
    assert found(parts, connection_id) == answer


async def test_other_settings_keep_an_answer() -> None:
    """A pixel and a token that TikTok accepts stay accepted under another name, test event code or version."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop")
    await keep(parts, connection_id, GOOD)
    await change(parts, connection_id, name="Store", test_event_code="TEST1", events_api="1.0")
    assert found(parts, connection_id) == GOOD
    assert not parts.check_records.has_asked(target_of(parts, connection_id))
    await keep(parts, connection_id, GOOD)
    assert parts.check_records.has_asked(target_of(parts, connection_id))


@pytest.mark.parametrize("answer", [REFUSED, UNKNOWN])
async def test_changed_test_event_code_makes_a_refusal_void(answer: CheckAnswer) -> None:
    """The code may have been what TikTok refused."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop", test_event_code="TEST1")
    await keep(parts, connection_id, answer)
    await change(parts, connection_id, test_event_code=None)
    assert found(parts, connection_id) is None


@pytest.mark.parametrize(
    ("before", "newer", "by", "kept"),
    [
        (GOOD, REFUSED, "check", REFUSED),
        (REFUSED, GOOD, "check", GOOD),
        (GOOD, REFUSED, "delivery", REFUSED),
        (REFUSED, GOOD, "delivery", GOOD),
        (GOOD, UNKNOWN, "check", GOOD),
        (REFUSED, UNKNOWN, "check", REFUSED),
        (UNKNOWN, CheckAnswer("unknown", "later"), "check", CheckAnswer("unknown", "later")),
        (UNKNOWN, GOOD, "delivery", GOOD),
        (GOOD, CheckAnswer("good", "again", 0), "check", CheckAnswer("good", "again", 0)),
        (GOOD, CheckAnswer("good", "", 0), "delivery", GOOD),
        (REFUSED, CheckAnswer("refused", "token", 40105), "delivery", CheckAnswer("refused", "token", 40105)),
    ],
)
async def test_latest_answer_is_kept(before: CheckAnswer, newer: CheckAnswer, by: str, kept: CheckAnswer) -> None:
    """A failure to ask replaces no answer. Delivery, which gets one with each request, writes only what is news."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop")
    await keep(parts, connection_id, before)
    await keep(parts, connection_id, newer, by)
    assert found(parts, connection_id) == kept


async def test_same_answer_of_delivery_is_written_once() -> None:
    """A busy connection must not fill the history of a document."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop")
    for _ in range(3):
        await keep(parts, connection_id, CheckAnswer("good", code=0), "delivery")
    assert len(await parts.store.document_history("connection_check", connection_id)) == 1


async def test_answer_is_found_by_another_process() -> None:
    """The document has the answer, its time and a hash, and neither pixel nor token."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop")
    await keep(parts, connection_id, REFUSED)
    again = await parts.reopened()
    assert found(again, connection_id) == REFUSED
    record = again.check_records.find(target_of(again, connection_id))
    assert record is not None and (record.at_ms, record.source) == (parts.clock.now_ms(), "check")


async def test_keyed_hash_is_what_is_stored() -> None:
    """Who reads the database learns nothing about the token."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop", access_token="the-first-0123")
    records = CheckRecords(parts.store, parts.clock, parts.connections, lambda text: f"{len(text)} characters")
    target = target_of(parts, connection_id)
    await records.keep(connection_id, records.settings_of(target), GOOD, "check")
    document = await parts.store.get_document("connection_check", connection_id)
    assert document is not None and b"the-first" not in document.body and b"pixel-Shop" not in document.body


async def test_answer_that_another_process_keeps_at_the_same_time_is_followed() -> None:
    """The later of both is kept, though its process did not know the other's."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop")
    other = await parts.reopened()
    await keep(parts, connection_id, GOOD)
    await keep(other, connection_id, UNKNOWN)
    assert found(other, connection_id) == GOOD
    await keep(parts, connection_id, REFUSED)
    await keep(other, connection_id, GOOD)
    assert found(other, connection_id) == GOOD
    assert len(await parts.store.document_history("connection_check", connection_id)) == 3


async def test_answer_about_a_removed_connection_is_not_kept() -> None:
    """The check may end after the connection was deleted."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop")
    settings = parts.check_records.settings_of(target_of(parts, connection_id))
    await parts.connections.remove(connection_id, "test")
    await parts.check_records.keep(connection_id, settings, GOOD, "check")
    assert await parts.store.list_documents("connection_check") == []


async def test_damaged_record_is_as_good_as_none() -> None:
    """The service starts, the connection is unchecked, and the next answer replaces the record."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop")
    await parts.store.put_document(
        "connection_check", connection_id, b"{", expected_revision=0, changed_by="test", now_ms=1
    )
    again = await parts.reopened()
    assert found(again, connection_id) is None
    await keep(again, connection_id, GOOD)
    assert found(again, connection_id) == GOOD


class Unreadable:
    """A connection whose token cannot be decrypted until it can."""

    def __init__(self) -> None:
        self.token: str | None = None

    def connection_ids(self) -> list[str]:
        return ["c"]

    def target(self, _connection_id: str) -> DeliveryTarget:
        return DeliveryTarget("c", 1, enabled=True, pixel_id="C9")

    def access_token(self, _connection_id: str) -> str:
        if self.token is None:
            raise SecretUnreadable("it was sealed with another key")
        return self.token


async def test_answer_about_an_unreadable_token_applies_until_it_is_readable() -> None:
    """People see why the check failed, and that it is over once the right key is back."""
    parts, connections = Parts(), Unreadable()
    records = CheckRecords(parts.store, ManualClock(), connections, lambda text: text)
    target = connections.target("c")
    await records.keep("c", records.settings_of(target), UNKNOWN, "check")
    known = records.find(target)
    assert known is not None and known.answer == UNKNOWN
    connections.token = "readable"
    assert records.find(target) is None


async def test_change_is_reported_with_the_connection() -> None:
    """Its own, one that is followed, and a removal; what is known already is no change."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop")
    seen: list[str] = []
    parts.check_records.on_change(seen.append)
    await keep(parts, connection_id, GOOD)
    document = await parts.store.get_document("connection_check", connection_id)
    parts.check_records.follow(connection_id, document)
    assert seen == [connection_id]
    await parts.check_records.remove(connection_id, "test")
    assert seen == [connection_id] * 2 and found(parts, connection_id) is None


def test_good_answer_applies_to_any_test_event_code() -> None:
    """Written as the rule, on the record itself."""
    settings = CheckedSettings("hash", "TEST1", "2.0")
    record = CheckRecord(settings, GOOD, 1, "check")
    assert record.applies_to(CheckedSettings("hash", None, "1.0"))
    assert not record.applies_to(CheckedSettings("other", "TEST1", "2.0"))
