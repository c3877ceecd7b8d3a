"""TikTok's three endpoints over HTTP: paths, methods, statuses, the form of answers, and the log."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientTimeout

from tests.integration.sandbox_client import sandbox_client
from tests.unit.tiktok_sandbox.requests import (
    EVENT_TRACK,
    PIXEL_BATCH,
    PIXEL_TRACK,
    event_1_0,
    event_2_0,
    event_track,
    pixel_batch,
    pixel_track,
)
from tiktok_sandbox import Code, Sandbox, SandboxError, SandboxOptions, Silence

BODIES: dict[str, Any] = {
    PIXEL_TRACK: pixel_track(event_1_0()),
    PIXEL_BATCH: pixel_batch(event_1_0(), event_1_0(event_id="e-2")),
    EVENT_TRACK: event_track(event_2_0(), event_2_0(event_id="e-2")),
}


@pytest.mark.parametrize("path", BODIES)
async def test_success_has_tiktoks_form(path: str) -> None:
    """HTTP 200 with code, message, a request id and empty data; each request has its own id."""
    async with sandbox_client() as client:
        status, headers, body = await client.post(path, BODIES[path])
        answer = json.loads(body)
        assert status == 200
        assert headers["Content-Type"] == "application/json"
        assert headers["X-TT-LOGID"] == answer["request_id"]
        assert {**answer, "request_id": ""} == {"code": 0, "message": "OK", "request_id": "", "data": {}}
        _, _, second = await client.post(path, BODIES[path])
        assert json.loads(second)["request_id"] != answer["request_id"]


async def test_answers_are_dated_by_the_sandboxs_clock() -> None:
    """So that a test can have a TikTok whose clock differs; a step of the script may date its answer itself."""
    now_seconds = 1_735_689_660.0
    async with sandbox_client(now_seconds=lambda: now_seconds) as client:
        for path, body in ((EVENT_TRACK, BODIES[EVENT_TRACK]), ("/nothing", {})):
            _, headers, _ = await client.post(path, body)
            assert headers["Date"] == "Wed, 01 Jan 2025 00:01:00 GMT"
        now_seconds += 86_400
        async with client.session.head(client.sandbox.url + "/") as answer:
            assert answer.headers["Date"] == "Thu, 02 Jan 2025 00:01:00 GMT"
        client.sandbox.script.for_requests(Code(code=0, headers={"Date": "Fri, 03 Jan 2025 00:00:00 GMT"}))
        _, headers, _ = await client.post(EVENT_TRACK, BODIES[EVENT_TRACK])
        assert headers["Date"] == "Fri, 03 Jan 2025 00:00:00 GMT"


@pytest.mark.parametrize("path", [EVENT_TRACK[:-1], PIXEL_TRACK[:-1], "/open_api/v1.2/pixel/track/", "/nothing"])
async def test_any_other_path_is_not_found(path: str) -> None:
    """Rule 1: also a path without its last slash, with TikTok's text instead of JSON."""
    async with sandbox_client() as client:
        status, headers, body = await client.post(path, BODIES[EVENT_TRACK])
        assert (status, body) == (404, b"404 page not found")
        assert headers["Content-Type"].startswith("text/plain")
        assert client.sandbox.counts().requests == 0


@pytest.mark.parametrize("path", BODIES)
async def test_other_methods_are_refused(path: str) -> None:
    """Rule 2: by HTTP itself."""
    async with sandbox_client() as client, client.session.get(client.sandbox.url + path) as answer:
        assert answer.status == 405


async def test_statuses_follow_codes_if_told_so() -> None:
    """HTTP 400 and 401 with the same JSON; without the option, HTTP 200."""
    bad = event_track(event_2_0(event_id=7))
    for options, statuses in ((SandboxOptions(), [200, 200]), (SandboxOptions(status_by_code=True), [401, 400])):
        async with sandbox_client(options) as client:
            answers = [await client.post(EVENT_TRACK, bad, token=None), await client.post(EVENT_TRACK, bad)]
            assert [status for status, _, _ in answers] == statuses
            assert [json.loads(body)["code"] for _, _, body in answers] == [40104, 40002]


async def test_one_bad_event_refuses_all_of_its_request() -> None:
    """Nothing of the request is delivered, and the answer names the bad one."""
    async with sandbox_client() as client:
        body = event_track(event_2_0(event_id="a"), event_2_0(event_id="b", event=""), event_2_0(event_id="c"))
        _, _, answer = await client.post(EVENT_TRACK, body)
        assert json.loads(answer)["message"] == "Invalid value for data.1.event: not a valid string."
        counts = client.sandbox.counts()
        assert (counts.events, counts.delivered, counts.refused) == (3, 0, 3)
        assert {event.code for event in client.sandbox.events()} == {40002}


async def test_a_duplicate_is_answered_like_any_other() -> None:
    """Rule 43: code 0, and only the record says that TikTok would discard it."""
    async with sandbox_client() as client:
        assert [await client.send_events("a"), await client.send_events("a", "b")] == [0, 0]
        assert [event.duplicate for event in client.sandbox.events()] == [False, True, False]
        counts = client.sandbox.counts()
        assert (counts.delivered, counts.duplicates) == (2, 1)


async def test_a_gateways_rate_limit_has_no_code() -> None:
    """HTTP 429 and Retry-After, without JSON."""
    options = SandboxOptions(requests_per_second=1, rate_limit_status=429, retry_after_seconds=2)
    async with sandbox_client(options) as client:
        answers = [await client.post(EVENT_TRACK, BODIES[EVENT_TRACK]) for _ in range(4)]
        refused = [(status, headers, body) for status, headers, body in answers if status == 429]
        assert refused
        assert all(headers["Retry-After"] == "2" and b"code" not in body for _, headers, body in refused)


async def test_a_body_beyond_the_limit_is_refused_by_http() -> None:
    """413, and nothing of it is kept."""
    async with sandbox_client(SandboxOptions(max_body_bytes=1000)) as client:
        status, _, _ = await client.post(EVENT_TRACK, b" " * 2000)
        assert status == 413
        assert client.sandbox.counts().requests == 0


def _lines(log_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log_path.read_text().splitlines()]


async def test_the_log_has_a_line_for_each_event(tmp_path: Path) -> None:
    """Path, pixel, name, id, code and whether it is a duplicate, refused events included, token and payload not."""
    log_path = tmp_path / "received.jsonl"
    log_path.write_text('{"earlier": true}\n')
    async with sandbox_client(log_path=log_path) as client:
        await client.send_events("a")
        await client.send_events("a", "b")
        await client.post(PIXEL_TRACK, pixel_track(event_1_0(event_id=5)))
    purchase = {"path": EVENT_TRACK, "event_source_id": "P", "event": "Purchase", "code": 0}
    assert _lines(log_path) == [
        {"earlier": True},
        {**purchase, "event_id": "a", "duplicate": False},
        {**purchase, "event_id": "a", "duplicate": True},
        {**purchase, "event_id": "b", "duplicate": False},
        {
            "path": PIXEL_TRACK,
            "event_source_id": "PIXEL",
            "event": "CompletePayment",
            "event_id": "5",
            "code": 40002,
            "duplicate": False,
        },
    ]


async def test_an_event_is_in_the_log_before_its_answer(tmp_path: Path) -> None:
    """At the moment when the answer is read, and while one is still held back."""
    log_path = tmp_path / "received.jsonl"
    async with sandbox_client(log_path=log_path) as client:
        for number in range(20):
            await client.send_events(str(number))
            assert _lines(log_path)[-1]["event_id"] == str(number)
        client.sandbox.script.for_requests(Silence())
        with pytest.raises(TimeoutError):
            async with client.session.post(
                client.sandbox.url + EVENT_TRACK,
                json=event_track(event_2_0(event_id="silent")),
                timeout=ClientTimeout(total=0.2),
            ):
                pass
        assert _lines(log_path)[-1] == {
            "path": EVENT_TRACK,
            "event_source_id": "PIXEL",
            "event": "Purchase",
            "event_id": "silent",
            "code": None,
            "duplicate": False,
        }


async def test_a_log_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    """One clear sentence."""
    sandbox = Sandbox(log_path=tmp_path / "missing" / "received.jsonl")
    with pytest.raises(SandboxError, match=r"^Cannot write the log .*received\.jsonl: No such file or directory\.$"):
        await sandbox.start()


async def test_a_taken_port_stops_the_start() -> None:
    """One clear sentence that names the port; what was opened is closed."""
    async with Sandbox() as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(
            SandboxError, match=rf"cannot listen on 127\.0\.0\.1, port {port}: Address already in use\.$"
        ):
            await Sandbox().start(port=port)


async def test_an_address_of_another_machine_stops_the_start() -> None:
    """One clear sentence in the words of the system, or of Python 3.13 and newer."""
    reason = "(Cannot assign requested address|could not bind on any address)"
    with pytest.raises(SandboxError, match=rf"^The sandbox cannot listen on 203\.0\.113\.1, port 0: {reason}"):
        await Sandbox().start("203.0.113.1")


async def test_it_can_be_started_again_and_keeps_its_memory() -> None:
    """Stopping is no forgetting."""
    sandbox = Sandbox()
    sandbox.script.for_requests(Code(code=50000))
    for _ in range(2):
        await sandbox.start()
        await sandbox.stop()
    assert sandbox.script.remaining().requests == [Code(code=50000)]
