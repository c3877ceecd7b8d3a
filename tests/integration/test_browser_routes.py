"""The browsers' routes over HTTP: what is answered, for whom, and what of it reaches TikTok."""

import asyncio
import gzip
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.service_rig import BASIC, Answer, Service, fresh_batch, running_service
from tests.patience import wait_until
from tests.store_choice import without_machine_warnings
from tiktok_sandbox import Sandbox

KEY: Final = "key-of-the-web-pages"
ORIGIN: Final = "https://shop.example.com"
USER_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0.0.0"
PAGE: Final = {"Origin": ORIGIN, "User-Agent": USER_AGENT, "Content-Type": "text/plain;charset=UTF-8"}
SDK: Final = {**PAGE, "x-mp-key": KEY}
EVENTS: Final = f"/webevents/v3/JS/{KEY}/events"
IDENTIFY: Final = "/identity/v1/identify"
SAMPLES: Final = Path(__file__).parents[1] / "samples"
IDENTITY: Final = (SAMPLES / "websdk_identity_identify.json").read_bytes()


def from_address(address: str) -> dict[str, str]:
    """The headers of a page whose visitor a proxy on this machine names."""
    return {**PAGE, "X-Forwarded-For": address}


async def add_web(service: Service, **members: Any) -> None:
    await service.services.inputs.add_browser_input("web", key=KEY, origins=[ORIGIN], changed_by="test", **members)


def is_readable_by(answer: Answer, origin: str) -> bool:
    """Whether a browser lets a page of this origin read the answer; none depends on credentials."""
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    allowed = [value for name, value in answer.headers.items() if name == "Access-Control-Allow-Origin"]
    return allowed in ([origin], ["*"]) and answer.headers["Vary"] == "Origin"


FOREIGN: Final = {**SDK, "Origin": "https://other.example.com"}
ANSWERS: Final[list[tuple[str, str, Mapping[str, str], bytes | None, int]]] = [
    ("OPTIONS", EVENTS, PAGE, None, 204),
    ("OPTIONS", IDENTIFY, PAGE, None, 204),
    ("OPTIONS", "/v1/identify", PAGE, None, 204),
    ("GET", f"/tags/JS/v2/{KEY}/config?env=0", PAGE, None, 200),
    ("GET", f"/JS/v2/{KEY}/config", PAGE, None, 200),
    ("GET", f"/JS/v2/{KEY}/config", {}, None, 200),
    ("GET", "/tags/JS/v2/unknown/config", PAGE, None, 404),
    ("GET", f"/tags/JS/v2/{KEY}/config", FOREIGN, None, 403),
    ("POST", f"/tags/JS/v2/{KEY}/config", PAGE, b"{}", 405),
    ("POST", IDENTIFY, SDK, IDENTITY, 200),
    ("POST", "/v1/login", SDK, IDENTITY, 200),
    ("POST", "/identity/v1/logout", SDK, IDENTITY, 200),
    ("POST", "/identity/v1/123/modify", SDK, b"{}", 200),
    ("POST", "/identity/v1/search", SDK, IDENTITY, 404),
    ("POST", IDENTIFY, SDK, b"{", 400),
    ("POST", IDENTIFY, PAGE, IDENTITY, 401),
    ("POST", IDENTIFY, {**SDK, "x-mp-key": "unknown"}, IDENTITY, 401),
    ("POST", IDENTIFY, FOREIGN, IDENTITY, 403),
    ("POST", IDENTIFY, SDK, b" " * 65_537, 413),
    ("POST", "/identity/v1/123/modify", SDK, b" " * 65_537, 413),
    ("GET", IDENTIFY, SDK, None, 405),
    ("POST", "/identity/v1/unknown", SDK, b"{}", 404),
    ("POST", EVENTS, PAGE, b'{"events":[]}', 202),
    ("POST", f"/v3/JS/{KEY}/events", PAGE, b'{"events":[]}', 202),
    ("POST", f"/v3/JS//{KEY}/events/", PAGE, b'{"events":[]}', 202),
    ("POST", EVENTS, PAGE, b"", 202),
    ("POST", EVENTS, PAGE, b'{"events":[', 202),
    ("POST", EVENTS, PAGE, b"[" * 5000, 202),
    ("POST", EVENTS, PAGE, b'"text"', 202),
    ("POST", EVENTS, PAGE, b"[7]", 202),
    ("POST", EVENTS, {**PAGE, "Content-Encoding": "gzip"}, b"plain", 202),
    ("POST", EVENTS, {**PAGE, "Content-Encoding": "br"}, b"plain", 202),
    ("POST", EVENTS, PAGE, b" " * 262_145, 413),
    ("POST", EVENTS, PAGE, b'{"events":[' + b"{}," * 10_000 + b"{}]}", 413),
    ("POST", EVENTS, {**PAGE, "Content-Encoding": "gzip"}, gzip.compress(b" " * 262_145), 413),
    ("POST", "/webevents/v3/JS/unknown/events", PAGE, b"{}", 403),
    ("POST", "/webevents/v3/JS/key-of-the-shop/events", {**PAGE, **BASIC}, b"{}", 403),
    ("POST", EVENTS, FOREIGN, b"{}", 403),
    ("POST", EVENTS, {**PAGE, "Origin": "http://shop.example.com"}, b"{}", 403),
    ("POST", EVENTS, {**PAGE, "Origin": "null"}, b"{}", 403),
    ("POST", EVENTS, {"User-Agent": USER_AGENT}, b"{}", 403),
    ("PUT", EVENTS, PAGE, b"{}", 405),
    ("POST", f"/webevents/v1/identity/{KEY}/Alias", PAGE, b"{}", 202),
    ("POST", "/webevents/v1/identity/unknown/Alias", PAGE, b"{}", 403),
    ("POST", f"/webevents/v1/JS/{KEY}/Forwarding", PAGE, b"{}", 202),
    ("POST", f"/v2/JS/{KEY}/Forwarding", PAGE, b"{}", 202),
]


async def test_every_answer_can_be_read_by_a_page_of_another_origin(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The Web SDK repeats for ever what it cannot read; what any visitor can cause leaves nothing in the log."""
    wrong = []
    async with running_service(tmp_path, store="memory") as service:
        await add_web(service)
        await service.add_connection(enabled=False)
        for method, path, headers, body, status in ANSWERS:
            answer = await service.request(method, path, body, headers)
            if answer.status != status or not is_readable_by(answer, headers.get("Origin", "*")):
                wrong.append((method, path, answer.status, status))
        metrics = await service.metrics()
    assert wrong == []
    assert without_machine_warnings(capfd.readouterr().err) == ""
    for reason in ("unknown_key", "origin", "too_large", "unreadable", "encoding", "compression", "method", "route"):
        assert f'reason="{reason}"' in metrics
    assert "tiktok_forwarder_requests_total{" not in metrics


async def test_preflight_permits_what_the_sdk_asks_for(tmp_path: Path) -> None:
    """A browser asks before it sends a JSON body or the header with the key, and may remember the answer."""
    async with running_service(tmp_path, store="memory") as service:
        answer = await service.request("OPTIONS", IDENTIFY, None, {"Origin": ORIGIN})
    assert answer.body == b"" and "Content-Length" not in answer.headers
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert answer.headers["Access-Control-Allow-Headers"] == "content-type, x-mp-key"
    assert int(answer.headers["Access-Control-Max-Age"]) >= 7200


async def test_identity_answer_may_be_remembered_by_the_sdk(tmp_path: Path) -> None:
    """The SDK reads the time from a header, which must be exposed to pages; no cache on the way keeps the answer."""
    async with running_service(tmp_path, store="memory") as service:
        await add_web(service)
        answer = await service.post(IDENTIFY, IDENTITY, SDK)
    assert isinstance(answer.json["mpid"], str)
    assert answer.headers["X-MP-Max-Age"] == "86400" and answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Expose-Headers"] == "X-MP-Max-Age"


async def test_visitor_is_the_same_after_a_restart(tmp_path: Path) -> None:
    """The mpid comes from a key of the installation, and an input's new key changes nothing."""
    mpids = []
    async with running_service(tmp_path) as service:
        await add_web(service)
        mpids.append((await service.post(IDENTIFY, IDENTITY, SDK)).json["mpid"])
        await service.services.inputs.rotate_key("web", key="another-key", changed_by="test")
    async with running_service(tmp_path) as service:
        for key in (KEY, "another-key"):
            mpids.append((await service.post(IDENTIFY, IDENTITY, {**SDK, "x-mp-key": key})).json["mpid"])
    assert len(mpids) == 3 and len(set(mpids)) == 1


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7:50123", "203.0.113.7"),
        ("[2001:db8:1:2::5]:443", "2001:db8:1:2::5"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
    ],
)
async def test_events_have_the_visitors_address_and_user_agent(address: str, sent: str, tmp_path: Path) -> None:
    """As the trusted proxy and the request name them, whatever the batch says; a server's batch is believed."""
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url) as service:
        await add_web(service)
        await service.add_connection()
        forged = fresh_batch("b1", ip="192.0.2.1", device_info={"platform": "web", "http_header_user_agent": "Forged"})
        assert (await service.post(EVENTS, forged, from_address(address))).status == 202
        stated = {**forged, "events": fresh_batch("s1")["events"]}
        assert (await service.post(body=stated, headers={**BASIC, **from_address(address)})).status == 202
        await service.until_delivered(sandbox, 2)
    users = {event.event_id: json.loads(event.payload)["user"] for event in sandbox.events()}
    assert (users["b1"]["ip"], users["b1"]["user_agent"]) == (sent, USER_AGENT)
    assert (users["s1"]["ip"], users["s1"]["user_agent"]) == ("192.0.2.1", "Forged")


async def test_samples_of_the_web_sdk_are_delivered(tmp_path: Path) -> None:
    """Bodies as the real SDK sent them, by fetch and by beacon: each mapped event once, with click ID and cookie."""
    async with Sandbox() as sandbox, running_service(tmp_path, sandbox.url) as service:
        await add_web(service)
        await service.add_connection()
        now = str(time.time_ns() // 1_000_000).encode()
        for _ in range(2):
            for sample in sorted(SAMPLES.glob("websdk_events_*.json")):
                body = re.sub(rb"(?<=_unixtime_ms\":)[0-9]+", now, sample.read_bytes())
                answer = await service.post(EVENTS, body, from_address("203.0.113.7"))
                assert answer.status == 202
        await service.until_delivered(sandbox, 2)
    payloads = [json.loads(event.payload) for event in sandbox.events()]
    assert sorted(payload["event"] for payload in payloads) == ["AddToCart", "PlaceAnOrder"]
    for payload in payloads:
        assert payload["user"]["ttclid"] and payload["user"]["ttp"]
        assert payload["user"]["ip"] == "203.0.113.7"


async def test_browser_input_may_be_kept_from_sending_purchases(tmp_path: Path) -> None:
    """The key is public, so an operator may want purchases from servers only."""
    async with running_service(tmp_path, store="memory") as service:
        await add_web(service, allows_purchases=False)
        await service.add_connection()
        await service.post(EVENTS, fresh_batch("m1"), PAGE)
        (connection,) = (await service.status())["connections"]
    assert connection["dropped"] == {"purchase_not_allowed": 1}


async def test_identity_is_answered_while_no_event_can_be_stored(tmp_path: Path) -> None:
    """Without an identity the SDK sends nothing for the whole page, also later; events are put off."""
    async with running_service(tmp_path, max_store_bytes=1024 * 1024) as service:
        await add_web(service)
        await service.add_connection()
        answer = await service.post(EVENTS, fresh_batch("first"), from_address("203.0.113.1"))
        number = 0
        while answer.status == 202:
            number += 1
            many = fresh_batch(*[f"{number}-{index}" for index in range(50)])
            answer = await service.post(EVENTS, many, from_address(f"203.0.113.{number % 200}"))
        assert answer.status == 503 and is_readable_by(answer, ORIGIN)
        assert (await service.post(IDENTIFY, IDENTITY, SDK)).status == 200


async def test_events_are_put_off_unread_when_the_service_stops(tmp_path: Path) -> None:
    """The SDK keeps a batch that is answered with 503; identities need nothing that stops."""
    async with running_service(tmp_path, store="memory") as service:
        await add_web(service)
        service.application._browsers.is_stopping = True
        answer = await service.post(EVENTS, fresh_batch("m1"), PAGE)
        assert answer.status == 503 and is_readable_by(answer, ORIGIN)
        assert (await service.post(IDENTIFY, IDENTITY, SDK)).status == 200


async def test_internal_error_can_be_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged by its place, and the SDK repeats the batch."""

    def fail(*_arguments: object, **_members: object) -> None:
        raise RuntimeError("quoted")

    async with running_service(tmp_path, store="memory", log_level="error") as service:
        await add_web(service)
        monkeypatch.setattr(service.services.acceptor, "accept_soon", fail)
        answer = await service.post(EVENTS, fresh_batch("m1"), PAGE)
        metrics = await service.metrics()
    assert answer.status == 500 and is_readable_by(answer, ORIGIN) and b"quoted" not in answer.body
    assert 'tiktok_forwarder_browser_requests_total{input="web",reason="internal"' in metrics


def head(length: int) -> bytes:
    return f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nContent-Length: {length}\r\n\r\n".encode()


async def test_slow_body_is_put_off_in_words_that_a_page_can_read(tmp_path: Path) -> None:
    """Not with the 408 of servers: the SDK drops what is answered so, and repeats this."""
    async with running_service(tmp_path, store="memory", body_timeout_seconds=0.1) as service:
        await add_web(service)
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(head(100) + b'{"events"')
        answer = (await asyncio.wait_for(reader.read(), 5)).decode()
        writer.close()
        await writer.wait_closed()
    assert answer.startswith("HTTP/1.1 503 ") and "connection: close" in answer
    assert f"access-control-allow-origin: {ORIGIN}" in answer


async def test_browsers_fill_a_part_of_the_memory_for_bodies_only(tmp_path: Path) -> None:
    """When their arriving bodies fill it, they are put off, and a sender with a secret is served."""
    async with running_service(tmp_path, store="memory", max_pending_bytes=400_000) as service:
        await add_web(service)
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(head(99_900) + b" " * 99_000)
        await writer.drain()
        refused: list[Answer] = []

        async def is_refused() -> bool:
            refused.append(await service.post(EVENTS, b" " * 5_000, from_address(f"203.0.113.{len(refused)}")))
            return refused[-1].status == 503

        await wait_until(is_refused)
        assert is_readable_by(refused[-1], ORIGIN)
        assert (await service.post(body=fresh_batch("m1"))).status == 202
        writer.close()
        await writer.wait_closed()


async def test_browser_that_leaves_is_counted_and_no_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A visitor may close the page at any moment."""
    async with running_service(tmp_path, store="memory") as service:
        await add_web(service)
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(head(100) + b'{"events"')
        await writer.drain()
        writer.close()
        await writer.wait_closed()

        async def is_counted() -> bool:
            return 'reason="sender_left",route="/v3/JS/{key}/events",status="499"} 1.0' in await service.metrics()

        await wait_until(is_counted)
    assert without_machine_warnings(capfd.readouterr().err) == ""


async def test_flood_from_one_address_costs_that_address_only(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Beyond its burst it gets 429 before its body is read; other visitors and servers are served meanwhile."""
    # At this rate a second address of the network is refused however slow the machine is.
    async with running_service(tmp_path, store="memory", browser_requests_per_second_per_address=0.2) as service:
        await add_web(service)
        await service.add_connection(enabled=False)
        flood = [service.post(EVENTS, b'{"events":[]}', from_address("2001:db8:5::1")) for _ in range(300)]
        others = [service.post(EVENTS, fresh_batch("v1"), from_address("2001:db8:6::1"))]
        others += [service.post(body=fresh_batch(f"s{number}")) for number in range(20)]
        flooding, undisturbed = await asyncio.gather(asyncio.gather(*flood), asyncio.gather(*others))
        large = [service.post(EVENTS, b" " * 262_145, from_address(f"2001:db8:5::{number}")) for number in range(2, 6)]
        same_network = await asyncio.gather(*large)
        metrics = await service.metrics()
    assert {answer.status for answer in undisturbed} == {202}
    refused = [answer for answer in flooding if answer.status == 429]
    assert len(refused) > 200 and {answer.status for answer in flooding} == {202, 429}
    assert 429 in {answer.status for answer in same_network}
    assert all(is_readable_by(answer, ORIGIN) and int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert 'reason="address_limit"' in metrics and "2001:db8" not in metrics
    assert without_machine_warnings(capfd.readouterr().err) == ""


async def test_input_has_a_ceiling_that_is_reported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A flood from many addresses is refused by its input, with a line in the log that names the input only."""
    async with running_service(
        tmp_path, store="memory", browser_requests_per_minute_per_input=10, log_format="json"
    ) as service:
        await add_web(service)
        await service.services.inputs.add_browser_input("app", key="other-key", origins=[ORIGIN], changed_by="test")
        statuses = [
            (await service.post(EVENTS, b'{"events":[]}', from_address(f"203.0.113.{number}"))).status
            for number in range(30)
        ]
        other = await service.post("/v3/JS/other-key/events", b'{"events":[]}', from_address("203.0.113.200"))
        metrics = await service.metrics()
    assert statuses[:10] == [202] * 10 and statuses.count(429) >= 15
    assert other.status == 202
    assert 'tiktok_forwarder_browser_requests_total{input="web",reason="input_limit"' in metrics
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["level"], line["input"]) for line in lines] == [("warning", "web")]
    assert "203.0.113" not in json.dumps(lines)


async def test_browser_key_opens_no_other_route(tmp_path: Path) -> None:
    """Anyone can read it in a page."""
    async with running_service(tmp_path, store="memory") as service:
        await add_web(service)
        for path in ("/v2/events", "/v2/bulkevents", "/webhook/web", "/firehose/web"):
            for authorization in (f"Basic {KEY}", f"Token {KEY}", "Basic a2V5LW9mLXRoZS13ZWItcGFnZXM6", KEY):
                answer = await service.post(path, fresh_batch("m1"), {"Authorization": authorization})
                assert answer.status == 403, (path, authorization)


async def test_events_without_an_address_of_the_visitor_are_dropped(tmp_path: Path) -> None:
    """What a proxy writes instead of an address is not sent, nor is what the page states."""
    async with running_service(tmp_path, store="memory") as service:
        await add_web(service)
        await service.add_connection()
        stated = fresh_batch("m1", ip="192.0.2.1")
        assert (await service.post(EVENTS, stated, from_address("unknown"))).status == 202
        (connection,) = (await service.status())["connections"]
    assert connection["dropped"] == {"missing_ip": 1}
