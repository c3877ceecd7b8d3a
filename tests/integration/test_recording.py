"""A connection that only records, in a running service: nothing reaches TikTok, and everything can be compared."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_rig import TOKEN, Service, fresh_batch, running_service
from tests.patience import wait_until
from tests.unit.cli.running import Run
from tiktok_forwarder.web.in_process import asgi_call
from tiktok_sandbox import Sandbox

# Longer than the rig's service waits for a group and for a retry.
TIME_TO_SEND_SECONDS = 0.5


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(grants={TOKEN: None}) as made:
        yield made


async def ask(service: Service, method: str, path: str, body: object = None) -> Any:
    content = json.dumps(body).encode() if body is not None else b""
    status, answer = await asgi_call(service.application.api, method, path, content)
    assert status < 300, answer
    return json.loads(answer)


async def recorded(service: Service) -> list[Any]:
    """The recorded events in the activity, newest first."""
    records: list[Any] = (await ask(service, "GET", "/api/activity?reason=recorded"))["records"]
    return records


@pytest.mark.both_stores
async def test_nothing_is_sent_until_the_delivery_is_set_to_send(tmp_path: Path, sandbox: Sandbox) -> None:
    """Then new events are sent, and what was recorded is not, although its sender repeats it."""
    async with running_service(tmp_path / "data", sandbox.url) as service:
        connection_id = await service.add_connection("Shop", delivery="record")
        assert (await service.post(body=fresh_batch("e1", "e2"))).status == 202
        await asyncio.sleep(TIME_TO_SEND_SECONDS)
        (shop,) = (await service.status())["connections"]
        assert shop["totals"] == {"accepted": 2, "dropped": 2} and shop["dropped"] == {"recorded": 2}
        assert (shop["queue"], shop["delivery"]["condition"]) == (None, "recording")
        assert shop["warnings"] == [
            "the connection only records: nothing is sent to TikTok; set delivery to send to go live"
        ]
        assert sandbox.requests() == []
        await ask(service, "PATCH", f"/api/connections/{connection_id}", {"settings": {"delivery": "send"}})
        assert (await service.post(body=fresh_batch("e1", "e3"))).status == 202
        await service.until_delivered(sandbox, 1)
        assert [event.event_id for event in sandbox.events()] == ["e3"]


@pytest.mark.both_stores
async def test_waiting_events_are_delivered_although_new_ones_are_recorded(tmp_path: Path, sandbox: Sandbox) -> None:
    """They were accepted to be sent; a pause ends later than the change."""
    async with running_service(tmp_path / "data", sandbox.url) as service:
        connection_id = await service.add_connection("Shop")
        await service.services.deliverer.pause(connection_id, "for the test", "test")
        await service.post(body=fresh_batch("e1"))
        await ask(service, "PATCH", f"/api/connections/{connection_id}", {"settings": {"delivery": "record"}})
        await service.post(body=fresh_batch("e2"))
        await service.services.deliverer.resume(connection_id, "test")
        await service.until_delivered(sandbox, 1)
        await asyncio.sleep(TIME_TO_SEND_SECONDS)
        assert [event.event_id for event in sandbox.events()] == ["e1"]


async def test_recorded_event_has_its_payload_and_explanation(tmp_path: Path) -> None:
    """What would have been sent is compared field by field, and counted by event and day."""
    async with running_service(tmp_path / "data") as service:
        await service.add_connection("Shop", delivery="record")
        await service.post(body=fresh_batch("e1"))

        async def is_there() -> bool:
            return len(await recorded(service)) == 1

        await wait_until(is_there)
        (record,) = await ask(service, "GET", "/api/activity/Shop/PlaceAnOrder/e1")
        assert record["payload"]["event_id"] == "e1" and record["source"] == "commerce_event purchase"
        assert {"event", "event_time", "event_id"} <= {each["field"] for each in record["explanation"]}
        assert record["advice"]["setting"] == "delivery"
        (results,) = (await ask(service, "GET", "/api/results?days=1"))["connections"]
        (event,) = results["events"]
        assert (event["today"]["mapped"], event["today"]["recorded"], event["today"]["delivered"]) == (1, 1, 0)


async def test_saved_recording_connection_is_not_checked(tmp_path: Path, sandbox: Sandbox) -> None:
    """Nothing asks TikTok about it, also not in the background."""
    async with running_service(tmp_path / "data", sandbox.url) as service:
        given = {"name": "Shop", "pixel_id": "C9EXAMPLE1", "delivery": "record"}
        await ask(service, "POST", "/api/connections?check=true", given)
        await asyncio.sleep(TIME_TO_SEND_SECONDS)
        assert sandbox.requests() == []


def test_recorded_events_are_exported_as_json_lines(run: Run, tmp_path: Path) -> None:
    """Newest first, and all of what the activity holds, with the payloads that would have been sent."""
    data_dir = tmp_path / "data"

    async def record_some() -> None:
        async with running_service(data_dir) as service:
            await service.add_connection("Shop", delivery="record")
            for number in range(3):
                await service.post(body=fresh_batch(f"e{number}"))

    asyncio.run(record_some())
    status, out, err = run("connections", "recorded", "Shop", "--data-dir", data_dir)
    assert status == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    assert sorted(line["event_id"] for line in lines) == ["e0", "e1", "e2"]
    assert all(line["payload"]["event_id"] == line["event_id"] and line["event"] == "PlaceAnOrder" for line in lines)
    times = [line["recorded_at_ms"] for line in lines]
    assert times == sorted(times, reverse=True)


def test_file_of_a_recording_connection_needs_no_token(run: Run, tmp_path: Path) -> None:
    """The variable that it names may be set later, before the delivery is set to send."""
    file = tmp_path / "shop.toml"
    file.write_text('name = "Shop"\npixel_id = "C9EXAMPLE1"\naccess_token = "env:NO_SUCH_TOKEN"\ndelivery = "record"\n')
    status, _, err = run("connections", "add", file, "--data-dir", tmp_path / "data")
    assert status == 0, err
    assert "the connection only records: nothing is sent to TikTok" in err
    status, _, err = run("connections", "set", "Shop", "delivery=send", "--data-dir", tmp_path / "data")
    assert status == 2 and "access_token: is required to send events" in err
