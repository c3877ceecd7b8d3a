"""The gate of a connection: both rates hold it back, and each refusal slows the rate that it is about."""

import asyncio

import pytest

from tests.unit.parts import ManualClock
from tiktok_forwarder.delivery.rate_limit import SendRate
from tiktok_forwarder.delivery.send_gate import SendGate
from tiktok_forwarder.domain.outcome import Answer, Throttled
from tiktok_forwarder.tiktok.answers import classify


class Gate:
    """A gate with its two rates, of 10 requests a second and a burst of one, on a clock that stands still."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.own = SendRate(self.clock, 10.0)
        self.of_token = SendRate(self.clock, 10.0)
        self.holds_claim = True
        self.gate = SendGate(self.own, self.of_token, lambda: self.holds_claim)

    def refuse(self, code: int, retry_after_seconds: float | None = 30.0) -> None:
        retry_after = None if retry_after_seconds is None else str(retry_after_seconds)
        refusal = classify(200, b'{"code": %d}' % code, retry_after, now_ms=0)
        assert isinstance(refusal, Throttled)
        self.gate.refused(refusal, self.clock.monotonic_seconds())


@pytest.mark.parametrize("name", ["own", "of_token"])
async def test_gate_waits_for_each_of_its_rates(name: str) -> None:
    """A request leaves only when the pixel and the access token both allow one more."""
    parts = Gate()
    rate: SendRate = getattr(parts, name)
    assert rate.try_take()
    taking = asyncio.create_task(parts.gate.take())
    await asyncio.sleep(0.02)
    assert not taking.done()
    parts.clock.time_ms += 100
    await taking


async def test_gate_uses_up_a_turn_of_both_rates() -> None:
    """Both limits count the request: TikTok sees one of this pixel and one of this token."""
    parts = Gate()
    await parts.gate.take()
    assert (parts.own.try_take(), parts.of_token.try_take()) == (False, False)


async def test_gate_gives_an_unused_turn_back_to_both_rates() -> None:
    """A request that was not made must cost neither the connection nor its neighbors with the same token."""
    parts = Gate()
    await parts.gate.take()
    parts.gate.give_back()
    assert (parts.own.try_take(), parts.of_token.try_take()) == (True, True)


def test_refused_pixel_slows_the_connection_alone() -> None:
    """Code 40132 is about one pixel, so other connections with the same access token keep their rate."""
    parts = Gate()
    parts.refuse(40132)
    assert (parts.own.is_blocked, parts.of_token.is_slowed) == (True, False)
    assert (parts.gate.is_blocked, parts.gate.is_slowed) == (True, True)
    assert parts.gate.per_second == 5.0


@pytest.mark.parametrize("code", [40016, 40100, 40133, 61000])
def test_any_other_refusal_slows_the_access_token(code: int) -> None:
    """The limit is one that all connections with this token share."""
    parts = Gate()
    parts.refuse(code)
    assert (parts.own.is_slowed, parts.of_token.is_blocked) == (False, True)
    assert (parts.gate.is_blocked, parts.gate.is_slowed) == (True, True)
    assert parts.gate.per_second == 5.0


@pytest.mark.parametrize(("code", "name"), [(40132, "own"), (40100, "of_token")])
def test_request_that_passes_ends_the_doubling_of_waits(code: int, name: str) -> None:
    """After a request that TikTok looked at, a refusal without Retry-After is waited out for one second again."""
    parts = Gate()
    for _ in range(3):
        parts.refuse(code, None)
        parts.clock.time_ms += 10_000
    parts.gate.on_not_throttled()
    parts.refuse(code, None)
    parts.clock.time_ms += 1000
    rate: SendRate = getattr(parts, name)
    assert not rate.is_blocked


def test_refusal_counts_from_when_its_request_was_sent() -> None:
    """Requests that were on their way together tell one thing, so they lower the rate once."""
    parts = Gate()
    sent_at = parts.clock.monotonic_seconds()
    parts.clock.time_ms += 100
    for _ in range(4):
        parts.gate.refused(Throttled(Answer(code=40100), 1.0), sent_at)
    assert parts.gate.per_second == 5.0
