"""The golden cases: a batch, a connection's settings, and the outcomes that the mapping must give."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tiktok_forwarder.domain.outcome import Mapped, Outcome
from tiktok_forwarder.mapping.connection import Connection, read_connection

Case = dict[str, Any]


def _cases() -> dict[str, Case]:
    """All cases by name. A file has one, or a list of cases on one topic, each with a name of its own."""
    found: dict[str, Case] = {}
    for file in sorted((Path(__file__).parent / "cases").glob("*.json")):
        given: Case | list[Case] = json.loads(file.read_text("utf-8"))
        if isinstance(given, dict):
            found[file.stem] = given
        else:
            found |= {f"{file.stem}: {case['name']}": case for case in given}
    return found


CASES = _cases()
# For tests that try the same of every case: of the many that share a topic, only in the slow tests.
CASE_NAMES = [pytest.param(name, marks=pytest.mark.slow) if ": " in name else pytest.param(name) for name in CASES]


def connection_of(settings: dict[str, Any]) -> Connection:
    """The connection of a case: its settings beside a name and a pixel."""
    given = {"name": "Shop", "pixel_id": "EXAMPLEPIXEL", **settings}
    return read_connection(given, needs_token=False).connection


def allows_purchases(case: Case) -> bool:
    """Whether the input of the case is allowed to send purchases; nearly every one is."""
    return bool(case.get("allows_purchases", True))


def comparable(outcome: Outcome) -> dict[str, Any]:
    """The outcome in the words of a golden case, without its free text."""
    if isinstance(outcome, Mapped):
        return {
            "event_index": outcome.event_index,
            "outcome": "mapped",
            "event": outcome.event,
            "event_id": outcome.event_id,
            "payload": msgspec.json.decode(outcome.payload),
            "warnings": set(outcome.warnings),
        }
    return {"event_index": outcome.event_index, "outcome": "dropped", "reason": outcome.reason}


def expected(case: Case) -> list[dict[str, Any]]:
    outcomes = [{key: value for key, value in outcome.items() if key != "detail"} for outcome in case["outcomes"]]
    return [
        {**outcome, "warnings": set(outcome["warnings"])} if "warnings" in outcome else outcome for outcome in outcomes
    ]
