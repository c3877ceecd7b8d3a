"""The deliverer with real parts around it: a store, HTTP over loopback, and a TikTok that does what a test tells it."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from tests.patience import wait_until
from tiktok_forwarder.delivery.check_records import CheckRecords
from tiktok_forwarder.delivery.deliverer import Deliverer
from tiktok_forwarder.delivery.http_client import TikTokHttpSender
from tiktok_forwarder.delivery.interfaces import (
    Attempt,
    DeliveryPolicy,
    DeliveryStatus,
    DeliveryTarget,
    Settled,
    SettledAs,
    VerdictKind,
)
from tiktok_forwarder.delivery.parts import DeliveryParts
from tiktok_forwarder.domain.errors import SecretUnreadable
from tiktok_forwarder.domain.outcome import WireFormName
from tiktok_forwarder.domain.retry import RetryPolicy
from tiktok_forwarder.store.dead_letters import DeadLetter, DeadLetterFilter
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.queue import Arrivals, NewEvent

# Retries after 20, 40, 80 ms, so that tests need not wait. A clock that a test moves is noticed as soon.
QUICK = DeliveryPolicy(
    retry=RetryPolicy(first_delay_seconds=0.02, max_delay_seconds=0.1, jitter=0.0),
    max_wait_seconds=0.02,
    trouble_wait_seconds=0.05,
    recheck_seconds=0.02,
)
# No retry within a test.
PATIENT = replace(QUICK, retry=RetryPolicy(first_delay_seconds=60.0))
BAD_TOKEN = 40105


@dataclass(frozen=True)
class Received:
    """A request as TikTok got it."""

    path: str
    headers: dict[str, str]
    envelope: dict[str, Any]
    body: bytes
    at: float

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.envelope.get("data") or self.envelope.get("batch") or [self.envelope]

    @property
    def event_ids(self) -> list[str]:
        return [event["event_id"] for event in self.events]

    @property
    def pixel(self) -> str:
        return str(self.envelope.get("event_source_id") or self.envelope.get("pixel_code"))


Judge = Callable[[Received], Awaitable[web.StreamResponse] | web.StreamResponse]


def answer(code: int, message: str = "text", status: int = 200, **headers: str) -> web.Response:
    """An answer of TikTok's; header names are written with underscores."""
    body = {"code": code, "message": message, "request_id": "r-1", "data": {}}
    return web.json_response(
        body, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def take_all(_: Received) -> web.Response:
    return answer(0, "OK")


def refuse_token(_: Received) -> web.Response:
    return answer(BAD_TOKEN, "Access token is incorrect or has been revoked.", 401)


class ScriptedTikTok:
    """Keeps every request, and answers as `judge` says."""

    def __init__(self) -> None:
        self.judge: Judge = take_all
        self.requests: list[Received] = []
        self.url = ""

    async def receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        received = Received(request.path, dict(request.headers), json.loads(body), body, time.monotonic())
        self.requests.append(received)
        verdict = self.judge(received)
        return await verdict if isinstance(verdict, Awaitable) else verdict

    @property
    def groups(self) -> list[list[str]]:
        return [request.event_ids for request in self.requests]

    @property
    def event_ids(self) -> list[str]:
        return [event_id for group in self.groups for event_id in group]

    def of_pixel(self, pixel: str) -> list[Received]:
        return [request for request in self.requests if request.pixel == pixel]


class Connections:
    """Connections whose settings a test changes as it likes. A token of None is unreadable."""

    def __init__(self) -> None:
        self.targets: dict[str, DeliveryTarget] = {}
        self.tokens: dict[str, str | None] = {}

    def add(self, connection_id: str, token: str | None = None, **settings: Any) -> None:
        pixel = {"pixel_id": f"pixel-{connection_id}", "enabled": True, "revision": 1}
        self.targets[connection_id] = DeliveryTarget(connection_id, **{**pixel, **settings})
        self.tokens[connection_id] = token or f"token-{connection_id}"

    def change(self, connection_id: str, **settings: Any) -> None:
        target = self.targets[connection_id]
        self.targets[connection_id] = replace(target, revision=target.revision + 1, **settings)

    def connection_ids(self) -> Collection[str]:
        return list(self.targets)

    def target(self, connection_id: str) -> DeliveryTarget | None:
        return self.targets.get(connection_id)

    def access_token(self, connection_id: str) -> str:
        token = self.tokens[connection_id]
        if token is None:
            raise SecretUnreadable("It was sealed with another key")
        return token


class ShiftedClock:
    """The real time, moved by hand."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0
        self._set_seconds = 0.0

    def set_wall(self, seconds: float) -> None:
        """Only the time of day, as an administrator sets it."""
        self._set_seconds += seconds

    def advance(self, seconds: float) -> None:
        self._ahead_seconds += seconds

    def now_ms(self) -> int:
        return round((time.time() + self._ahead_seconds + self._set_seconds) * 1000)

    def monotonic_seconds(self) -> float:
        return time.monotonic() + self._ahead_seconds


@dataclass
class RecordingObserver:
    """The observer: keeps what it is told."""

    attempts: list[tuple[str, VerdictKind, int | None, int]] = field(default_factory=list)
    outcomes: Counter[tuple[str, SettledAs]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    changes: list[tuple[str, str]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    taken_back: int = 0

    def on_attempted(self, attempt: Attempt) -> None:
        assert attempt.seconds >= 0
        self.attempts.append((attempt.connection_id, attempt.verdict, attempt.answer.code, len(attempt.events)))

    def on_settled(self, settled: Settled) -> None:
        for outcome, count in settled.counts.items():
            self.outcomes[settled.connection_id, outcome] += count

    def on_replayed(self, connection_id: str, count: int) -> None:
        self.taken_back += count

    def on_noted(self, connection_id: str, note: str) -> None:
        self.notes.append(note)

    def on_state_changed(self, status: DeliveryStatus) -> None:
        self.changes.append((status.connection_id, status.condition))

    def on_failed(self, connection_id: str, error: Exception) -> None:
        self.failures.append(error)


class Rig:
    """Everything a test of the deliverer needs. Connection `c` exists."""

    def __init__(self, tiktok: ScriptedTikTok, policy: DeliveryPolicy) -> None:
        self.tiktok = tiktok
        self.store = MemoryStore()
        self.clock = ShiftedClock()
        self.connections = Connections()
        self.connections.add("c")
        self.witness = RecordingObserver()
        self.sender = TikTokHttpSender(tiktok.url)
        self.policy = policy
        self.checks = self.make_checks()
        self.deliverer = self.make_deliverer()

    def make_checks(self) -> CheckRecords:
        return CheckRecords(self.store, self.clock, self.connections, lambda text: f"hash of {text}")

    def make_deliverer(self) -> Deliverer:
        return Deliverer(
            DeliveryParts(
                queue=self.store,
                dead_letters=self.store,
                documents=self.store,
                claims=self.store,
                sender=self.sender,
                clock=self.clock,
                connections=self.connections,
                checks=self.checks,
                token_hash=lambda token: f"hash of {token}",
                observer=self.witness,
                policy=self.policy,
            )
        )

    async def restart(self) -> None:
        """A new deliverer on the same store."""
        await self.deliverer.stop(1.0)
        self.checks = self.make_checks()
        await self.checks.load()
        self.deliverer = self.make_deliverer()
        await self.deliverer.start()

    async def accept(
        self, event_ids: Sequence[str], connection_id: str = "c", wire_form: WireFormName = "2.0"
    ) -> list[bytes]:
        """Store events of these ids; return their payloads."""
        payloads = {event_id: payload(event_id, wire_form) for event_id in event_ids}
        await self.accept_payloads(payloads, connection_id, wire_form)
        return list(payloads.values())

    async def accept_payloads(
        self, payloads: Mapping[str, bytes], connection_id: str = "c", wire_form: WireFormName = "2.0"
    ) -> None:
        """Store events with these payloads by event ID."""
        events = [
            NewEvent(connection_id, 1, wire_form, "AddToCart", event_id, content, ())
            for event_id, content in payloads.items()
        ]
        await self.store.append(Arrivals(events, {}, self.clock.now_ms()))

    async def wait_until(self, condition: Callable[[], bool], seconds: float = 5.0) -> None:
        await wait_until(condition, seconds)

    async def give_time(self, seconds: float = 0.06) -> None:
        """Let the deliverer run for three times the longest wait of `QUICK`, so that a wrong request would be sent."""
        await asyncio.sleep(seconds)

    async def until_requests(self, count: int) -> None:
        """Until TikTok has got so many requests, and all are answered."""
        await self.wait_until(lambda: len(self.tiktok.requests) >= count)
        await self.wait_until(
            lambda: all(not status.requests_in_flight for status in self.deliverer.statuses().values())
        )

    async def until_condition(self, condition: str, connection_id: str = "c") -> DeliveryStatus:
        await self.wait_until(lambda: self.deliverer.status(connection_id).condition == condition)
        return self.deliverer.status(connection_id)

    async def until_paused(self) -> DeliveryStatus:
        """Until connection `c` is paused and what had been leased is settled or given back."""
        await self.wait_until(lambda: not {("c", "paused"), ("c", "refused")}.isdisjoint(self.witness.changes))
        return self.deliverer.status("c")

    async def refuse_until_paused(self, events: int = 3) -> None:
        """Bring connection `c` into a pause made by the service."""
        self.tiktok.judge = refuse_token
        await self.accept(ids(events))
        await self.until_paused()

    async def until_empty(self, connection_id: str = "c", seconds: float = 5.0) -> None:
        """Until nothing of the connection waits any more."""

        async def is_empty() -> bool:
            return not await self.waiting(connection_id)

        await wait_until(is_empty, seconds)

    async def waiting(self, connection_id: str = "c") -> int:
        counts = (await self.store.counts()).get(connection_id)
        return counts.waiting if counts else 0

    async def leased(self, connection_id: str = "c") -> int:
        counts = (await self.store.counts()).get(connection_id)
        return counts.leased if counts else 0

    async def is_due(self, at_ms: int) -> bool:
        """Whether an event of connection `c` is due at that time."""
        return await self.store.ready("c", self.policy.limits, fill_seconds=0, now_ms=at_ms, wait_seconds=0)

    async def total(self, counter: str, connection_id: str = "c") -> int:
        rows = await self.store.totals()
        return sum(row.count for row in rows if (row.connection_id, row.counter) == (connection_id, counter))

    async def dead_letters(self, connection_id: str = "c") -> Sequence[DeadLetter]:
        return await self.store.dead_letters(DeadLetterFilter(connection_id), limit=10_000)


@asynccontextmanager
async def delivery_rig(policy: DeliveryPolicy = QUICK, *, start: bool = True, url: str = "") -> AsyncIterator[Rig]:
    """A rig with a scripted TikTok, or with what listens at `url`."""
    tiktok = ScriptedTikTok()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/{path:.*}", tiktok.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    tiktok.url = url or "http://{}:{}".format(*runner.addresses[0][:2])
    rig = Rig(tiktok, policy)
    if start:
        await rig.deliverer.start()
    try:
        yield rig
    finally:
        await rig.deliverer.stop(0.1)
        await rig.sender.close()
        await runner.cleanup()
        await rig.store.close()


def break_store(rig: Rig, method: str, results: Sequence[Exception | None]) -> None:
    """Let the next calls of a store's method do nothing: each raises the next of `results`, or returns it if None."""
    intact, left = getattr(rig.store, method), list(results)

    async def broken(*args: object, **kwargs: object) -> object:
        if not left:
            return await intact(*args, **kwargs)
        await asyncio.sleep(0)
        result = left.pop(0)
        if result is not None:
            raise result
        return None

    setattr(rig.store, method, broken)


def watch_calls(rig: Rig, method: str, before: Callable[[], Awaitable[None]] | None = None) -> list[float]:
    """The times at which a store's method is called; `before` runs in each call, ahead of the method itself."""
    intact, calls = getattr(rig.store, method), list[float]()

    async def watched(*args: Any, **kwargs: Any) -> Any:
        calls.append(time.monotonic())
        if before is not None:
            await before()
        return await intact(*args, **kwargs)

    setattr(rig.store, method, watched)
    return calls


def payload(event_id: str, wire_form: WireFormName = "2.0") -> bytes:
    when = '"event_time":1455236520' if wire_form == "2.0" else '"timestamp":"2016-02-12T00:22:00.490Z"'
    return f'{{"event":"AddToCart",{when},"event_id":"{event_id}"}}'.encode()


def ids(count: int, prefix: str = "e") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def refuse(*bad: str, named: str | None = None) -> Judge:
    """A TikTok that refuses groups with one of these event ids; `named` is the message, with `{}` for the index."""

    def judge(received: Received) -> web.Response:
        for index, event_id in enumerate(received.event_ids):
            if event_id in bad:
                return answer(40002, named.format(index) if named else "A parameter is wrong.")
        return answer(0)

    return judge
