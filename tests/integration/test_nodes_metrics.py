"""The metrics of several nodes over one database, which a monitoring system adds up."""

import re
import shutil
from pathlib import Path

import pytest

from tests.integration.service_rig import Service, fresh_batch, running_service
from tests.patience import wait_until

pytestmark = pytest.mark.slow


async def samples(node: Service, name: str) -> dict[str, float]:
    """The values of a metric by their labels."""
    found = re.findall(rf"^{name}{{(.*)}} (\S+)$", await node.metrics(), re.MULTILINE)
    return {labels: float(value) for labels, value in found}


async def test_figures_of_the_store_are_shown_by_one_node(empty_database: str, tmp_path: Path) -> None:
    """Another one takes over when it stops. API and console show them on every node."""
    one, two = tmp_path / "one", tmp_path / "two"
    options = {"store": empty_database, "log_level": "error"}
    async with running_service(one, **options) as first:
        connection_id = await first.add_connection()
        two.mkdir(mode=0o700)
        shutil.copyfile(one / "encryption.key", two / "encryption.key")
        async with running_service(two, **options) as second:
            await second.post(body=fresh_batch("e1", "e2"))
            accepted = f'connection="{connection_id}",outcome="accepted",reason=""'
            assert (await samples(first, "tiktok_forwarder_events_total"))[accepted] == 2
            assert (await samples(first, "tiktok_forwarder_queue_events"))[f'connection="{connection_id}"'] == 2
            for metric in ("events_total", "queue_events", "dead_letters", "connection_condition"):
                assert await samples(second, f"tiktok_forwarder_{metric}") == {}
            for node in (first, second):
                (shown,) = (await node.status())["connections"]
                assert (shown["totals"]["accepted"], shown["queue"]["waiting"]) == (2, 2)
                assert shown["delivery"]["condition"] == "not_checked"
                assert shown["delivery"]["is_elsewhere"] == (node is second)
            await first.application.stop()

            async def is_shown() -> bool:
                return (await samples(second, "tiktok_forwarder_events_total")).get(accepted) == 2

            await wait_until(is_shown, seconds=5)
            condition = f'condition="not_checked",connection="{connection_id}"'

            async def is_delivered() -> bool:
                return (await samples(second, "tiktok_forwarder_connection_condition")).get(condition) == 1

            await wait_until(is_delivered, seconds=5)
