"""A service that consumes topics of a broker: what is accepted, refused and committed."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tests.integration.service_rig import Service, running_service
from tests.kafka_broker import TOPIC, Broker, batch_of_output
from tests.otlp_collector import attributes_of, running_collector
from tests.patience import wait_until
from tests.ports import free_port
from tiktok_forwarder.web.in_process import asgi_call
from tiktok_sandbox import Sandbox
from tiktok_sandbox.steps import Code, Pass

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker.log") as made:
        made.create_topic()
        yield made


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as made:
        yield made


async def add_kafka_input(service: Service, broker: Broker, **settings: Any) -> None:
    kafka = {"servers": [broker.server], "topics": [TOPIC], "security": "plaintext", **settings}
    await service.add_connection()
    body = json.dumps({"name": "kafka", "kind": "kafka", "kafka": kafka}).encode()
    status, answer, *_ = await asgi_call(service.application.api, "POST", "/api/inputs", body)
    assert status == 201, answer


async def kafka_status(service: Service) -> dict[str, Any]:
    (found,) = (await service.status())["kafka_inputs"]
    return dict(found)


async def until_committed(broker: Broker, expected: dict[int, int]) -> None:
    async def committed() -> bool:
        return await asyncio.to_thread(broker.committed) == expected

    await wait_until(committed, 30)


async def test_batches_of_a_topic_are_delivered_and_their_offsets_committed(
    tmp_path: Path, broker: Broker, sandbox: Sandbox
) -> None:
    """Each message is a batch of mParticle's Kafka output; the group has read all of them in the end."""
    broker.produce([json.dumps(batch_of_output(f"k{n}a", f"k{n}b")).encode() for n in range(200)])
    async with running_service(tmp_path / "data", sandbox.url) as service:
        await add_kafka_input(service, broker)
        await service.until_delivered(sandbox, 400)
        await until_committed(broker, dict.fromkeys(range(4), 50))

        async def is_read() -> bool:
            status = await kafka_status(service)
            return bool(status["state"] == "connected" and status["lag"] == 0 and len(status["partitions"]) == 4)

        await wait_until(is_read, 20)
        assert (
            'tiktok_forwarder_kafka_messages_total{input="kafka",outcome="accepted"} 200.0' in await service.metrics()
        )


async def test_messages_that_are_no_batch_are_refused_and_do_not_stop_those_after(
    tmp_path: Path, broker: Broker, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is counted and recorded with topic, partition and offset; its content appears nowhere."""
    good = [json.dumps(batch_of_output(f"p{n}")).encode() for n in range(3)]
    secret = "shopper@example.com"
    large = json.dumps(batch_of_output("large", now_ms=1) | {"padding": "x" * 20_000}).encode()
    values = [good[0], f'{{"email": "{secret}'.encode(), None, good[1], b"[1, 2]", b"", large, b"\xff\xfe", good[2]]
    broker.produce(values, partition=1)
    async with running_service(tmp_path / "data", sandbox.url, max_body_bytes=16 * 1024) as service:
        await add_kafka_input(service, broker)
        await service.until_delivered(sandbox, 3)
        await until_committed(broker, {0: 0, 1: len(values), 2: 0, 3: 0})
        metrics = await service.metrics()
        for outcome, number in (("accepted", 3), ("refused", 4), ("empty", 2)):
            assert f'kafka_messages_total{{input="kafka",outcome="{outcome}"}} {number}.0' in metrics
        assert 'refused_requests_total{input="kafka",reason="unreadable"} 3.0' in metrics
        assert 'refused_requests_total{input="kafka",reason="too_large"} 1.0' in metrics
        answer = json.loads((await asgi_call(service.application.api, "GET", "/api/activity?outcome=refused", b""))[1])
        told = {(each["reason"], each["detail"]) for each in answer["records"]}
    place = f"topic {TOPIC}, partition 1, offset"
    reasons = {1: "unreadable", 4: "unreadable", 6: "too_large", 7: "unreadable"}
    assert told == {(reason, f"{place} {offset}; input kafka") for offset, reason in reasons.items()}
    assert secret not in capsys.readouterr().err and secret not in json.dumps(answer)


async def test_full_store_pauses_the_partitions_and_loses_nothing(
    tmp_path: Path, broker: Broker, sandbox: Sandbox
) -> None:
    """Nothing is skipped and nothing committed ahead: what does not fit stays in Kafka, counted as lag."""
    sandbox.script.from_now_on(Code(code=50000, times=None))
    broker.produce([json.dumps(batch_of_output(*(f"f{n}-{m}" for m in range(20)))).encode() for n in range(1000)])
    settings = {"max_store_bytes": 4 * 1024 * 1024, "retry_max_seconds": 0.2, "max_body_bytes": 1024 * 1024}
    async with running_service(tmp_path / "data", sandbox.url, **settings) as service:
        await add_kafka_input(service, broker)

        async def is_behind() -> bool:
            totals = (await service.status())["connections"][0]["totals"]
            status = await kafka_status(service)
            return bool(totals.get("accepted", 0) and status["lag"] > 100 and await is_still(service))

        await wait_until(is_behind, 40)
        committed = sum((await asyncio.to_thread(broker.committed)).values())
        accepted = (await service.status())["connections"][0]["totals"]["accepted"]
        assert committed * 20 <= accepted < 20_000
        sandbox.script.from_now_on(Pass(times=None))
        await wait_until(lambda: _delivered(service, 20_000), 60)
        await until_committed(broker, dict.fromkeys(range(4), 250))


async def is_still(service: Service) -> bool:
    before = (await kafka_status(service))["lag"]
    await asyncio.sleep(3)
    return bool((await kafka_status(service))["lag"] == before)


async def _delivered(service: Service, events: int) -> bool:
    return bool((await service.status())["connections"][0]["totals"].get("delivered", 0) == events)


async def test_broker_that_cannot_be_reached_is_reported_until_it_is_back(
    tmp_path: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line in the log for each change; the node stays ready, since it receives over HTTP."""
    port = free_port()
    async with running_service(tmp_path / "data", sandbox.url) as service:
        await service.add_connection()
        kafka = {"servers": [f"127.0.0.1:{port}"], "topics": [TOPIC], "security": "plaintext"}
        body = json.dumps({"name": "kafka", "kind": "kafka", "kafka": kafka}).encode()
        assert (await asgi_call(service.application.api, "POST", "/api/inputs", body))[0] == 201

        async def has_state(state: str) -> bool:
            return bool((await kafka_status(service))["state"] == state)

        await wait_until(lambda: has_state("failed"), 20)
        assert "Connection refused" in (await kafka_status(service))["problem"]
        assert 'tiktok_forwarder_kafka_connected{input="kafka"} 0.0' in await service.metrics()
        assert (await service.request("GET", "/readyz")).status == 200
        await asyncio.sleep(4)
        with Broker(tmp_path / "broker.log", port=port) as broker:
            await asyncio.to_thread(broker.create_topic)
            await asyncio.to_thread(broker.produce, [json.dumps(batch_of_output("back")).encode()])
            await service.until_delivered(sandbox, 1)
            await wait_until(lambda: has_state("connected"), 20)
            assert (await kafka_status(service))["problem"] == ""
    log = capsys.readouterr().err
    assert log.count("Kafka input failed") == 1 and log.count("Kafka input connected") == 1


async def test_login_that_the_broker_refuses_is_reported_without_the_password(
    tmp_path: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The problem is the broker's own text in one line."""
    password = "password-of-the-consumer"
    with Broker(tmp_path / "broker.log", is_authenticating=True) as broker:
        async with running_service(tmp_path / "data", sandbox.url) as service:
            login = {"sasl_mechanism": "SCRAM-SHA-512", "user_name": "forwarder", "password": password}
            await add_kafka_input(service, broker, **login)

            async def is_refused() -> bool:
                return "SASL" in (await kafka_status(service))["problem"]

            await wait_until(is_refused, 20)
            status = json.dumps(await service.status())
            inputs = (await asgi_call(service.application.api, "GET", "/api/inputs", b""))[1].decode()
            metrics = await service.metrics()
    assert '"state": "failed"' in status and '"has_password":true' in inputs
    for text in (status, inputs, metrics, capsys.readouterr().err):
        assert password not in text


async def test_consumer_follows_the_input_as_it_is_changed_and_removed(
    tmp_path: Path, broker: Broker, sandbox: Sandbox
) -> None:
    """New topics are consumed from their beginning; a removed input leaves its group."""
    broker.create_topic("later")
    async with running_service(tmp_path / "data", sandbox.url) as service:
        await add_kafka_input(service, broker)
        broker.produce([json.dumps(batch_of_output("first")).encode()])
        await service.until_delivered(sandbox, 1)
        kafka = {"servers": [broker.server], "topics": ["later"], "security": "plaintext"}
        body = json.dumps({"kafka": kafka}).encode()
        assert (await asgi_call(service.application.api, "PATCH", "/api/inputs/kafka", body))[0] == 200
        broker.produce([json.dumps(batch_of_output("second")).encode()], "later")
        await service.until_delivered(sandbox, 2)
        assert (await asgi_call(service.application.api, "DELETE", "/api/inputs/kafka", b""))[0] == 200
        await wait_until(lambda: _has_no_members(broker), 20)
        assert (await service.status())["kafka_inputs"] == []
        broker.produce([json.dumps(batch_of_output("third")).encode()], "later")
        await asyncio.sleep(2)
        assert sandbox.counts().delivered == 2


async def _has_no_members(broker: Broker) -> bool:
    return not await asyncio.to_thread(broker.members)


async def test_topic_that_does_not_exist_is_reported(tmp_path: Path, broker: Broker, sandbox: Sandbox) -> None:
    """A wrong name in the settings must not look like a topic without messages."""
    async with running_service(tmp_path / "data", sandbox.url) as service:
        await add_kafka_input(service, broker, topics=["mistyped"])

        async def is_reported() -> bool:
            return "topic mistyped" in (await kafka_status(service))["problem"]

        await wait_until(is_reported, 20)


async def test_stop_commits_what_is_durable_and_leaves_the_group(
    tmp_path: Path, broker: Broker, sandbox: Sandbox
) -> None:
    """The next start reads on from there, without waiting for the end of a session."""
    broker.produce([json.dumps(batch_of_output(f"s{n}")).encode() for n in range(40)])
    async with running_service(tmp_path / "data", sandbox.url) as service:
        await add_kafka_input(service, broker)
        await service.until_delivered(sandbox, 40)
    assert broker.committed() == dict.fromkeys(range(4), 10)
    assert broker.members() == 0
    broker.produce([json.dumps(batch_of_output(f"t{n}")).encode() for n in range(4)])
    async with running_service(tmp_path / "data", sandbox.url) as service:
        await service.until_delivered(sandbox, 44)
        assert (await service.status())["connections"][0]["totals"].get("duplicate", 0) == 0


@pytest.mark.both_stores
async def test_password_survives_a_rotation_of_the_encryption_key(tmp_path: Path) -> None:
    """It is sealed again with the others; the consumer does not start again for that."""
    async with running_service(tmp_path / "data", log_level="error") as service:
        login = {"sasl_mechanism": "PLAIN", "user_name": "forwarder", "password": "password-of-the-consumer"}
        server = f"127.0.0.1:{free_port()}"
        kafka = {"servers": [server], "topics": [TOPIC], "security": "plaintext", **login}
        body = json.dumps({"name": "kafka", "kind": "kafka", "kafka": kafka}).encode()
        assert (await asgi_call(service.application.api, "POST", "/api/inputs", body))[0] == 201
        inputs = service.services.inputs
        before = inputs.find_by_name("kafka")
        await service.services.key_rotation.rotate()
        after = inputs.find_by_name("kafka")
        assert before is not None and after is not None and before.sealed_password != after.sealed_password
        assert inputs.password_of(after) == login["password"]
    async with running_service(tmp_path / "data", log_level="error") as service:
        found = service.services.inputs.find_by_name("kafka")
        assert found is not None and service.services.inputs.password_of(found) == login["password"]


@pytest.mark.both_stores
async def test_input_whose_password_cannot_be_decrypted_is_reported(tmp_path: Path) -> None:
    """The others are consumed, and setting the password again fixes it."""
    async with running_service(tmp_path / "data", log_level="error") as service:
        server = f"127.0.0.1:{free_port()}"
        login = {"sasl_mechanism": "PLAIN", "user_name": "forwarder", "password": "password-of-the-consumer"}
        kafka = {"servers": [server], "topics": [TOPIC], "security": "plaintext", **login}
        for name in ("kafka", "other"):
            body = json.dumps({"name": name, "kind": "kafka", "kafka": kafka}).encode()
            assert (await asgi_call(service.application.api, "POST", "/api/inputs", body))[0] == 201
        inputs = service.services.inputs
        found, other = inputs.find_by_name("kafka"), inputs.find_by_name("other")
        assert found is not None and other is not None

        async def swap_passwords() -> None:
            record = await inputs.record_of(found)
            moved = structs.replace(record, sealed_password=(await inputs.record_of(other)).sealed_password)
            await inputs.put_all([(found.id, moved, found.revision)], "test")

        await inputs.change_all(swap_passwords)

        async def is_reported() -> bool:
            (first, _) = (await service.status())["kafka_inputs"]
            return bool(first["state"] == "failed" and "cannot be decrypted" in first["problem"])

        await wait_until(is_reported, 20)
        shown = json.loads((await asgi_call(service.application.api, "GET", "/api/inputs", b""))[1])
        assert [each["unreadable"] for each in shown if each["name"] == "kafka"] == [True]
        body = json.dumps({"kafka": kafka}).encode()
        assert (await asgi_call(service.application.api, "PATCH", "/api/inputs/kafka", body))[0] == 200

        async def is_used() -> bool:
            (first, _) = (await service.status())["kafka_inputs"]
            return "cannot be decrypted" not in first["problem"]

        await wait_until(is_used, 20)


async def test_message_is_traced_as_a_request_is(tmp_path: Path, broker: Broker, sandbox: Sandbox) -> None:
    """With the stages until its events are durable, and without its content."""
    broker.produce([json.dumps(batch_of_output("k1", "k2")).encode()])
    async with running_collector() as collector:
        traced = {"otlp_endpoint": collector.url, "otlp_trace_ratio": 1}
        async with running_service(tmp_path / "data", sandbox.url, **traced) as service:
            await add_kafka_input(service, broker)
            await service.until_delivered(sandbox, 2)
    (message,) = (span for span in collector.spans if span.name == "kafka message")
    stages = {span.name for span in collector.spans if span.parent_span_id == message.span_id}
    assert stages == {"parse", "map", "append"}
    assert attributes_of(message.attributes) == {
        "messaging.system": "kafka",
        "tiktok_forwarder.input": "kafka",
        "tiktok_forwarder.batches": 1,
        "tiktok_forwarder.events": 2,
    }
