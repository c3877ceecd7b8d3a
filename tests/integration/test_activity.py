"""The activity of a real service: its figures against the store's books, its records through the API, and a crash."""

import asyncio
import json
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_process import add_shop, serving
from tests.integration.service_rig import Answer, Service, fresh_batch, running_service
from tests.patience import wait_until
from tests.store_choice import stored_contents
from tests.unit.mapping.batches import purchase
from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.activity.development_events import DevelopmentEvents
from tiktok_forwarder.activity.figures import SERVICE, FigureSet, figure_set
from tiktok_forwarder.activity.records import Record, RecordFilter
from tiktok_forwarder.activity.seen_names import SeenNames
from tiktok_forwarder.setting_reading import load_settings
from tiktok_sandbox import Code, Sandbox

pytestmark = pytest.mark.slow

Books = dict[tuple[str, str, str], int]


async def books_of_the_store(service: Service) -> Books:
    rows = await service.services.store.totals()
    return {(row.connection_id, row.counter, row.reason): row.count for row in rows if row.count}


async def figures_of(service: Service) -> Mapping[str, FigureSet]:
    """By connection id, over all time; without those of the inputs themselves."""
    found: dict[str, list[dict[str, int]]] = {}
    for each in await service.services.activity.figures(0, (time.time_ns() // 1_000_000) + 60_000):
        if each.connection_id != SERVICE:
            found.setdefault(each.connection_id, []).append(each.figures)
    return {connection_id: figure_set(figures) for connection_id, figures in found.items()}


async def books_of_the_activity(service: Service) -> Books:
    """The figures in the store's words."""
    books: Books = {}
    for connection_id, figures in (await figures_of(service)).items():
        books[connection_id, "accepted", ""] = figures.accepted
        books[connection_id, "duplicate", ""] = figures.duplicate
        books[connection_id, "delivered", ""] = figures.delivered
        books[connection_id, "dead_lettered", ""] = figures.dead_lettered - figures.replayed
        books[connection_id, "replayed", ""] = figures.replayed
        books |= {(connection_id, "dropped", reason): count for reason, count in figures.dropped.items()}
        assert figures.accepted == figures.mapped + sum(figures.dropped.values())
        assert figures.dead_lettered == sum(figures.dead_letters.values())
    return {key: count for key, count in books.items() if count}


async def way_of(service: Service, connection_id: str, event_id: str) -> list[Record]:
    kept = await service.services.activity.way(connection_id, "PlaceAnOrder", event_id)
    return [each.record for each in kept]


async def test_the_figures_balance_with_the_books(tmp_path: Path) -> None:
    """Traffic with drops, repeats, poison, retries, bursts and a restart: each total of the store is the activity's."""
    async with Sandbox() as sandbox:
        sandbox.script.poison("m7")
        sandbox.script.for_requests(Code(code=40700, times=2))
        async with running_service(tmp_path, sandbox.url) as service:
            await service.add_connection("New")
            await service.add_connection("Old", events_api="1.0")
            await service.add_connection("Strict", consent_purpose="Marketing")
            for start in range(0, 300, 30):
                ids = [f"m{number}" for number in range(start, start + 30)]
                assert (await service.post(body=fresh_batch(*ids))).status == 202
            await service.post(body=fresh_batch("m0", "m1", "fresh"))
            refund = purchase(source_message_id="r1", product_action={"action": "refund"})
            mixed = fresh_batch("last")
            mixed["events"] += [refund, 7]
            await service.post(body=mixed)
            await service.until_delivered(sandbox, 602)
            assert await books_of_the_activity(service) == await books_of_the_store(service)
        async with running_service(tmp_path, sandbox.url) as service:
            await service.post(body=fresh_batch("after"))
            await service.until_delivered(sandbox, 604)
            books = await books_of_the_store(service)
            assert await books_of_the_activity(service) == books
    counters = {(counter, reason) for _, counter, reason in books}
    assert counters == {
        ("accepted", ""),
        ("duplicate", ""),
        ("delivered", ""),
        ("dead_lettered", ""),
        ("dropped", "consent_not_given"),
        ("dropped", "unsupported_event"),
        ("dropped", "malformed_event"),
    }


async def test_a_way_leads_over_restart_and_retry(tmp_path: Path) -> None:
    """An event accepted by one process and delivered by another has one way, with TikTok's request id at its end."""
    async with running_service(tmp_path) as service:
        connection_id = await service.add_connection()
        await service.post(body=fresh_batch("m1"))

        async def tried() -> bool:
            return any(record.outcome == "retry" for record in await way_of(service, connection_id, "m1"))

        await wait_until(tried)
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url) as service:
        await service.until_delivered(sandbox, 1)

        async def delivered() -> bool:
            return (await way_of(service, connection_id, "m1"))[-1].outcome == "delivered"

        await wait_until(delivered)
        way = await way_of(service, connection_id, "m1")
    outcomes = [record.outcome for record in way]
    assert outcomes[0] == "accepted" and outcomes[-1] == "delivered" and set(outcomes[1:-1]) == {"retry"}
    assert way[1].facts.answer is not None and "no answer" in way[1].facts.answer.message
    assert way[-1].facts.answer is not None and way[-1].facts.answer.request_id


@pytest.mark.both_stores
async def test_no_raw_identity_reaches_the_activity(tmp_path: Path) -> None:
    """The activity holds digests, IP address and user agent of events sent, nothing of those dropped for consent."""
    identities = {"email": "jane.roe@example.com", "mobile_number": "+14155550123", "customer_id": "cust-829311"}
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url) as service:
        await service.add_connection("Shop")
        await service.add_connection("Strict", consent_purpose="Marketing")
        await service.post(body=fresh_batch("m1", "m2", user_identities=identities, mpid="mpid-4711"))
        await service.until_delivered(sandbox, 2)
    kept = b"".join(content for name, content in stored_contents(tmp_path).items() if name.startswith("activity"))
    assert b"203.0.113." in kept and b"consent_not_given" in kept
    for raw in (b"jane.roe", b"4155550123", b"cust-829311", b"mpid-4711"):
        assert raw not in kept


async def test_a_service_in_memory_leaves_no_file(tmp_path: Path) -> None:
    """What is lost at exit needs no file, and is there until then."""
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url, store="memory") as service:
        connection_id = await service.add_connection()
        await service.post(body=fresh_batch("m1"))
        await service.until_delivered(sandbox, 1)
        assert (await figures_of(service))[connection_id].delivered == 1
    assert not [name for name in files_of(tmp_path) if name.startswith("activity")]
    assert load_settings(None, {}, store="memory").activity_file is None


def files_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


# --- the API ---------------------------------------------------------------------------------------------------------


class Asked:
    """The API of a service that has delivered `m1`, refused `bad` and dropped `r1`."""

    def __init__(self, service: Service, key: str, connection_id: str) -> None:
        self._service = service
        self._headers = {"Authorization": f"Bearer {key}"}
        self.connection_id = connection_id

    async def get(self, path: str) -> Answer:
        return await self._service.request("GET", path, headers=self._headers)

    async def json(self, path: str) -> Any:
        answer = await self.get(path)
        assert answer.status == 200, answer.body
        return answer.json

    async def refused(self, path: str) -> tuple[int, str]:
        answer = await self.get(path)
        return answer.status, " ".join(error["message"] for error in answer.json["errors"])


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Asked]:
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url) as service:
        sandbox.script.poison("bad")
        connection_id = await service.add_connection("Shop")
        batch = fresh_batch("m1", "bad")
        batch["events"].append(purchase(source_message_id="r1", product_action={"action": "refund"}))
        await service.post(body=batch)
        key = (await service.services.api_keys.make("tests", "read", "test")).key

        async def all_is_written() -> bool:
            kept = await service.services.activity.recent(RecordFilter())
            return len(kept) >= 6

        await wait_until(all_is_written)
        yield Asked(service, key, connection_id)


async def test_the_api_lists_what_happened(asked: Asked) -> None:
    """Newest first, by conditions and pages, with names of connections, answers and payloads."""
    everything = await asked.json("/api/activity")
    assert everything["newest"] == everything["records"][0]["record_no"]
    assert everything["lost_records"] == 0 and everything["before"] is None
    numbers = [record["record_no"] for record in everything["records"]]
    assert numbers == sorted(numbers, reverse=True)
    assert {record["connection"] for record in everything["records"]} == {"Shop"}
    (dead,) = (await asked.json("/api/activity?connection=Shop&outcome=dead_letter"))["records"]
    assert (dead["event_id"], dead["reason"], dead["answer"]["code"]) == ("bad", "refused", 40002)
    assert dead["payload"]["event_id"] == "bad" and dead["attempts"] == 1
    (drop,) = (await asked.json(f"/api/activity?connection={asked.connection_id}&reason=unsupported_event"))["records"]
    assert (drop["event"], drop["event_id"], drop["source"]) == ("", "r1", "commerce_event refund")
    first = await asked.json("/api/activity?limit=2")
    rest = await asked.json(f"/api/activity?before={first['before']}")
    assert [*first["records"], *rest["records"]] == everything["records"]
    newer = await asked.json(f"/api/activity?after={numbers[2]}")
    assert [record["record_no"] for record in newer["records"]] == numbers[:2]
    refused = (await asked.json("/api/activity?event_id=bad"))["records"]
    assert {record["outcome"] for record in refused} == {"accepted", "attempted", "dead_letter"}


async def test_the_api_shows_one_record(asked: Asked) -> None:
    """By its number, as the list has it; a number that no record has is told so."""
    records = (await asked.json("/api/activity"))["records"]
    assert await asked.json(f"/api/activity/record/{records[0]['record_no']}") == records[0]
    for text in ("999999", "x", "9" * 5000):
        status, message = await asked.refused(f"/api/activity/record/{text}")
        assert status == 404 and "not found: it is too old" in message


async def test_the_api_shows_an_events_way(asked: Asked) -> None:
    """One event from acceptance to its end; one that never came is told so."""
    way = await asked.json("/api/activity/Shop/PlaceAnOrder/m1")
    assert [record["outcome"] for record in way][0 :: len(way) - 1] == ["accepted", "delivered"]
    (drop,) = await asked.json(f"/api/activity/{asked.connection_id}/-/r1")
    assert drop["outcome"] == "dropped" and drop["detail"]
    status, message = await asked.refused("/api/activity/Shop/PlaceAnOrder/never")
    assert status == 404 and "never" in message and "Shop" in message


async def test_the_api_sums_figures(asked: Asked) -> None:
    """By connection over a time, as one sum and in steps that add up to it."""
    (sums,) = (await asked.json("/api/figures"))["connections"]
    total = sums["total"]
    assert (total["accepted"], total["mapped"], total["delivered"], total["dead_lettered"]) == (3, 2, 1, 1)
    assert total["dropped"] == {"unsupported_event": 1} and total["match_keys"]["external_id"] == 2
    assert sum(bucket["events"] for bucket in total["latency"]) == 1 and sums["steps"] == []
    (stepped,) = (await asked.json("/api/figures?connection=Shop&step_minutes=1"))["connections"]
    assert sum(step["figures"]["accepted"] for step in stepped["steps"]) == 3
    assert all(step["from_ms"] % 60_000 == 0 for step in stepped["steps"])
    assert (await asked.json("/api/figures?from_ms=0&until_ms=60000"))["connections"] == []
    assert (await asked.json("/api/figures?connection=Nobody"))["connections"] == []


async def test_the_api_sums_figures_by_input(asked: Asked) -> None:
    """What an input received, and what each connection made of it; the events of two connections are not added up."""
    (found,) = (await asked.json("/api/figures/inputs"))["inputs"]
    assert (found["input"], found["traffic"]) == ("shop", {"received": 3, "refused": {}})
    ((at),) = found["connections"]
    assert (at["connection_id"], at["connection"]) == (asked.connection_id, "Shop")
    figures = at["figures"]
    assert (figures["mapped"], figures["dropped"], figures["purchases"], figures["match_events"]) == (2, 1, 2, 2)
    (sums,) = (await asked.json("/api/figures"))["connections"]
    assert sums["total"]["inputs"] == {"shop": figures}
    assert (await asked.json("/api/figures/inputs?input=SHOP"))["inputs"] == [found]
    assert (await asked.json("/api/figures/inputs?input=other"))["inputs"] == []
    assert (await asked.json("/api/figures/inputs?from_ms=0&until_ms=60000"))["inputs"] == []


async def test_the_api_shows_results_by_event(asked: Asked) -> None:
    """Today, the same day last week and by day; sums are in millionths, and a delivery counts when it has happened."""
    view = await asked.json("/api/results?days=15")
    assert view["time_zone"] == "UTC" and view["today_ms"] - view["last_week_ms"] == 7 * 24 * 3_600_000
    (shop,) = view["connections"]
    assert (shop["connection_id"], shop["connection"]) == (asked.connection_id, "Shop")
    (event,) = shop["events"]
    today = event["today"]
    assert (event["event"], event["is_purchase"]) == ("PlaceAnOrder", True)
    assert (today["mapped"], today["delivered"], today["match_keys"]["external_id"]) == (2, 1, 2)
    assert today["values"] == [{"currency": "USD", "events": 2, "millionths": 25_000_000}]
    assert sum(event["today_by_hour"]) == 2 and event["last_week_by_hour"] == [0] * 24
    assert event["last_week"] == event["last_week_so_far"] != today
    assert [day["figures"]["mapped"] for day in event["days"]] == [2] + [0] * 14
    (plain,) = (await asked.json("/api/results"))["connections"]
    assert plain["events"][0] == {**event, "days": []}
    assert (await asked.json("/api/results?connection=Shop"))["connections"] == [plain]
    assert (await asked.json("/api/results?connection=Nobody"))["connections"] == []
    three = await asked.json("/api/results?days=3")
    assert three["connections"][0]["events"] == [{**event, "days": event["days"][:3]}]


async def test_the_api_lists_received_events(asked: Asked) -> None:
    """By mParticle's name, with what becomes of each; a connection that does not exist is named."""
    found = {each["event_name"]: each for each in (await asked.json("/api/received-events"))["events"]}
    assert found.keys() == {"purchase", "refund"}
    purchases, refund = found["purchase"], found["refund"]
    assert (purchases["mapped"], purchases["unmapped"], purchases["tiktok_events"]) == (2, 0, ["PlaceAnOrder"])
    assert (refund["mapped"], refund["unmapped"], refund["dropped"], refund["tiktok_events"]) == (0, 1, 0, [])
    assert refund["can_be_mapped"] and refund["connection"] == "Shop" and refund["event_type"] == "commerce_event"
    assert (await asked.json("/api/received-events?connection=shop"))["events"][0][
        "connection_id"
    ] == asked.connection_id
    status, message = await asked.refused("/api/received-events?connection=Nobody")
    assert status == 404 and "Nobody" in message


async def test_the_api_finds_events_by_name_and_order_number(asked: Asked) -> None:
    """The name in any case; what was dropped is described, and can be mapped if a mapping was missing."""
    (drop,) = (await asked.json("/api/activity?source_name=%20Refund"))["records"]
    assert drop["received"] == {
        "event_type": "commerce_event",
        "event_name": "refund",
        "platform": "web",
        "identities": ["customer_id"],
    }
    assert drop["can_be_mapped"] is True
    accepted = (await asked.json("/api/activity?order_id=o1"))["records"]
    assert {each["outcome"] for each in accepted} >= {"accepted"} and len(accepted) >= 2
    assert not any(each["can_be_mapped"] or each["received"] for each in accepted)
    assert (await asked.json("/api/activity?order_id=o1&source_name=refund"))["records"] == []
    assert (await asked.json("/api/activity?order_id=o"))["records"] == []


async def test_the_api_counts_what_needs_attention(asked: Asked) -> None:
    """Stopped connections and dead letters, from the store."""
    assert await asked.json("/api/attention") == {
        "paused_connections": 0,
        "dead_letters": 1,
        "stopped_connections": 0,
    }


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("/api/results?days=16", 400, "days"),
        ("/api/activity?outcome=lost", 400, "outcome"),
        ("/api/activity?limit=0", 400, "limit"),
        ("/api/activity?colour=red", 400, "colour"),
        ("/api/figures/inputs?from_ms=5&until_ms=5", 422, "from_ms must be before until_ms (5), not 5"),
        ("/api/figures?from_ms=5&until_ms=5", 422, "from_ms must be before until_ms (5), not 5"),
        ("/api/figures?from_ms=0&step_minutes=1", 422, "step_minutes must give at most 2,000 steps; 1 gives more"),
    ],
)
async def test_the_api_names_what_is_wrong(asked: Asked, query: str, status: int, told: str) -> None:
    """A question that cannot be answered is refused with what is wrong about it."""
    refused, message = await asked.refused(query)
    assert refused == status and told in message


# --- failures and a crash --------------------------------------------------------------------------------------------


async def test_internal_errors_of_the_activity_cost_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is only shown to people fails: the event is accepted and delivered, and each error is counted."""

    def fail(*_: object) -> None:
        raise RuntimeError("an internal error")

    for shown, name in (
        (SeenNames, "on_request"),
        (DevelopmentEvents, "on_request"),
        (Activity, "on_request"),
        (Activity, "on_accepted"),
        (Activity, "on_attempted"),
        (Activity, "on_settled"),
    ):
        monkeypatch.setattr(shown, name, fail)
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url) as service:
        await service.add_connection()
        assert (await service.post(body=fresh_batch("m1"))).status == 202
        await service.until_delivered(sandbox, 1)
        metrics = await service.metrics()
    assert sandbox.counts().delivered == 1
    assert "\ntiktok_forwarder_faults_total 6.0\n" in metrics
    assert 'verdict="accepted"} 1.0' in metrics


@pytest.mark.slow
@pytest.mark.sqlite_files("of the activity's file")
async def test_a_crash_costs_about_a_second(tmp_path: Path) -> None:
    """After SIGKILL the file is sound, and lacks no more than what happened in the last second or so."""
    data_dir = tmp_path / "data"
    answered: list[float] = []
    async with Sandbox() as sandbox:
        await asyncio.to_thread(add_shop, data_dir)
        with serving(data_dir, sandbox.url) as process:
            began = time.monotonic()
            while time.monotonic() - began < 4:
                batch = fresh_batch(f"m{len(answered)}")
                assert await asyncio.to_thread(process.post, batch) == 202
                answered.append(time.monotonic())
            killed_at = time.monotonic()
            await asyncio.to_thread(process.end, signal.SIGKILL)
    figures = figure_set(json.loads(raw) for raw in _column(data_dir, "SELECT figures FROM minutes"))
    assert _column(data_dir, "PRAGMA integrity_check") == ["ok"]
    old_enough = sum(each < killed_at - 1.5 for each in answered)
    assert old_enough <= figures.accepted <= len(answered) and old_enough > 10
    async with running_service(data_dir) as service:
        kept = await service.services.activity.recent(RecordFilter(limit=1000))
        assert kept and (await figures_of(service)).keys() == {kept[0].record.connection_id}


def _column(data_dir: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(data_dir / "activity.db")) as file:
        return [row[0] for row in file.execute(query)]
