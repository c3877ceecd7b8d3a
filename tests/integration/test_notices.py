"""Notices of a running service: found, sent to real servers, and reported as over."""

import asyncio
import email
import email.policy
import json
import shutil
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.admin_api import ask
from tests.certificates import make_certificate
from tests.integration.notice_receivers import ALLOWED, WebhookReceiver, webhook_receiver
from tests.integration.raw_server import http, raw_server, silence
from tests.integration.service_process import ServiceProcess
from tests.integration.service_rig import KEY, SECRET, TOKEN, Service, fresh_batch, running_service
from tests.patience import wait_until
from tests.unit.notices.smtp_server import PASSWORD, USER, smtp_server
from tiktok_forwarder.notices import tracking
from tiktok_forwarder.operations import notice_watch
from tiktok_forwarder.web.in_process import asgi_call
from tiktok_sandbox import Sandbox

pytestmark = pytest.mark.slow

QUICK: dict[str, Any] = {"notice_allowed_hosts": ALLOWED, "notice_over_seconds": 0, "log_level": "error"}
CONSOLE = "https://forwarder.example.com"
WRONG = "revoked-token-0123456789"


@pytest.fixture(autouse=True)
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """The receivers' certificate, whose authority is this machine's only one; and rounds that follow soon."""
    monkeypatch.setattr(notice_watch, "_FIND_SECONDS", 0.1)
    monkeypatch.setattr(notice_watch, "_SEND_SECONDS", 0.1)
    folder = tmp_path / "certificate"
    folder.mkdir()
    path, context = make_certificate(folder, host="127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    yield context


async def call(service: Service, method: str, path: str, body: object = None) -> Any:
    content = json.dumps(body).encode() if body is not None else b""
    status, answer = await asgi_call(service.application.api, method, path, content)
    assert status < 300, answer
    return json.loads(answer)


async def add_webhook(service: Service, receiver: WebhookReceiver, **settings: Any) -> None:
    given = {"name": "Ops", "kind": "webhook", "url": receiver.url, **settings}
    receiver.secret = (await call(service, "POST", "/api/notices/recipients", given))["signing_secret"]


async def until_about(receiver: WebhookReceiver, kind: str, types: list[str]) -> None:
    async def happened() -> bool:
        return receiver.about(kind) == types

    await wait_until(happened, seconds=15)


@pytest.mark.both_stores
async def test_refused_token_reaches_webhook_and_email_and_so_does_its_end(tmp_path: Path, tls: ssl.SSLContext) -> None:
    """Each notice once: the connection is paused by a wrong token, and is delivered again with the right one."""
    async with (
        Sandbox(grants={TOKEN: None}) as sandbox,
        webhook_receiver(tls) as receiver,
        smtp_server("starttls", tls, needs_login=True) as mailbox,
        running_service(
            tmp_path / "data", sandbox.url, console_url="https://forwarder.example.com", **QUICK
        ) as service,
    ):
        await add_webhook(service, receiver)
        smtp = {"smtp_host": "127.0.0.1", "smtp_port": mailbox.port, "smtp_username": USER, "smtp_password": PASSWORD}
        to = {"to_addresses": ["ops@example.com"], "from_address": "forwarder@example.com"}
        await call(service, "POST", "/api/notices/recipients", {"name": "Mail", "kind": "email", **smtp, **to})
        connection_id = await service.add_connection(access_token=WRONG)
        await service.post(body=fresh_batch("event-of-no-notice"))
        await until_about(receiver, "connection_paused", ["incident.opened"])
        (incident,) = await call(service, "GET", "/api/incidents")
        assert (incident["kind"], incident["subject"], incident["name"]) == ("connection_paused", connection_id, "Shop")
        (message,) = receiver.messages
        assert message["data"]["subject"] == {"id": connection_id, "name": "Shop"}
        assert message["data"]["url"] == f"{CONSOLE}/connections/{connection_id}"
        assert message["data"]["title"] == "Shop: TikTok refuses the events"
        await asyncio.sleep(0.5)
        assert receiver.about("connection_paused") == ["incident.opened"]
        await service.services.connections.set(
            "Shop", {"access_token": TOKEN}, expected_revision=None, changed_by="test"
        )
        await service.until_delivered(sandbox, 1)
        await until_about(receiver, "connection_paused", ["incident.opened", "incident.closed"])
        assert await call(service, "GET", "/api/incidents") == []

        async def both_arrived() -> bool:
            return len(mailbox.messages) == 2

        await wait_until(both_arrived)
        subjects = [
            email.message_from_bytes(content, policy=email.policy.default)["Subject"]
            for _, _, content in mailbox.messages
        ]
        assert subjects == ["Shop: TikTok refuses the events", "Over: Shop: TikTok refuses the events"]
        assert mailbox.were_encrypted == [True, True]
        notices = await call(service, "GET", "/api/notices")
        assert [each["state"] for each in notices] == ["sent"] * 4
        assert len({each["id"] for each in notices}) == 4
        for content in (str(receiver.messages), str(mailbox.messages), str(notices)):
            assert WRONG not in content and "event-of-no-notice" not in content


async def test_blocked_recipient_delays_neither_delivery_nor_other_recipients(
    tmp_path: Path, tls: ssl.SSLContext
) -> None:
    """Its notice stays waiting, with the reason, while everything else goes on."""
    async with (
        Sandbox(grants={TOKEN: None}) as sandbox,
        raw_server(silence, tls=tls) as blocked,
        webhook_receiver(tls) as receiver,
        running_service(tmp_path / "data", sandbox.url, **QUICK) as service,
    ):
        await call(
            service,
            "POST",
            "/api/notices/recipients",
            {"name": "Blocked", "kind": "slack", "url": f"{blocked.url}/services/secret"},
        )
        await add_webhook(service, receiver)
        await service.add_connection("Paused", access_token=WRONG)
        await service.add_connection("Shop")
        await service.post(body=fresh_batch("e0"))
        await until_about(receiver, "connection_paused", ["incident.opened"])

        async def is_asked() -> bool:
            return bool(blocked.requests)

        await wait_until(is_asked)
        began = time.monotonic()
        for number in range(20):
            assert (await service.post(body=fresh_batch(f"b{number}"))).status == 202

        async def delivered() -> bool:
            return sandbox.counts().delivered >= 21

        await wait_until(delivered)
        assert time.monotonic() - began < 5
        states = {each["recipient"]: each["state"] for each in await call(service, "GET", "/api/notices")}
        assert states == {"Blocked": "waiting", "Ops": "sent"}


async def test_test_reports_what_the_recipient_answered(tmp_path: Path, tls: ssl.SSLContext) -> None:
    """A failed test is final, and the reason names what to change."""
    async with running_service(tmp_path / "data", **QUICK) as service:
        async with webhook_receiver(tls) as receiver:
            await add_webhook(service, receiver)
            outcome = await call(service, "POST", "/api/notices/recipients/Ops/test")
            assert (outcome["state"], outcome["attempts"], receiver.ids) == ("sent", 1, [outcome["id"]])
            assert receiver.messages[0]["type"] == "test"
        async with webhook_receiver(tls, 404) as wrong:
            given = {"name": "Ops", "kind": "webhook", "url": wrong.url}
            await call(service, "PATCH", "/api/notices/recipients/Ops", {"settings": given})
            outcome = await call(service, "POST", "/api/notices/recipients/Ops/test")
            assert (outcome["state"], outcome["reason"]) == ("failed", "the server answered HTTP 404")
        metrics = await service.metrics()
        assert 'tiktok_forwarder_notices_total{outcome="sent",recipient_kind="webhook"} 1.0' in metrics
        assert 'tiktok_forwarder_notices_total{outcome="failed",recipient_kind="webhook"} 1.0' in metrics


async def test_private_address_is_not_asked_without_the_setting(tmp_path: Path, tls: ssl.SSLContext) -> None:
    """A recipient can be saved, since names change; but nothing is sent to it, and the reason names the setting."""
    async with webhook_receiver(tls) as receiver, running_service(tmp_path / "data", log_level="error") as service:
        await add_webhook(service, receiver)
        outcome = await call(service, "POST", "/api/notices/recipients/Ops/test")
        assert (outcome["state"], receiver.ids) == ("failed", [])
        assert "notice_allowed_hosts" in outcome["reason"]


async def test_incident_outlasts_a_restart(tmp_path: Path, tls: ssl.SSLContext) -> None:
    """It is not reported again, and its end is, by the next process."""
    async with Sandbox(grants={TOKEN: None}) as sandbox, webhook_receiver(tls) as receiver:
        async with running_service(tmp_path / "data", sandbox.url, **QUICK) as service:
            await add_webhook(service, receiver)
            await service.add_connection(access_token=WRONG)
            await service.post(body=fresh_batch("e1"))
            await until_about(receiver, "connection_paused", ["incident.opened"])
        async with running_service(tmp_path / "data", sandbox.url, **QUICK) as service:
            await asyncio.sleep(0.5)
            await service.services.connections.set(
                "Shop", {"access_token": TOKEN}, expected_revision=None, changed_by="test"
            )
            await until_about(receiver, "connection_paused", ["incident.opened", "incident.closed"])


async def test_one_of_two_nodes_sends_and_the_other_takes_over(
    empty_database: str, tmp_path: Path, tls: ssl.SSLContext
) -> None:
    """Each notice is sent once; the nodes show the same, and what begins after one stops is sent by the other."""
    one, two = tmp_path / "one", tmp_path / "two"
    options = {**QUICK, "store": empty_database}
    async with (
        Sandbox(grants={TOKEN: None}) as sandbox,
        webhook_receiver(tls) as receiver,
        running_service(one, sandbox.url, **options) as first,
    ):
        two.mkdir(mode=0o700)
        shutil.copyfile(one / "encryption.key", two / "encryption.key")
        async with running_service(two, sandbox.url, **options) as second:
            await add_webhook(first, receiver)
            await first.add_connection(access_token=WRONG)
            await first.post(body=fresh_batch("e1"))
            await until_about(receiver, "connection_paused", ["incident.opened"])
            await asyncio.sleep(1)
            assert receiver.about("connection_paused") == ["incident.opened"]
            for path in ("/api/incidents", "/api/notices", "/api/notices/recipients"):
                assert await call(first, "GET", path) == await call(second, "GET", path) != []
            outcome = await call(second, "POST", "/api/notices/recipients/Ops/test")
            assert outcome["state"] == "sent"
            await first.application.stop()
            await second.services.connections.set(
                "Shop", {"access_token": TOKEN}, expected_revision=None, changed_by="test"
            )
            await until_about(receiver, "connection_paused", ["incident.opened", "incident.closed"])
            assert len(receiver.ids) == len(set(receiver.ids)) == 3


async def test_key_rotation_keeps_recipients_usable(tmp_path: Path, tls: ssl.SSLContext) -> None:
    """Their URLs and secrets are sealed again like access tokens, also in the process that runs."""
    async with webhook_receiver(tls) as receiver, running_service(tmp_path / "data", **QUICK) as service:
        await add_webhook(service, receiver)
        sealed = service.services.notices.recipients.all()[0].record.sealed
        await service.services.key_rotation.rotate()
        assert service.services.notices.recipients.all()[0].record.sealed != sealed
        assert (await call(service, "POST", "/api/notices/recipients/Ops/test"))["state"] == "sent"
        assert len(receiver.messages) == 1


@pytest.mark.sqlite_files("the database's file is moved away and back")
async def test_store_that_cannot_be_written_is_reported_while_it_is_so(
    tmp_path: Path, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notice about it cannot be stored then; its end is reported when it is there again."""
    monkeypatch.setattr(tracking, "_OPENS_AFTER_MS", {"store_problem": 200})
    data = tmp_path / "data"
    async with webhook_receiver(tls) as receiver, running_service(data, **QUICK) as service:
        await add_webhook(service, receiver)
        (data / "events.db").rename(data / "moved.db")
        await until_about(receiver, "store_problem", ["incident.opened"])
        (message,) = receiver.messages
        assert message["data"]["subject"]["id"] == "missing"
        assert "put the files of data_dir back" in message["data"]["text"]
        await asyncio.sleep(0.5)
        (data / "moved.db").rename(data / "events.db")
        await until_about(receiver, "store_problem", ["incident.opened", "incident.closed"])
        assert len(set(receiver.ids)) == 2
        assert [each["state"] for each in await call(service, "GET", "/api/notices")] == ["sent", "sent"]


async def test_notice_outlasts_the_kill_of_the_node_that_sends_it(
    empty_database: str, tmp_path: Path, tls: ssl.SSLContext
) -> None:
    """The other node sends what was found and not sent, with the same ID."""
    one, two = tmp_path / "one" / "data", tmp_path / "two" / "data"
    options = {
        "TIKTOK_FORWARDER_STORE": empty_database,
        "TIKTOK_FORWARDER_NOTICE_ALLOWED_HOSTS": ALLOWED,
        "TIKTOK_FORWARDER_STOP_SECONDS": "1",
    }
    async with Sandbox(grants={TOKEN: None}) as sandbox, raw_server(silence, tls=tls) as server:
        receiver = WebhookReceiver(server)
        one.parent.mkdir()
        first = await asyncio.to_thread(lambda: ServiceProcess(one, sandbox.url, **options))
        try:
            given = {"name": "Ops", "kind": "webhook", "url": receiver.url}
            added = await asyncio.to_thread(ask, one, "POST", "/api/notices/recipients", given)
            receiver.secret = added["signing_secret"]
            paused = {"name": "Shop", "pixel_id": "PIXELSHOP", "access_token": WRONG}
            await asyncio.to_thread(ask, one, "POST", "/api/connections", paused)
            shop = {"name": "shop", "key": KEY, "secret": SECRET}
            await asyncio.to_thread(ask, one, "POST", "/api/inputs", shop)
            two.mkdir(parents=True, mode=0o700)
            shutil.copyfile(one / "encryption.key", two / "encryption.key")
            second = await asyncio.to_thread(lambda: ServiceProcess(two, sandbox.url, **options))
            try:
                assert await asyncio.to_thread(first.post, fresh_batch("e1")) == 202

                async def is_sending() -> bool:
                    return len(receiver.ids) == 1

                await wait_until(is_sending, seconds=20)
                first.process.kill()
                server.replies[:] = [http(204, b"")]

                async def is_sent() -> bool:
                    notices = await asyncio.to_thread(ask, two, "GET", "/api/notices")
                    return [each["state"] for each in notices] == ["sent"]

                await wait_until(is_sent, seconds=25)
                assert len(receiver.ids) == 2 and len(set(receiver.ids)) == 1
                assert receiver.about("connection_paused") == ["incident.opened"] * 2
            finally:
                second.process.kill()
                second.process.wait()
        finally:
            first.process.kill()
            first.process.wait()
