"""Rate limits: ours is kept before TikTok has to speak, and TikTok's is obeyed."""

import time
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from tests.integration.delivery_rig import PATIENT, QUICK, Received, answer, delivery_rig, ids, take_all
from tiktok_forwarder.store.queue import GroupLimits, Lease

SINGLES = GroupLimits({"1.0": 1, "2.0": 1})


@pytest.mark.slow
@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(lambda: answer(40100, "Too many requests.", Retry_After="1"), id="40100"),
        pytest.param(lambda: answer(40100, "Too many requests.", 401, Retry_After="1"), id="40100 on HTTP 401"),
        pytest.param(lambda: web.Response(status=429, headers={"Retry-After": "1"}), id="429 without JSON"),
        pytest.param(lambda: answer(61000), id="61000 without Retry-After"),
    ],
)
async def test_nothing_is_sent_before_retry_after(refusal: object) -> None:
    """The connection waits as long as TikTok says, or a second, and no attempt is counted."""
    assert callable(refusal)
    async with delivery_rig(PATIENT) as rig:
        rig.tiktok.judge = lambda _: refusal() if len(rig.tiktok.requests) == 1 else answer(0)
        await rig.accept(ids(3))
        status = await rig.until_condition("throttled")
        assert "limiting the request rate" in status.reason
        assert status.requests_per_second < 500
        await rig.accept(ids(2, "later"))
        await rig.until_empty()
        requests = rig.tiktok.requests
    assert requests[1].at - requests[0].at >= 1.0
    assert sorted(rig.tiktok.event_ids[3:]) == sorted([*ids(3), *ids(2, "later")])
    assert rig.witness.outcomes == {("c", "delivered"): 5}
    assert ("c", "throttled") in rig.witness.changes


@pytest.mark.slow
async def test_our_own_limit_is_kept() -> None:
    """No more requests a second are made than set, whatever the backlog."""
    async with delivery_rig(replace(QUICK, limits=SINGLES, requests_per_second=50.0)) as rig:
        started = time.monotonic()
        await rig.accept(ids(40))
        await rig.until_empty()
        seconds = time.monotonic() - started
        await rig.until_condition("live")
    assert 0.5 < seconds < 3


@pytest.mark.slow
async def test_connections_with_one_token_share_its_limit() -> None:
    """The limit is the token's: two connections with it are no faster than one."""
    async with delivery_rig(replace(QUICK, limits=SINGLES, requests_per_second=50.0), start=False) as rig:
        rig.connections.add("a", token="shared")
        rig.connections.add("b", token="shared")
        await rig.deliverer.start()
        started = time.monotonic()
        await rig.accept(ids(20), "a")
        await rig.accept(ids(20), "b")
        await rig.until_empty("a")
        await rig.until_empty("b")
        seconds = time.monotonic() - started
    assert seconds > 0.5


@pytest.mark.slow
async def test_a_token_that_is_throttled_is_so_for_all_its_connections() -> None:
    """A refusal that one connection gets slows the others with the same token, and nobody else."""
    async with delivery_rig(PATIENT, start=False) as rig:
        rig.connections.add("a", token="shared")
        rig.connections.add("b", token="shared")
        await rig.deliverer.start()
        rig.tiktok.judge = lambda received: answer(40100, Retry_After="1") if received.pixel == "pixel-a" else answer(0)
        await rig.accept(ids(1), "a")
        await rig.until_condition("throttled", "a")
        throttled_at = time.monotonic()
        rig.tiktok.judge = take_all
        for connection_id in ("b", "c"):
            await rig.accept(ids(1), connection_id)
        await rig.until_empty("c")
        await rig.until_empty("b")
        (to_b,) = rig.tiktok.of_pixel("pixel-b")
        (to_c,) = rig.tiktok.of_pixel("pixel-c")
    assert to_b.at - throttled_at > 0.9
    assert to_c.at - throttled_at < 0.5


@pytest.mark.slow
async def test_a_refusal_that_comes_while_leasing_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events leased just before another connection was throttled are given back, not sent."""
    async with delivery_rig(PATIENT, start=False) as rig:
        rig.connections.add("a", token="shared")
        rig.connections.add("b", token="shared")
        lease = rig.store.lease

        async def slow_lease(connection_id: str, *rest: Any) -> Lease | None:
            if connection_id == "b":
                await rig.until_condition("throttled", "a")
            return await lease(connection_id, *rest)

        monkeypatch.setattr(rig.store, "lease", slow_lease)
        rig.tiktok.judge = lambda _: answer(40100, Retry_After="1") if len(rig.tiktok.requests) == 1 else answer(0)
        await rig.deliverer.start()
        await rig.accept(ids(1), "b")
        await rig.accept(ids(1), "a")
        await rig.until_condition("throttled", "a")
        monkeypatch.undo()
        await rig.until_empty("a")
        await rig.until_empty("b")
        first, *later = rig.tiktok.requests
    assert all(request.at - first.at >= 1.0 for request in later)
    assert await rig.total("delivered", "b") == 1


async def test_a_pixel_that_is_throttled_slows_no_other() -> None:
    """40132 is about one pixel, even where the token is shared."""
    async with delivery_rig(PATIENT, start=False) as rig:
        rig.connections.add("a", token="shared")
        rig.connections.add("b", token="shared")
        await rig.deliverer.start()
        rig.tiktok.judge = lambda received: answer(40132) if received.pixel == "pixel-a" else answer(0)
        await rig.accept(ids(1), "a")
        await rig.until_condition("throttled", "a")
        started = time.monotonic()
        await rig.accept(ids(1), "b")
        await rig.until_empty("b")
        assert time.monotonic() - started < 0.9
        assert rig.deliverer.status("b").condition != "throttled"


@pytest.mark.slow
async def test_the_allowed_rate_is_found_and_used() -> None:
    """Against a limit of 20 requests a second, few requests are refused and most of the allowance is used.

    The figures in the long run are tested in simulated time; five seconds may hold one whole wait.
    """
    taken_at: list[float] = []

    def judge(_: Received) -> web.Response:
        now = time.monotonic()
        if sum(now - at < 1.0 for at in taken_at) >= 20:
            return answer(40100)
        taken_at.append(now)
        return answer(0)

    async with delivery_rig(replace(PATIENT, limits=SINGLES)) as rig:
        rig.tiktok.judge = judge
        await rig.accept(ids(1000))
        learnt_at = time.monotonic() + 3
        await rig.wait_until(lambda: time.monotonic() > learnt_at + 5, seconds=20)
        kinds = [kind for _, kind, _, _ in rig.witness.attempts]
        taken = [at for at in taken_at if learnt_at < at < learnt_at + 5]
    assert len(taken) >= 0.6 * 20 * 5
    assert kinds.count("throttled") <= 0.05 * len(kinds)
    assert set(rig.witness.outcomes) == {("c", "delivered")}
