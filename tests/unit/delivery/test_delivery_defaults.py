"""The limits that people are promised for delivery, written out, and the way of each setting to the deliverer."""

from pathlib import Path

import pytest

from tests.integration.delivery_rig import delivery_rig
from tiktok_forwarder.bootstrap import open_application
from tiktok_forwarder.delivery.connection_delivery import ConnectionDelivery
from tiktok_forwarder.delivery.deliverer import Deliverer
from tiktok_forwarder.delivery.interfaces import DeliveryPolicy
from tiktok_forwarder.delivery.parts import DeliveryParts
from tiktok_forwarder.domain.retry import RetryPolicy
from tiktok_forwarder.setting_reading import load_settings
from tiktok_forwarder.store.queue import GroupLimits

RETRY = RetryPolicy(
    first_delay_seconds=10.0,
    max_delay_seconds=300.0,
    jitter=0.2,
    window_seconds=86_400.0,
    min_attempts=3,
    few_attempts=5,
    repeatable_seconds=172_800.0,
)
LIMITS = GroupLimits({"1.0": 50, "2.0": 1000}, payload_bytes=4_194_304)
DELIVERY = DeliveryPolicy(
    retry=RETRY,
    limits=LIMITS,
    max_wait_seconds=1.0,
    max_requests_in_flight=4,
    send_timeout_seconds=30.0,
    lease_margin_seconds=30.0,
    requests_per_second=500.0,
    probe_seconds=300.0,
    refusals_before_pause=20,
    recheck_seconds=30.0,
    trouble_wait_seconds=1.0,
)


async def policy_of_service(monkeypatch: pytest.MonkeyPatch, data_dir: Path, **settings: object) -> DeliveryPolicy:
    """The policy that the deliverer of a service with these settings gets."""
    policies: list[DeliveryPolicy] = []

    class WatchedDeliverer(Deliverer):
        def __init__(self, parts: DeliveryParts) -> None:
            policies.append(parts.policy)
            super().__init__(parts)

    monkeypatch.setattr("tiktok_forwarder.bootstrap.Deliverer", WatchedDeliverer)
    async with open_application(load_settings(None, {}, data_dir=data_dir, store="memory", **settings), {}):
        (policy,) = policies
    return policy


def test_retry_policy_has_the_promised_limits() -> None:
    """10 s doubling to 300 s for 24 hours, three attempts at least, and nothing sent twice after 48 hours."""
    assert RetryPolicy() == RETRY


def test_group_limits_are_those_of_tiktok() -> None:
    """TikTok takes 1,000 events of 2.0 or 50 of 1.0 in a request; more than 4 MiB of them is not tried."""
    assert GroupLimits() == LIMITS


def test_delivery_policy_has_the_promised_limits() -> None:
    """Who changes a default changes what the documentation promises."""
    assert DeliveryPolicy() == DELIVERY
    assert DeliveryPolicy().lease_seconds == 60.0


async def test_service_delivers_with_the_promised_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without any configuration the service keeps the limits that are documented."""
    assert await policy_of_service(monkeypatch, tmp_path) == DELIVERY


async def test_each_delivery_setting_reaches_the_deliverer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A setting changes its own limit and no other; a lease outlives the longest answer by 30 seconds."""
    policy = await policy_of_service(
        monkeypatch,
        tmp_path,
        max_wait_seconds=2.5,
        max_requests_in_flight=7,
        requests_per_second=33.0,
        send_timeout_seconds=20.0,
        retry_first_seconds=11.0,
        retry_max_seconds=222.0,
        retry_window_hours=12.0,
        probe_seconds=77.0,
    )
    assert policy == DeliveryPolicy(
        retry=RetryPolicy(first_delay_seconds=11.0, max_delay_seconds=222.0, window_seconds=43_200.0),
        max_wait_seconds=2.5,
        max_requests_in_flight=7,
        send_timeout_seconds=20.0,
        requests_per_second=33.0,
        probe_seconds=77.0,
    )
    assert policy.lease_seconds == 50.0


async def test_longest_retry_wait_is_never_below_the_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Someone who raises the first wait alone means it, though the default of the longest is lower."""
    policy = await policy_of_service(monkeypatch, tmp_path, retry_first_seconds=400.0)
    assert (policy.retry.first_delay_seconds, policy.retry.max_delay_seconds) == (400.0, 400.0)


async def test_changed_connection_gives_its_running_requests_5_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever saves settings waits no longer for TikTok than that."""
    grace: list[float] = []

    async def stop(_: ConnectionDelivery, grace_seconds: float) -> None:
        grace.append(grace_seconds)

    async with delivery_rig(start=False) as rig:
        rig.connections.change("c", enabled=False)
        await rig.deliverer.start()
        with monkeypatch.context() as patched:
            patched.setattr(ConnectionDelivery, "stop", stop)
            await rig.deliverer.reload("c")
    assert grace == [5.0]
