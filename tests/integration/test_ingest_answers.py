"""What senders are answered, word by word: they decide by it whether to send again."""

import gzip
import json
import re
import uuid
from pathlib import Path

import pytest

from tests.integration.service_rig import AUTHORIZATION, BASIC, KEY, SECRET, basic, fresh_batch, running_service
from tiktok_forwarder.store.dead_letters import DeadLetterFilter

WEBHOOK = {"Authorization": AUTHORIZATION}


@pytest.mark.parametrize("path", ["/v2/events", "/v2/bulkevents", "/v2/bulkevents/historical"])
async def test_the_events_api_is_answered_as_mparticle_answers(path: str, tmp_path: Path) -> None:
    """202 without a body, on every path of the Events API, for a batch and for a list of batches."""
    async with running_service(tmp_path) as service:
        for body in (fresh_batch("m1"), [fresh_batch("m2"), fresh_batch("m3")]):
            answer = await service.post(path, body)
            assert (answer.status, answer.body) == (202, b"")


async def test_a_webhook_is_answered_202(tmp_path: Path) -> None:
    """The input's name stands in the address, in any case; its value in the header."""
    async with running_service(tmp_path) as service:
        for path in ("/webhook/shop", "/webhook/SHOP"):
            assert (await service.post(path, fresh_batch("m1"), WEBHOOK)).status == 202


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v2//events", BASIC),
        ("/v2/events/", BASIC),
        ("//v2/events", BASIC),
        ("/v2/bulkevents//historical//", BASIC),
        ("/webhook//shop", WEBHOOK),
        ("//webhook/shop/", WEBHOOK),
        ("/firehose/shop/", WEBHOOK),
    ],
)
async def test_extra_slashes_in_a_path_change_nothing(path: str, headers: dict[str, str], tmp_path: Path) -> None:
    """A base path that ends in a slash must not cost a sender its events."""
    async with running_service(tmp_path, store="memory") as service:
        assert (await service.post(path, fresh_batch("m1"), headers)).status in (200, 202)
        assert (await service.post(path, fresh_batch("m1"), basic(KEY, "wrong-secret"))).status == 403
        metrics = await service.metrics()
    assert 'route="unknown"' not in metrics


async def test_firehose_is_answered_with_its_response_message(tmp_path: Path) -> None:
    """200, with the message that mParticle's Firehose reads."""
    request = {"type": "event_processing_request", "id": "r1", "firehose_version": "3.2.0", "events": []}
    async with running_service(tmp_path) as service:
        answer = await service.post("/firehose/shop", request, WEBHOOK)
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    message = answer.json
    assert message["type"] == "event_processing_response" and message["firehose_version"] == "3.2.0"
    assert uuid.UUID(message["id"]) and message["timestamp_ms"] > 1_700_000_000_000


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "code", "words"),
    [
        ("/v2/events", {}, b"{}", 401, "UNAUTHORIZED", "header is missing"),
        ("/webhook/shop", {}, b"{}", 401, "UNAUTHORIZED", "header is missing"),
        ("/v2/events", basic(KEY, "wrong-secret"), b"{}", 403, "FORBIDDEN", "invalid key or secret"),
        ("/v2/events", basic("nobody", SECRET), b"{}", 403, "FORBIDDEN", "invalid key or secret"),
        ("/v2/events", {"Authorization": "Basic"}, b"{}", 403, "FORBIDDEN", "invalid key or secret"),
        ("/v2/events", {"Authorization": "Basic %%%"}, b"{}", 403, "FORBIDDEN", "invalid key or secret"),
        ("/v2/events", {"Authorization": "Basic /////w=="}, b"{}", 403, "FORBIDDEN", "invalid key or secret"),
        ("/v2/events", WEBHOOK, b"{}", 403, "FORBIDDEN", "invalid key or secret"),
        ("/webhook/shop", BASIC, b"{}", 403, "FORBIDDEN", "Authorization value"),
        ("/webhook/other", WEBHOOK, b"{}", 403, "FORBIDDEN", "Authorization value"),
        ("/webhook/", WEBHOOK, b"{}", 404, "NOT_FOUND", "path /webhook/ not found"),
        ("/webhook/shop/more", WEBHOOK, b"{}", 404, "NOT_FOUND", "path /webhook/shop/more not found"),
        ("/v2/identify", BASIC, b"{}", 404, "NOT_FOUND", "path /v2/identify not found"),
        ("/v2/events/more", BASIC, b"{}", 404, "NOT_FOUND", "path /v2/events/more not found"),
        ("//elsewhere//", BASIC, b"{}", 404, "NOT_FOUND", "no page has this address"),
        ("/elsewhere", BASIC, b"{}", 404, "NOT_FOUND", "no page has this address"),
        ("/v2/events", BASIC, b"", 400, "BAD_REQUEST", "empty"),
        ("/v2/events", BASIC, b'{"events":[', 400, "BAD_REQUEST", ""),
        ("/v2/events", BASIC, b"[" * 5000, 400, "BAD_REQUEST", "200 levels"),
        ("/v2/events", BASIC, b'"text"', 400, "BAD_REQUEST", "a text"),
        ("/v2/events", {**BASIC, "Content-Encoding": "gzip"}, b"plain", 400, "BAD_REQUEST", "content-encoding"),
        ("/v2/events", {**BASIC, "Content-Encoding": "br"}, b"plain", 400, "BAD_REQUEST", "content-encoding"),
        ("/v2/events", BASIC, b" " * 1_048_577, 413, "TOO_LARGE", "1048576 bytes"),
        ("/v2/events", BASIC, b'{"events":[' + b"{}," * 10_000 + b"{}]}", 413, "TOO_LARGE", "more than 10000 events"),
    ],
)
async def test_refusals_say_why(
    path: str, headers: dict[str, str], body: bytes, status: int, code: str, words: str, tmp_path: Path
) -> None:
    """Every refusal has mParticle's error body with one message that names the cause."""
    async with running_service(tmp_path, store="memory") as service:
        answer = await service.post(path, body, headers)
    assert answer.status == status
    (error,) = answer.json["errors"]
    assert error["code"] == code and words in error["message"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused(method: str, tmp_path: Path) -> None:
    """405 says which method is meant."""
    async with running_service(tmp_path, store="memory") as service:
        answer = await service.request(method, "/v2/events", headers=BASIC)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_the_missing_header_is_asked_for(tmp_path: Path) -> None:
    """401 on the Events API names the scheme, as HTTP wants."""
    async with running_service(tmp_path, store="memory") as service:
        answer = await service.post(body=b"{}", headers={})
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


async def test_compressed_requests_are_taken(tmp_path: Path) -> None:
    """gzip is optional at mParticle and understood here."""
    async with running_service(tmp_path, store="memory") as service:
        await service.add_connection()
        body = gzip.compress(json.dumps(fresh_batch("m1")).encode())
        assert (await service.post(body=body, headers={**BASIC, "Content-Encoding": "gzip"})).status == 202
        (connection,) = (await service.status())["connections"]
    assert connection["totals"]["accepted"] == 1


async def test_a_malformed_event_costs_itself_alone(tmp_path: Path) -> None:
    """A batch with one broken event is accepted: the rest is stored, that one counted as dropped."""
    batch = fresh_batch("m1", "m2")
    batch["events"].insert(1, "no event")
    async with running_service(tmp_path) as service:
        await service.add_connection()
        assert (await service.post(body=batch)).status == 202
        (connection,) = (await service.status())["connections"]
    assert (connection["totals"], connection["dropped"]) == ({"accepted": 3, "dropped": 1}, {"malformed_event": 1})


async def test_historical_events_are_counted_and_not_forwarded(tmp_path: Path) -> None:
    """They stand in the metrics, and in no connection's books."""
    async with running_service(tmp_path) as service:
        await service.add_connection()
        assert (await service.post("/v2/bulkevents/historical", [fresh_batch("m1", "m2")])).status == 202
        metrics = await service.metrics()
        (connection,) = (await service.status())["connections"]
    assert 'tiktok_forwarder_historical_events_total{input="shop"} 2.0' in metrics
    assert (connection["totals"], connection["queue"]) == ({"dropped": 0}, None)


async def test_a_full_store_asks_for_patience(tmp_path: Path) -> None:
    """When nothing more fits senders get 503 with a time to wait, never 507, and readiness says why."""
    async with running_service(tmp_path, max_store_bytes=1024 * 1024) as service:
        for name in ("One", "Two", "Three"):
            await service.add_connection(name)
        for number in range(100):
            answer = await service.post(body=fresh_batch(*[f"{number}-{index}" for index in range(50)]))
            if answer.status != 202:
                break
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert answer.json["errors"][0]["code"] == "UNAVAILABLE" and "full" in answer.json["errors"][0]["message"]
        ready = await service.request("GET", "/readyz")
        assert (ready.status, ready.json) == (503, {"ready": False, "reasons": ["full"]})
        assert (await service.request("GET", "/healthz")).status == 200


async def test_full_connection_is_answered_with_503_until_it_has_room(tmp_path: Path) -> None:
    """Every event that was answered 202 waits; the sender of the others is asked to repeat them."""
    async with running_service(tmp_path, max_store_bytes=1024 * 1024) as service:
        await service.add_connection()
        answer = await service.post(body=fresh_batch("first"))
        accepted = 0
        while answer.status == 202:
            accepted += 1
            answer = await service.post(body=fresh_batch(f"e{accepted}"))
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert "storage quota" in answer.json["errors"][0]["message"]
        (connection,) = (await service.status())["connections"]
        assert (connection["totals"], connection["dropped"]) == ({"accepted": accepted, "dropped": 0}, {})
        assert connection["queue"]["waiting"] == accepted and "storage quota" in connection["warnings"][0]
        metrics = await service.metrics()
        assert 'reason="connection_full",route="/v2/events",status="503"} 1.0' in metrics
        (used,) = re.findall(r"^tiktok_forwarder_connection_quota_used_ratio\{.*\} ([0-9.]+)$", metrics, re.MULTILINE)
        assert 0.9 < float(used) <= 1
        assert (await service.request("GET", "/readyz")).status == 200
        await service.services.store.dead_letter_all(connection["id"], "connection_deleted", 0)
        assert (await service.post(body=fresh_batch(f"e{accepted}"))).status == 503
        await service.services.store.discard(DeadLetterFilter(), 0)
        assert (await service.post(body=fresh_batch(f"e{accepted}"))).status == 202


async def test_refusals_are_counted_by_reason(tmp_path: Path) -> None:
    """A refusal is data that a sender loses: each stands in the metrics under its route, status and reason."""
    async with running_service(tmp_path, store="memory") as service:
        await service.post(body=b"{", headers=BASIC)
        await service.post(body=b"{}", headers={})
        await service.post("/webhook/shop", b"{}", BASIC)
        metrics = await service.metrics()
    for labels in (
        'reason="unreadable",route="/v2/events",status="400"',
        'reason="no_credentials",route="/v2/events",status="401"',
        'reason="bad_credentials",route="/webhook/",status="403"',
    ):
        assert f"tiktok_forwarder_requests_total{{{labels}}} 1.0" in metrics


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
async def test_metrics_are_for_this_machine(header: str, tmp_path: Path) -> None:
    """What comes through a proxy is not of this machine, whatever address the proxy has."""
    async with running_service(tmp_path, store="memory") as service:
        assert (await service.request("GET", "/metrics", headers={header: "203.0.113.9"})).status == 401
        assert (await service.request("GET", "/metrics")).status == 200
