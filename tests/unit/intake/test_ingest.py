"""The senders' routes without a socket: what is answered while the service stops, and by a store that fails."""

import asyncio
import gc
import json
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tests.integration.service_rig import AUTHORIZATION, BASIC, KEY, SECRET
from tests.unit.mapping.batches import batch_of, purchase
from tests.unit.parts import Parts
from tiktok_forwarder.domain.errors import StoreFull, StoreUnavailable
from tiktok_forwarder.intake.ingest import Ingest
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.queue import Admission, Arrivals
from tiktok_forwarder.web.body import BodyLimits
from tiktok_forwarder.web.trusted_proxies import TrustedProxies, parse_networks

PROXIES = TrustedProxies(parse_networks("10.0.0.0/8"))
BODY = json.dumps(batch_of(purchase())).encode()
ROUTES = ["/v2/events", "/v2/bulkevents", "/v2/bulkevents/historical", "/webhook/shop", "/firehose/shop"]
STORING_ROUTES = [route for route in ROUTES if not route.endswith("historical")]


class FailingStore(MemoryStore):
    """Refuses every write of events."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def append(self, arrivals: Arrivals) -> asyncio.Future[Sequence[Admission]]:
        refused: asyncio.Future[Sequence[Admission]] = asyncio.get_running_loop().create_future()
        refused.set_exception(self.error)
        return refused


@dataclass
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def error(self) -> dict[str, str]:
        (error,) = json.loads(self.body)["errors"]
        return dict(error)


class Asking:
    """A sender's request, without a connection; keeps its answer."""

    method = "POST"

    def __init__(self, path: str, headers: Sequence[tuple[bytes, bytes]], peer: tuple[str, int] | None = None) -> None:
        self.path = path
        self.headers = headers
        self.peer = peer
        self.is_asked = False
        self.answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def proceed(self) -> None:
        self.is_asked = True

    def answer(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.answered.set_result(Answer(status, dict(headers), body))


@dataclass
class Rig:
    """The routes over one store, with one input that feeds one connection; keeps what is reported to the observer."""

    parts: Parts
    answered_with: list[tuple[str, int, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    is_read: bool = False

    def __post_init__(self) -> None:
        limits = BodyLimits(max_bytes=1_048_576, max_pending_bytes=10_000_000, timeout_seconds=5)
        self.ingest = Ingest(self.parts.acceptor, self.parts.inputs, limits, PROXIES, observer=self)

    def on_answered(self, route: str, status: int, reason: str, seconds: float) -> None:
        assert 0 <= seconds < 5
        self.answered_with.append((route, status, reason))

    def on_refused(self, input_name: str, reason: str) -> None:
        self.refused.append((input_name, reason))

    def left(self, route: str) -> None:
        self.gone.append(route)

    def on_internal_error(self, error: Exception) -> None:
        self.faults.append(error)

    async def post(self, path: str, body: bytes = BODY, *, leaves: bool = False) -> Answer | None:
        """The answer to the input's sender; None if none was given."""
        value = BASIC["Authorization"] if path.startswith("/v2/") else AUTHORIZATION
        asking = Asking(path, [(b"authorization", value.encode())])
        handler = self.ingest.begin(asking)
        self.is_read = asking.is_asked
        if handler is None:
            return await asking.answered
        if leaves:
            handler.receive(body[:9])
            handler.leave()
            return None
        handler.receive(body)
        handler.end()
        return await asking.answered

    async def guess(self, peer: str, *forwarded_for: str) -> int:
        """The status of a guessed secret that comes from this peer, with such a line of the header for each name."""
        guessed = [(b"authorization", b"Basic a2V5Omd1ZXNz")]
        headers = guessed + [(b"x-forwarded-for", name.encode()) for name in forwarded_for]
        asking = Asking("/v2/events", headers, (peer, 5000))
        assert self.ingest.begin(asking) is None
        return (await asking.answered).status


async def rig_of(store: MemoryStore | None = None) -> Rig:
    parts = Parts(store)
    await parts.add_input("shop", key=KEY, secret=SECRET, authorization=AUTHORIZATION)
    await parts.add_connection()
    return Rig(parts)


@pytest.mark.parametrize(("proxy", "others_wait"), [("10.0.0.2", False), ("192.0.2.2", True)])
async def test_failed_authentications_count_for_whom_a_trusted_proxy_names(proxy: str, others_wait: bool) -> None:
    """A guesser behind it is told to wait, and nobody else; what an unknown proxy names is not believed."""
    rig = await rig_of()
    statuses = [await rig.guess(proxy, f"192.0.2.{number}", "198.51.100.1") for number in range(21)]
    assert statuses == [403] * 20 + [429]
    # A guess at a known key is not its sender's.
    assert rig.refused == []
    assert (await rig.guess(proxy, "198.51.100.2") == 429) == others_wait


@pytest.mark.parametrize("path", ROUTES)
async def test_request_is_put_off_unread_when_the_service_stops(path: str) -> None:
    """A sender tries again soon after 503, and what is not read is not lost with the process."""
    rig = await rig_of()
    rig.ingest.is_stopping = True
    answer = await rig.post(path)
    assert answer is not None and (answer.status, answer.headers[b"retry-after"]) == (503, b"1")
    assert answer.error == {"code": "UNAVAILABLE", "message": "the service is stopping; retry later (see Retry-After)"}
    assert (rig.is_read, await rig.parts.store.totals()) == (False, [])
    assert [each[1:] for each in rig.answered_with] == [(503, "stopping")]
    assert rig.refused == [("shop", "stopping")]


@pytest.mark.parametrize(
    ("error", "message", "reason"),
    [
        (StoreFull(), "the event store is full; retry later (see Retry-After)", "store_full"),
        (StoreUnavailable(), "the event store cannot be written; retry later (see Retry-After)", "store_unavailable"),
    ],
)
@pytest.mark.parametrize("path", STORING_ROUTES)
async def test_request_is_put_off_when_the_store_refuses_it(
    path: str, error: Exception, message: str, reason: str
) -> None:
    """Nothing was stored, so that the sender must keep the events and try again in 5 seconds."""
    rig = await rig_of(FailingStore(error))
    answer = await rig.post(path)
    assert answer is not None and (answer.status, answer.headers[b"retry-after"]) == (503, b"5")
    assert answer.error == {"code": "UNAVAILABLE", "message": message}
    assert [each[1:] for each in rig.answered_with] == [(503, reason)]
    assert rig.refused == [("shop", reason)]


async def test_firehose_answer_has_the_time_of_now_in_milliseconds() -> None:
    """mParticle takes `timestamp_ms` for the time at which the events were processed."""
    rig = await rig_of()
    before_ms = time.time() * 1000
    answer = await rig.post("/firehose/shop")
    after_ms = time.time() * 1000
    assert answer is not None and answer.status == 200
    timestamp_ms = json.loads(answer.body)["timestamp_ms"]
    assert isinstance(timestamp_ms, int) and before_ms - 1 <= timestamp_ms <= after_ms


@pytest.mark.parametrize("path", STORING_ROUTES)
async def test_events_are_stored_before_the_answer(path: str) -> None:
    """A sender forgets what was answered with success."""
    rig = await rig_of()
    answer = await rig.post(path)
    assert answer is not None and answer.status == (200 if path.startswith("/firehose") else 202)
    assert rig.answered_with == [(path.replace("/shop", "/"), answer.status, "")]
    assert rig.refused == []
    assert [(row.counter, row.count) for row in await rig.parts.store.totals()] == [("accepted", 1)]


@pytest.mark.parametrize("path", ROUTES)
async def test_sender_that_leaves_is_not_answered(path: str) -> None:
    """No one reads an answer to half a request, and nothing of it is stored."""
    rig = await rig_of()
    assert await rig.post(path, leaves=True) is None
    assert (rig.gone, rig.answered_with) == ([path.replace("/shop", "/")], [])
    assert await rig.parts.store.totals() == []


async def test_internal_error_is_reported_and_answered() -> None:
    """The sender tries again after 500, and is told nothing of the error's text, which may quote a request."""
    rig = await rig_of(FailingStore(ValueError("quoted")))
    answer = await rig.post("/v2/events")
    assert answer is not None and (answer.status, answer.error["code"]) == (500, "INTERNAL")
    assert b"quoted" not in answer.body
    assert [str(fault) for fault in rig.faults] == ["quoted"]
    assert rig.answered_with == [("/v2/events", 500, "internal")]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_refused_request_is_not_kept(method: str) -> None:
    """Neither by its error nor by a reference cycle: a sender could fill the memory with what it is refused for."""
    rig = await rig_of()
    gc.disable()
    try:
        asking = Asking("/v2/events", [(b"authorization", b"Basic eDp5")])
        asking.method = method
        assert rig.ingest.begin(asking) is None
        assert (await asking.answered).status == (405 if method == "GET" else 403)
        kept = weakref.ref(asking)
        del asking
        assert kept() is None
    finally:
        gc.enable()
