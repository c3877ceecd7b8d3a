"""The whole way over real HTTP: mParticle's own SDK on one side, TikTok's stand-in on the other."""

import asyncio
import contextlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import mparticle
import pytest
from mparticle.rest import ApiException

from tests.integration.service_rig import (
    AUTHORIZATION,
    BASIC,
    KEY,
    SECRET,
    TOKEN,
    Service,
    fresh_batch,
    running_service,
)
from tests.patience import wait_until
from tests.store_choice import stored_contents
from tests.unit.mapping.batches import URL, batch_of, purchase
from tiktok_sandbox import Code, Sandbox


def sdk(service: Service, key: str = KEY, secret: str = SECRET) -> Any:
    """mParticle's client, set up as its documentation says."""
    configuration = mparticle.Configuration()
    configuration.host = f"{service.url}/v2"
    configuration.api_key = key
    configuration.api_secret = secret
    return mparticle.EventsApi(configuration)


def sdk_batch(event_id: str, **identities: Any) -> Any:
    """A purchase as an SDK user writes it."""
    batch = mparticle.Batch(environment="production", ip="203.0.113.42", mpid=777)
    batch.device_info = mparticle.DeviceInformation(platform="web", http_header_user_agent="Mozilla/5.0")
    batch.user_identities = mparticle.UserIdentities(**(identities or {"customerid": "cust-829311"}))
    product = mparticle.Product(id="sku-1", name="Mug", price=4.5, quantity=2)
    action = mparticle.ProductAction(action="purchase", products=[product], total_amount=9, transaction_id="o-1")
    event = mparticle.CommerceEvent(
        product_action=action,
        currency_code="USD",
        source_message_id=event_id,
        timestamp_unixtime_ms=time.time_ns() // 1_000_000,
        custom_flags={"TikTok.URL": URL, "TikTok.Callback": "E.C.P.1"},
    )
    # Events passed to the constructor lose their type: the SDK wraps them here only.
    batch.events = [event]
    return batch


@pytest.mark.both_stores
async def test_the_official_sdk_reaches_tiktok(tmp_path: Path) -> None:
    """A batch of mParticle's Python SDK becomes one event at TikTok, with everything that the SDK was told."""
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url) as service:
        await service.add_connection()
        await asyncio.to_thread(sdk(service).upload_events, sdk_batch("m1"))
        await service.until_delivered(sandbox, 1)
    (event,) = sandbox.events()
    assert (event.event, event.event_id, event.event_source_id, event.code) == ("PlaceAnOrder", "m1", "PIXELSHOP", 0)
    payload = json.loads(event.payload)
    assert payload["user"]["ip"] == "203.0.113.42" and payload["user"]["ttclid"] == "E.C.P.1"
    assert payload["page"]["url"] == URL
    assert payload["properties"]["value"] == 9 and payload["properties"]["contents"][0]["content_id"] == "sku-1"


async def test_the_official_sdk_sends_many_at_once(tmp_path: Path) -> None:
    """A bulk upload of 60 batches arrives in one group for a 2.0 connection, in two of at most 50 for 1.0."""
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url) as service:
        await service.add_connection("New")
        await service.add_connection("Old", events_api="1.0")
        await asyncio.to_thread(sdk(service).bulk_upload_events, [sdk_batch(f"m{number}") for number in range(60)])
        await service.until_delivered(sandbox, 120)
    sizes = sorted((request.event_source_id, request.events) for request in sandbox.requests())
    assert sizes == [("PIXELNEW", 60), ("PIXELOLD", 10), ("PIXELOLD", 50)]


async def test_the_official_sdk_shows_our_words(tmp_path: Path) -> None:
    """What a refusal says reaches whoever uses the SDK."""
    async with running_service(tmp_path, store="memory") as service:
        with pytest.raises(ApiException) as refused:
            await asyncio.to_thread(sdk(service, secret="wrong-secret").upload_events, sdk_batch("m1"))
    assert refused.value.status == 403
    assert json.loads(refused.value.body)["errors"][0]["message"] == "invalid key or secret"


NODE_PACKAGES = Path(__file__).parents[1] / "browser" / "node_modules"
NODE_SENDER = """
const mParticle = require('mparticle');
const [basePath, key, secret, eventId] = process.argv.slice(1);
const client = new mParticle.ApiClient();
client.basePath = basePath;
const events = new mParticle.EventsApi(new mParticle.Configuration(key, secret), client);
const batch = new mParticle.Batch(mParticle.Batch.Environment.production);
batch.ip = '203.0.113.42';
batch.device_info = new mParticle.DeviceInformation();
batch.device_info.http_header_user_agent = 'Mozilla/5.0';
batch.user_identities = new mParticle.UserIdentities();
batch.user_identities.customerid = 'cust-829311';
const action = new mParticle.ProductAction('purchase');
action.total_amount = 9;
const purchase = new mParticle.CommerceEvent();
purchase.product_action = action;
purchase.currency_code = 'USD';
purchase.source_message_id = eventId;
purchase.timestamp_unixtime_ms = Date.now();
purchase.custom_flags = {'TikTok.URL': 'https://shop.example.com/thanks'};
batch.addEvent(purchase);
events.uploadEvents(batch, (error, _data, response) => {
  console.log(error ? error.status : response.status);
});
"""


def send_by_node(*arguments: str) -> str:
    """Send a purchase by mParticle's Node SDK; return the status that it reports."""
    done = subprocess.run(
        ["node", "-e", NODE_SENDER, *arguments],
        env={**os.environ, "NODE_PATH": str(NODE_PACKAGES)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def test_official_node_sdk_reaches_tiktok_whether_or_not_its_base_path_ends_in_a_slash(tmp_path: Path) -> None:
    """The SDK makes `/v2//events` of a base path with a slash, and neither trims it nor tries again."""
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url) as service:
        await service.add_connection()
        for base_path, event_id in ((f"{service.url}/v2", "n1"), (f"{service.url}/v2/", "n2")):
            assert await asyncio.to_thread(send_by_node, base_path, KEY, SECRET, event_id) == "202"
        refused = await asyncio.to_thread(send_by_node, f"{service.url}/v2/", KEY, "wrong-secret", "n3")
        await service.until_delivered(sandbox, 2)
    assert refused == "403"
    assert {event.event_id for event in sandbox.events()} == {"n1", "n2"}
    assert {json.loads(event.payload)["properties"]["value"] for event in sandbox.events()} == {9}


async def test_a_webhook_feeds_the_connections_that_name_it(tmp_path: Path) -> None:
    """Batches of two inputs go where each is meant to go."""
    webhook = {"Authorization": "Token of-the-other"}
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url) as service:
        await service.services.inputs.add(
            "other", key=None, secret=None, authorization="Token of-the-other", changed_by="test"
        )
        await service.add_connection("All")
        await service.add_connection("Shop", inputs=["shop"])
        assert (await service.post("/webhook/other", fresh_batch("w1"), webhook)).status == 202
        assert (await service.post("/webhook/shop", fresh_batch("s1"), {"Authorization": AUTHORIZATION})).status == 202
        await service.until_delivered(sandbox, 3)
    arrived = sorted((event.event_source_id, event.event_id) for event in sandbox.events())
    assert arrived == [("PIXELALL", "s1"), ("PIXELALL", "w1"), ("PIXELSHOP", "s1")]


@pytest.mark.both_stores
async def test_what_was_accepted_is_delivered_after_a_restart(tmp_path: Path) -> None:
    """Events taken while TikTok is out of reach wait on disk, and a service started later delivers them."""
    async with running_service(tmp_path) as service:
        await service.add_connection()
        assert (await service.post(body=fresh_batch("m1", "m2"))).status == 202
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url) as service:
        await service.until_delivered(sandbox, 2)
        (connection,) = (await service.status())["connections"]
        assert connection["totals"] == {"accepted": 2, "delivered": 2, "dropped": 0}
        assert (await service.post(body=fresh_batch("m1"))).status == 202
        assert await service.waiting() == 0


@pytest.mark.both_stores
async def test_a_pause_is_shown_and_survives(tmp_path: Path) -> None:
    """A refused token pauses the connection: status and metrics say so, in people's words, also after a restart."""

    async def delivery_of(service: Service) -> dict[str, Any]:
        (connection,) = (await service.status())["connections"]
        return dict(connection["delivery"])

    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url) as service:
        sandbox.script.for_requests(Code(code=40104))
        connection_id = await service.add_connection()
        await service.post(body=fresh_batch("m1"))

        async def is_paused() -> bool:
            return bool((await delivery_of(service))["condition"] == "refused")

        await wait_until(is_paused)
        assert f'condition="refused",connection="{connection_id}"}} 1.0' in await service.metrics()
    async with running_service(tmp_path) as service:
        delivery = await delivery_of(service)
        assert (delivery["condition"], delivery["code"], delivery["by"]) == ("refused", 40104, "service")
        assert delivery["reason"] and await service.waiting() == 1


@pytest.mark.both_stores
async def test_the_service_says_what_it_does(tmp_path: Path) -> None:
    """Readiness and metrics speak of the same books as the store."""
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url) as service:
        connection_id = await service.add_connection()
        batch = fresh_batch("m1")
        batch["events"].append(purchase(product_action={"action": "refund"}))
        await service.post(body=batch)
        await service.until_delivered(sandbox, 1)
        ready = await service.request("GET", "/readyz")
        metrics = await service.metrics()
    assert (ready.status, ready.json) == (200, {"ready": True, "reasons": []})
    label = f'connection="{connection_id}"'
    for line in (
        f'tiktok_forwarder_events_total{{{label},outcome="accepted",reason=""}} 2.0',
        f'tiktok_forwarder_events_total{{{label},outcome="delivered",reason=""}} 1.0',
        f'tiktok_forwarder_events_total{{{label},outcome="dropped",reason="unsupported_event"}} 1.0',
        f'tiktok_forwarder_attempts_total{{code="0",{label},verdict="accepted"}} 1.0',
        'tiktok_forwarder_requests_total{reason="",route="/v2/events",status="202"} 1.0',
        'tiktok_forwarder_received_events_total{input="shop"} 2.0',
        "tiktok_forwarder_store_write_seconds_count 1.0",
    ):
        assert line in metrics, line


@pytest.mark.both_stores
async def test_requests_under_way_are_finished(tmp_path: Path) -> None:
    """A request whose body is still arriving when the service is told to stop is stored and answered."""
    body = json.dumps(fresh_batch("m1")).encode()
    stack = contextlib.AsyncExitStack()
    service = await stack.enter_async_context(running_service(tmp_path))
    await service.add_connection()
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    authorization = f"Authorization: {BASIC['Authorization']}"
    head = f"POST /v2/events HTTP/1.1\r\nHost: x\r\n{authorization}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body[:50])
    await asyncio.sleep(0.1)
    stopping = asyncio.create_task(stack.aclose())
    await asyncio.sleep(0.1)
    writer.write(body[50:])
    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 202 ")
    await stopping
    writer.close()
    await writer.wait_closed()
    async with running_service(tmp_path) as service:
        assert await service.waiting() == 1


@pytest.mark.both_stores
async def test_no_secret_and_no_identity_is_left_anywhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """After traffic with failures no raw identity, token or secret stands in a file, the log or the metrics."""
    canaries = {
        "email": "canary.person@example.com",
        "mobile_number": "+14155550142",
        "customerid": "canary-external-id-77",
    }
    quoted = "what TikTok writes may quote an event"
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url, log_level="debug") as service:
        sandbox.script.for_requests(Code(code=50000, message=quoted), Code(code=40002, message=quoted))
        await service.add_connection("New")
        await service.add_connection("Old", events_api="1.0")
        client = sdk(service)
        for number in range(5):
            await asyncio.to_thread(client.upload_events, sdk_batch(f"m{number}", **canaries))
        await service.post(body=b'{"user_identities":{"email":"canary.person@example.com"},"events":[')
        await service.post(body=b"{}", headers={"Authorization": "Token canary.person@example.com"})
        await service.post("/webhook/canary.person@example.com", b"{}")

        async def settled() -> bool:
            return await service.waiting() == 0

        await wait_until(settled)
        metrics = await service.metrics()
        files = stored_contents(tmp_path)
        log = "".join(capfd.readouterr())
    files |= stored_contents(tmp_path)
    assert files.keys() & {"activity.db", "activity_records"} and "attempt failed" in log and "request refused" in log
    for canary in (*canaries.values(), "14155550142", "canary.person", TOKEN, SECRET, AUTHORIZATION):
        assert canary not in metrics and canary not in log, canary
        for name, content in files.items():
            assert canary.encode() not in content, (canary, name)
    for told_to_nobody in ("203.0.113.42", quoted):
        assert told_to_nobody not in metrics and told_to_nobody not in log


async def test_identities_in_urls_are_left_nowhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What a page writes of its user into its URL, in many encodings, is in no file, log or metric, nor at TikTok."""
    identities = {"email": "canary.person@example.com", "mobile_number": "+1 (415) 555-0142", "customerid": "canary-77"}
    parts = [
        "u=canary.person%2540example.com",
        "u=canary.person@example%2Ecom",
        "u=canary.person@b\u00fccher.example",
        "u=canary.person\uff20example.com",
        "u=canary.person&#64;example.com",
        "tel=%2B1+415-555-0142",
        "tel=1+%28415%29+555+0142&next=https%3A%2F%2Fshop.example.com%2Fcanary%252D77",
        "#/account/CANARY-77",
    ]
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url, log_level="debug") as service:
        connection_id = await service.add_connection(default_phone_region="US")
        urls = [f"{URL}?{part}" for part in parts]
        flags = [{"TikTok.URL": url, "TikTok.Referrer": url} for url in urls]
        now_ms = time.time_ns() // 1_000_000
        events = [
            purchase(source_message_id=f"m{number}", timestamp_unixtime_ms=now_ms, custom_flags=each)
            for number, each in enumerate(flags)
        ]
        await service.post(body=batch_of(*events, user_identities=identities))
        await service.until_delivered(sandbox, len(parts))
        sent = "".join(event.payload.decode() for event in sandbox.events())
        (connection,) = (await service.status())["connections"]
        log = await service.metrics() + "".join(capfd.readouterr())
        files = stored_contents(tmp_path)
    files |= stored_contents(tmp_path)
    assert connection["id"] == connection_id and sent.count("redacted") >= 2 * len(parts)
    texts = {"sent": sent, "log": log, **{name: content.decode("latin-1") for name, content in files.items()}}
    for name, text in texts.items():
        for canary in ("canary", "415-555", "555-0142", "555+0142", "4155550142"):
            assert canary not in text.lower(), (canary, name)
