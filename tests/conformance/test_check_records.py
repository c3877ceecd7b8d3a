"""TikTok's answers about connections, kept in every store."""

from collections.abc import Collection

from tests.conformance.rig import T0, Rig
from tests.unit.parts import ManualClock
from tiktok_forwarder.delivery.check_records import CheckAnswer, CheckRecords
from tiktok_forwarder.delivery.interfaces import DeliveryTarget

TARGET = DeliveryTarget("c", 1, enabled=True, pixel_id="C9")
GOOD, REFUSED = CheckAnswer("good", code=0), CheckAnswer("refused", "No permission.", 40001, "No")


class OneConnection:
    def connection_ids(self) -> Collection[str]:
        return ["c"]

    def target(self, connection_id: str) -> DeliveryTarget | None:
        return TARGET if connection_id == "c" else None

    def access_token(self, _connection_id: str) -> str:
        return "token"


async def records_of(rig: Rig) -> CheckRecords:
    """The records as a process that starts now finds them."""
    records = CheckRecords(rig.store, ManualClock(T0), OneConnection(), lambda text: f"hash of {len(text)}")
    await records.load()
    return records


def answer_of(records: CheckRecords) -> CheckAnswer | None:
    record = records.find(TARGET)
    return record.answer if record is not None else None


async def test_answer_survives_a_restart_and_ends_with_its_connection(rig: Rig) -> None:
    """A removed record is gone for everyone who starts later."""
    records = await records_of(rig)
    await records.keep("c", records.settings_of(TARGET), REFUSED, "check")
    await rig.reopen()
    records = await records_of(rig)
    assert answer_of(records) == REFUSED
    await records.remove("c", "service")
    assert answer_of(await records_of(rig)) is None


async def test_answers_of_two_processes_are_kept_in_their_order(rig: Rig) -> None:
    """Each is made on the newest record, though its process has not followed the other's."""
    one, two = await records_of(rig), await records_of(rig)
    settings = one.settings_of(TARGET)
    await one.keep("c", settings, GOOD, "delivery")
    await two.keep("c", settings, REFUSED, "check")
    await one.keep("c", settings, CheckAnswer("unknown", "TikTok could not be reached."), "check")
    assert answer_of(await records_of(rig)) == REFUSED
    assert answer_of(one) == GOOD, "what is not written is not read either: the change is followed later"
    await one.keep("c", settings, GOOD, "check")
    assert answer_of(await records_of(rig)) == GOOD
