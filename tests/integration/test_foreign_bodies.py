"""Bodies that are JSON and hold no batch: what their sender took for one is said, counted and shown."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_rig import AUTHORIZATION, BASIC, Service, fresh_batch, running_service
from tests.patience import wait_until
from tests.unit.mapping.batches import purchase
from tiktok_forwarder.activity.records import KeptRecord, RecordFilter

WEBHOOK = {"Authorization": AUTHORIZATION}
ROUTES = [
    ("/v2/events", BASIC, 202),
    ("/v2/bulkevents", BASIC, 202),
    ("/webhook/shop", WEBHOOK, 202),
    ("/firehose/shop", WEBHOOK, 200),
]
NO_BATCH = "This is not an mParticle batch: it is "
FOREIGN: dict[str, tuple[dict[str, Any], str]] = {
    "empty": ({}, f"{NO_BATCH}an empty object."),
    "bare event": (purchase(), f"{NO_BATCH}an event without its batch; put it into the list events of a batch."),
    "envelope": (
        {"batch": fresh_batch("m1")},
        f"{NO_BATCH}an envelope around a batch; send what is in its member batch.",
    ),
    "mobile upload": (
        {"dt": "h", "id": "u1", "ct": 1, "msgs": [{"dt": "e", "n": "Add to cart"}], "mpid": 7, "events": []},
        f"{NO_BATCH}an upload of an mParticle mobile SDK; send the batches that mParticle makes of it.",
    ),
    "queue": ({"Records": [{"body": "{}"}]}, f"{NO_BATCH}an envelope of a queue; send what is in its records."),
    "anything": ({"ip": "203.0.113.9", "environment": "production"}, "neither events nor another member of a batch."),
    "no list": ({"events": {"0": purchase()}, "mpid": 7}, "The events of the batch are an object, not a list."),
}


async def dropped_records(service: Service, count: int) -> list[KeptRecord]:
    """What Activity shows of drops, once it has this many."""
    kept: list[KeptRecord] = []

    async def written() -> bool:
        kept[:] = await service.services.activity.recent(RecordFilter(outcome="dropped"))
        return len(kept) >= count

    await wait_until(written)
    return kept


@pytest.mark.parametrize("form", FOREIGN)
@pytest.mark.parametrize(("path", "headers", "accepted"), ROUTES, ids=lambda each: each if str(each)[0] == "/" else "")
async def test_a_body_without_a_batch_is_answered_400(
    path: str, headers: dict[str, str], accepted: int, form: str, tmp_path: Path
) -> None:
    """On every route the answer says what the body looks like; the drop is counted, and Activity has the sentence."""
    body, words = FOREIGN[form]
    async with running_service(tmp_path, store="memory") as service:
        connection_id = await service.add_connection()
        answer = await service.post(path, body, headers)
        assert answer.status == 400
        (error,) = answer.json["errors"]
        assert error["code"] == "BAD_REQUEST" and words in error["message"]
        (connection,) = (await service.status())["connections"]
        assert (connection["totals"], connection["dropped"]) == ({"accepted": 1, "dropped": 1}, {"malformed_event": 1})
        (kept,) = await dropped_records(service, 1)
        assert (kept.record.reason, kept.record.facts.detail) == ("malformed_event", error["message"])
        metrics = await service.metrics()
        assert (await service.post(path, fresh_batch("m1"), headers)).status == accepted
    label = f'connection="{connection_id}",outcome="dropped",reason="malformed_event"'
    assert f"tiktok_forwarder_events_total{{{label}}} 1.0" in metrics
    assert 'tiktok_forwarder_received_events_total{input="shop"} 1.0' in metrics


@pytest.mark.parametrize(("path", "headers", "accepted"), ROUTES, ids=lambda each: each if str(each)[0] == "/" else "")
async def test_one_batch_among_others_is_accepted(
    path: str, headers: dict[str, str], accepted: int, tmp_path: Path
) -> None:
    """A bulk body with one good batch is not refused, since its sender would lose that too; the rest is counted."""
    body = [FOREIGN["empty"][0], fresh_batch("m1"), FOREIGN["mobile upload"][0]]
    async with running_service(tmp_path, store="memory") as service:
        await service.add_connection()
        assert (await service.post(path, body, headers)).status == accepted
        (connection,) = (await service.status())["connections"]
        details = {each.record.facts.detail for each in await dropped_records(service, 2)}
    assert (connection["totals"], connection["dropped"]) == ({"accepted": 3, "dropped": 2}, {"malformed_event": 2})
    assert details == {FOREIGN["empty"][1], FOREIGN["mobile upload"][1]}


async def test_several_bodies_without_a_batch_are_refused_together(tmp_path: Path) -> None:
    """A list of nothing but foreign objects, or lines of them, gets the sentence of the first; each is counted."""
    foreign = [FOREIGN["envelope"][0], FOREIGN["empty"][0]]
    lines = b"\n".join(json.dumps(each).encode() for each in foreign)
    async with running_service(tmp_path, store="memory") as service:
        await service.add_connection()
        for body in (foreign, lines):
            answer = await service.post("/v2/bulkevents", body)
            assert answer.status == 400 and answer.json["errors"][0]["message"] == FOREIGN["envelope"][1]
        (connection,) = (await service.status())["connections"]
    assert connection["dropped"] == {"malformed_event": 4}


async def test_a_historical_body_without_a_batch_is_answered_400(tmp_path: Path) -> None:
    """Historical events are not forwarded, but a sender that sends something else must learn it there too."""
    async with running_service(tmp_path, store="memory") as service:
        answer = await service.post("/v2/bulkevents/historical", [{}])
        assert (answer.status, answer.json["errors"][0]["message"]) == (400, FOREIGN["empty"][1])
        assert (await service.post("/v2/bulkevents/historical", [{}, fresh_batch("m1")])).status == 202


@pytest.mark.parametrize(
    "body", [{"events": []}, {"events": None}, {"mpid": 7}, {"user_identities": None}, [], [{"source_request_id": "r"}]]
)
async def test_a_batch_without_events_is_accepted(body: object, tmp_path: Path) -> None:
    """mParticle sends batches without events; a member of a batch is enough to be one."""
    async with running_service(tmp_path, store="memory") as service:
        await service.add_connection()
        answer = await service.post(body=body)
        (connection,) = (await service.status())["connections"]
    assert (answer.status, connection["totals"]) == (202, {"dropped": 0})
