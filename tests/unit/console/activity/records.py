"""Records of the activity as the API gives them, for tests."""

from typing import Any

import msgspec

from tiktok_forwarder.console.activity.advice import AdviceBook
from tiktok_forwarder.mapping.advice import all_advice

BOOK = AdviceBook(msgspec.to_builtins(all_advice()))


def record(outcome: str, **members: Any) -> dict[str, Any]:
    """One of an event of Shop; what is not given is as it is where it says nothing."""
    return {
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
        **members,
    }


def answer(code: int | None, status: int | None = 200) -> dict[str, Any]:
    return {"status": status, "code": code, "message": "said", "request_id": "r-1"}
