"""The rules for tokens, pixels, rates and envelopes, and the order in which they come."""

import json
from typing import Any

import pytest

from tests.unit.tiktok_sandbox.requests import (
    EVENT_TRACK,
    NOW_SECONDS,
    PIXEL_BATCH,
    PIXEL_TRACK,
    TOKEN,
    event_1_0,
    event_2_0,
    event_track,
    judged,
    pixel_batch,
    pixel_track,
)
from tiktok_sandbox.arrival import ENDPOINTS, read_arrival
from tiktok_sandbox.judge import Head, Judge
from tiktok_sandbox.options import SandboxOptions
from tiktok_sandbox.script import Script
from tiktok_sandbox.steps import Code, Http
from tiktok_sandbox.verdict import Verdict

GOOD = event_track(event_2_0())
NO_STRING = "not a valid string."
SOURCES = "must be one of web, app, offline, crm."
NO_LIST = "not a valid list of events."


@pytest.mark.parametrize(
    ("path", "body", "rule", "message"),
    [
        (EVENT_TRACK, b"{", 6, "Invalid JSON body"),
        (EVENT_TRACK, b"", 6, "Invalid JSON body"),
        (EVENT_TRACK, b"[]", 6, "Invalid JSON body"),
        (EVENT_TRACK, b'{"event_source":"web","data":' + b"[" * 100_000, 6, "Invalid JSON body"),
        (
            EVENT_TRACK,
            json.dumps(event_track(event_2_0(properties__value=float("nan")))).encode(),
            6,
            "Invalid JSON body",
        ),
        (EVENT_TRACK, {**GOOD, "event_source": "phone"}, 7, f"Invalid value for event_source: {SOURCES}"),
        (EVENT_TRACK, {**GOOD, "event_source": ["web"]}, 7, f"Invalid value for event_source: {SOURCES}"),
        (EVENT_TRACK, {"data": []}, 7, f"Invalid value for event_source: {SOURCES}"),
        (EVENT_TRACK, {"event_source": "web", "data": []}, 8, f"Invalid value for event_source_id: {NO_STRING}"),
        (EVENT_TRACK, {**GOOD, "event_source_id": 7}, 8, f"Invalid value for event_source_id: {NO_STRING}"),
        (PIXEL_TRACK, event_1_0(), 9, f"Invalid value for pixel_code: {NO_STRING}"),
        (PIXEL_BATCH, {"pixel_code": "", "batch": []}, 9, f"Invalid value for pixel_code: {NO_STRING}"),
        (EVENT_TRACK, event_track(), 10, f"Invalid value for data: {NO_LIST}"),
        (EVENT_TRACK, {**GOOD, "data": event_2_0()}, 10, f"Invalid value for data: {NO_LIST}"),
        (PIXEL_BATCH, pixel_batch(), 10, f"Invalid value for batch: {NO_LIST}"),
        (EVENT_TRACK, event_track(*[{}] * 1001), 11, "Invalid value for data: more than 1000 events."),
        (PIXEL_BATCH, pixel_batch(*[{}] * 51), 12, "Invalid value for batch: more than 50 events."),
    ],
)
def test_a_broken_envelope_is_refused(path: str, body: Any, rule: int, message: str) -> None:
    """40002, with the first bad member and no event's index."""
    verdict = judged(path, body)
    assert (verdict.code, verdict.rule, verdict.message, verdict.bad_index) == (40002, rule, message, None)


def test_the_body_is_declared_as_json() -> None:
    """Rule 6: another content type is no JSON."""
    verdict = judged(EVENT_TRACK, GOOD, content_type="text/plain")
    assert (verdict.code, verdict.rule) == (40002, 6)


def test_full_groups_are_taken() -> None:
    """1,000 events for 2.0 and 50 for a batch of 1.0 are within the limits."""
    full_2_0 = judged(EVENT_TRACK, event_track(*[event_2_0()] * 1000))
    full_1_0 = judged(PIXEL_BATCH, pixel_batch(*[event_1_0()] * 50))
    assert (full_2_0.code, full_1_0.code) == (0, 0)


def test_app_events_need_the_allowlist() -> None:
    """Rule 31: unless the option says that this developer is on it."""
    body = event_track(event_2_0(app__app_id="id1"), source="app")
    refused = judged(EVENT_TRACK, body, SandboxOptions())
    assert (refused.code, refused.rule) == (40118, 31)
    assert judged(EVENT_TRACK, body, SandboxOptions(allow_app_events=True)).code == 0


@pytest.mark.parametrize(
    ("token", "code", "rule", "message"),
    [
        (None, 40104, 3, "Access token is null, you should set it in http header with key Access-Token."),
        ("", 40104, 3, "Access token is empty"),
        ("Bearer known", 40105, 4, "Access token is incorrect or has been revoked."),
        ("unknown", 40105, 4, "Access token is incorrect or has been revoked."),
    ],
)
def test_a_bad_token_is_refused(token: str | None, code: int, rule: int, message: str) -> None:
    """Before anything else is looked at."""
    verdict = judged(EVENT_TRACK, b"{", grants={"known": None}, token=token)
    assert (verdict.code, verdict.rule, verdict.message) == (code, rule, message)


@pytest.mark.parametrize(("path", "body"), [(EVENT_TRACK, GOOD), (PIXEL_TRACK, pixel_track(event_1_0()))])
def test_a_token_serves_its_own_pixels_only(path: str, body: Any) -> None:
    """Rule 5, in TikTok's words, and only for a token that was granted certain pixels."""
    verdict = judged(path, body, grants={TOKEN: ["OTHER"], "free": None})
    assert (verdict.code, verdict.rule) == (40001, 5)
    assert verdict.message == (
        "No permission to operate pixel code: PIXEL. You must be an admin or operator of this advertiser account."
    )
    assert judged(path, body, grants={TOKEN: ["PIXEL"]}).code == 0
    assert judged(path, body, grants={TOKEN: ["OTHER"], "free": None}, token="free").code == 0


def test_any_token_will_do_without_grants() -> None:
    """But none with the word Bearer before it, which TikTok does not know."""
    assert judged(EVENT_TRACK, GOOD, token="made-up").code == 0
    assert judged(EVENT_TRACK, GOOD, token="Bearer made-up").code == 40105


def _codes(options: SandboxOptions, requests: list[tuple[str, str, float]]) -> list[int | None]:
    """The codes for requests of (token, pixel, seconds later)."""
    judge = Judge(options, None, Script())
    return [
        judge.judge(
            read_arrival(ENDPOINTS[EVENT_TRACK], json.dumps(event_track(event_2_0(), pixel=pixel)).encode()),
            Head(token, "application/json", NOW_SECONDS + later),
            None,
        ).code
        for token, pixel, later in requests
    ]


def test_the_rate_limit_is_per_token_and_second() -> None:
    """Rule 45: two a second for each token, and again two in the next second."""
    later_seconds = [0.0, 0.1, 0.2, 0.9, 1.0, 1.1, 1.2]
    codes = _codes(SandboxOptions(requests_per_second=2), [("a", "P", later) for later in later_seconds])
    assert codes == [0, 0, 40100, 40100, 0, 0, 40100]
    assert _codes(SandboxOptions(requests_per_second=1), [("a", "P", 0), ("b", "P", 0)]) == [0, 0]


def test_a_hot_pixel_has_a_limit_of_its_own() -> None:
    """Rule 46: the other pixel of the same token goes on."""
    codes = _codes(SandboxOptions(pixel_requests_per_second=1), [("a", "P", 0), ("a", "P", 0), ("a", "Q", 0)])
    assert codes == [0, 40132, 0]


def test_a_rate_limit_can_be_a_gateways() -> None:
    """HTTP 429 without a code, with Retry-After."""
    judge = Judge(SandboxOptions(requests_per_second=1, rate_limit_status=429, retry_after_seconds=2), None, Script())
    arrival = read_arrival(ENDPOINTS[EVENT_TRACK], json.dumps(GOOD).encode())
    head = Head("a", "application/json", NOW_SECONDS)
    assert judge.judge(arrival, head, None).code == 0
    verdict = judge.judge(arrival, head, None)
    assert isinstance(verdict.step, Http)
    assert (verdict.step.status, verdict.step.headers, verdict.code) == (429, {"Retry-After": "2"}, None)


@pytest.mark.parametrize(
    ("code", "status"), [(40100, 401), (40104, 401), (40105, 401), (40002, 400), (40001, 400), (40132, 200), (0, 200)]
)
def test_statuses_follow_codes_if_told_so(code: int, status: int) -> None:
    """Otherwise every answer is HTTP 200."""
    verdict = Verdict(step=Code(code=code))
    assert (verdict.status(by_code=True), verdict.status(by_code=False)) == (status, 200)
