"""Limits a connection's requests: by its own rate, by the rate shared by its access token, and by the node's claim."""

import asyncio
from collections.abc import Callable
from typing import Final

from tiktok_forwarder.delivery.rate_limit import SendRate
from tiktok_forwarder.domain.outcome import Throttled

_CLAIM_SECONDS: Final = 0.1


class SendGate:
    """Both rates must allow a request. `own` limits only after TikTok has limited the pixel itself.

    `holds_claim` returns whether this node may send: only then do the rates contain every request of the access token.
    """

    def __init__(self, own: SendRate, of_token: SendRate, holds_claim: Callable[[], bool]) -> None:
        self._own = own
        self._of_token = of_token
        self._holds_claim = holds_claim

    @property
    def per_second(self) -> float:
        return min(self._own.per_second, self._of_token.per_second)

    @property
    def is_slowed(self) -> bool:
        return self._own.is_slowed or self._of_token.is_slowed

    @property
    def is_blocked(self) -> bool:
        return self._own.is_blocked or self._of_token.is_blocked

    async def take(self) -> None:
        """Wait for a turn and use it up."""
        await self._own.take()
        await self._of_token.take()
        while not self._holds_claim():  # noqa: ASYNC110 - it ends as time passes, and nothing signals that
            await asyncio.sleep(_CLAIM_SECONDS)

    def give_back(self) -> None:
        """Return a turn that was not used."""
        self._own.give_back()
        self._of_token.give_back()

    def refused(self, verdict: Throttled, sent_at: float) -> None:
        """Lower a rate: TikTok rate limited the request sent at `sent_at` (monotonic).

        A limit of the pixel alone does not slow down other connections with the same token.
        """
        rate = self._own if verdict.culprit == "pixel" else self._of_token
        rate.refused(verdict.retry_after_seconds, sent_at)

    def on_not_throttled(self) -> None:
        """Record that TikTok did not rate limit a request."""
        self._own.on_not_throttled()
        self._of_token.on_not_throttled()
