"""Faults of brokers, by librdkafka's mock cluster: slow answers, damaged bytes, and a cluster that vanishes."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.kafka.test_consuming import kafka_status
from tests.integration.service_rig import Service, running_service
from tests.kafka_broker import GROUP, TOPIC, batch_of_output
from tests.kafka_mock import MockCluster
from tests.patience import wait_until
from tiktok_forwarder.web.in_process import asgi_call
from tiktok_sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as made:
        yield made


async def add_input(service: Service, cluster: MockCluster) -> None:
    await service.add_connection()
    kafka = {"servers": cluster.servers, "topics": [TOPIC], "security": "plaintext"}
    body = json.dumps({"name": "kafka", "kind": "kafka", "kafka": kafka}).encode()
    status, answer, *_ = await asgi_call(service.application.api, "POST", "/api/inputs", body)
    assert status == 201, answer


def batches(*event_ids: str) -> list[bytes]:
    return [json.dumps(batch_of_output(event_id)).encode() for event_id in event_ids]


async def until_committed(cluster: MockCluster, expected: dict[int, int]) -> None:
    async def is_committed() -> bool:
        return await asyncio.to_thread(cluster.committed, TOPIC, GROUP) == expected

    await wait_until(is_committed, 40)


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_messages_of_slow_brokers_are_consumed(
    tmp_path: Path, sandbox: Sandbox, compression: str
) -> None:
    """Each request takes a quarter of a second; the leaders of the partitions are different brokers."""
    cluster = MockCluster(3, broker_rtt=250)
    cluster.create_topic(TOPIC)
    for partition in range(4):
        ids = [f"c{partition}-{number}" for number in range(10)]
        cluster.produce(TOPIC, batches(*ids), partition, **{"compression.type": compression})
    async with running_service(tmp_path / "data", sandbox.url) as service:
        await add_input(service, cluster)
        await service.until_delivered(sandbox, 40)
        await until_committed(cluster, dict.fromkeys(range(4), 10))


async def test_damaged_messages_are_skipped_and_counted(tmp_path: Path, sandbox: Sandbox) -> None:
    """The broker would return the same bytes forever: those after them must not wait for that."""
    cluster = MockCluster()
    cluster.create_topic(TOPIC)
    cluster.produce(TOPIC, batches("before"), 2)
    cluster.produce_damaged(TOPIC, 2, messages=3)
    cluster.produce(TOPIC, batches("after"), 2)
    async with running_service(tmp_path / "data", sandbox.url) as service:
        await add_input(service, cluster)
        await service.until_delivered(sandbox, 2)
        await until_committed(cluster, {0: 0, 1: 0, 2: 5, 3: 0})
        metrics = await service.metrics()
        answer: Any = json.loads(
            (await asgi_call(service.application.api, "GET", "/api/activity?outcome=refused", b""))[1]
        )
    assert 'refused_requests_total{input="kafka",reason="damaged"}' in metrics
    assert f"topic {TOPIC}, partition 2, offset 1; input kafka" in {each["detail"] for each in answer["records"]}


async def test_cluster_that_vanishes_is_reported_and_events_over_http_are_received(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """Stopping the service does not wait for brokers that answer nothing."""
    cluster = MockCluster(2)
    cluster.create_topic(TOPIC)
    cluster.produce(TOPIC, batches("first"), 0)
    async with running_service(tmp_path / "data", sandbox.url) as service:
        await add_input(service, cluster)
        await service.until_delivered(sandbox, 1)
        cluster.vanish()

        async def has_failed() -> bool:
            return bool((await kafka_status(service))["state"] == "failed")

        await wait_until(has_failed, 30)
        assert (await service.post(body=batch_of_output("second"))).status == 202
        await service.until_delivered(sandbox, 2)
        stopped_at = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - stopped_at < 10
