"""What the mapping must give by its golden cases, in the eyes of the sandbox, which shares no code with it."""

from typing import Any

import pytest

from tests.golden import cases
from tests.unit.tiktok_sandbox.requests import EVENT_TRACK, PIXEL_BATCH, event_track, judged, pixel_batch
from tiktok_sandbox import SandboxOptions
from tiktok_sandbox.verdict import Verdict

# Of what the sandbox warns: a hand-made case of the past is old, or lacks a page address, an amount or a real click id.
EXPECTED_WARNINGS = {29, 38, 42, 44}


# Cases of what is sent as it came: an address that the settings or the rules leave, a private IP address.
LEFT_AS_THEY_ARE = {
    "emails_redacted: that touch each other": 26,
    "emails_redacted: what is none": 26,
    "emails_redacted: not redacted": 26,
    "event_ids: dummies, an e-mail address, and none": 26,
    "text_cut: without redaction": 26,
    "ip_addresses: private": 28,
    "ip_addresses: zone": 28,
    "ip_addresses: private, mapped into IPv6": 28,
}


def _payloads(case: dict[str, Any]) -> list[dict[str, Any]]:
    return [outcome["payload"] for outcome in case["outcomes"] if outcome["outcome"] == "mapped"]


def _judged(case: dict[str, Any], payloads: list[dict[str, Any]]) -> Verdict:
    if case["connection"].get("events_api") == "1.0":
        return judged(PIXEL_BATCH, pixel_batch(*payloads), SandboxOptions())
    return judged(EVENT_TRACK, event_track(*payloads), SandboxOptions())


@pytest.mark.parametrize("name", cases.CASES)
def test_the_sandbox_takes_what_the_mapping_must_give(name: str) -> None:
    """No golden payload breaks a rule, and none gives a warning that the case does not call for."""
    case = cases.CASES[name]
    payloads = _payloads(case)
    if payloads:
        verdict = _judged(case, payloads)
        assert verdict.code == 0, verdict.message
        found = {(each.rule, each.field, each.problem) for warnings in verdict.warnings for each in warnings}
        assert {each[0] for each in found} <= {*EXPECTED_WARNINGS, LEFT_AS_THEY_ARE.get(name)}
