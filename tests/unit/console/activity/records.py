"""Records of the activity as the API gives them, for tests."""

from typing import Any

import msgspec

from tiktok_forwarder.activity.records import RecordOutcome
from tiktok_forwarder.api.activity import RecordView
from tiktok_forwarder.api.previews import AdviceView
from tiktok_forwarder.console.activity.advice import AdviceCatalog
from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.mapping.explanation.advice import all_advice

CATALOG = AdviceCatalog(msgspec.convert(all_advice(), AdviceView))


def record(outcome: RecordOutcome, **members: Any) -> RecordView:
    """One of an event of Shop; what is not given is as it is where it says nothing."""
    given = {
        "record_no": 7,
        "at_ms": 61_000,
        "connection_id": "cn_1",
        "connection": "Shop",
        "outcome": outcome,
        "event": "PlaceAnOrder",
        "event_id": "m1",
        "reason": "",
        "detail": "",
        "source": "",
        "warnings": [],
        "verdict": "",
        "answer": None,
        "group_events": 0,
        "seconds": 0.0,
        "attempts": 0,
        "accepted_at_ms": None,
        "due_ms": None,
        "connection_revision": 0,
        "payload": None,
        "explanation": [],
        "advice": None,
        "received": None,
        "can_be_mapped": False,
        **members,
    }
    return RecordView(**given)


def answer(code: int | None, status: int | None = 200) -> Answer:
    return Answer(status, code, "said", "r-1")
