"""Inputs and connections on a store in memory, with a clock that a test may set."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.delivery.check_records import CheckRecords
from tiktok_forwarder.inputs.inputs import Input, Inputs, NewInput
from tiktok_forwarder.intake.accept import Acceptance, Acceptor, SubjectHash
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.mparticle.parse import Bounds
from tiktok_forwarder.secrets.secret_box import AesGcmSecretBox
from tiktok_forwarder.store.documents import DocumentStore
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.shared_documents import SharedDocuments

TOKEN = "token-of-the-shop-0123456789"


class ManualClock:
    """A clock that stands still."""

    def __init__(self, now_ms: int = 1_735_689_660_123) -> None:
        self.time_ms = now_ms

    def now_ms(self) -> int:
        return self.time_ms

    def monotonic_seconds(self) -> float:
        return self.time_ms / 1000


class Told:
    """Keeps what it is told: the observer of accepting."""

    def __init__(self) -> None:
        self.counted: Counter[tuple[str, ...]] = Counter()
        self.acceptances: list[Acceptance] = []

    def on_received(self, input_name: str, batches: int, events: int) -> None:
        self.counted["batches", input_name] += batches
        self.counted["events", input_name] += events

    def on_historical(self, input_name: str, events: int) -> None:
        self.counted["historical", input_name] += events

    def on_warnings(self, connection_id: str, warning: str) -> None:
        self.counted["warning", warning] += 1

    def on_connection_full(self, connection_id: str, events: int) -> None:
        self.counted["connection_full", connection_id] += events

    def on_events_not_kept(self, input_name: str, events: int) -> None:
        self.counted["not_kept", input_name] += events

    def on_request(self, input_name: str, batches: Sequence[Batch], at_ms: int) -> None:
        self.counted["brought", input_name] += len(batches)

    def on_accepted(self, acceptance: Acceptance) -> None:
        self.acceptances.append(acceptance)

    def on_stored(self, seconds: float) -> None:
        self.counted["stored",] += 1


def sender(name: str, **members: Any) -> Input:
    """An input of a server that exists nowhere."""
    return Input("in_1", 1, name, f"key-of-{name}", (), (), **members)


class StrictObserver:
    """Raises the errors that the service reports and survives."""

    def on_document_not_followed(self, kind: str, document_id: str, error: Exception) -> None:
        raise error

    def on_internal_error(self, error: Exception) -> None:
        raise error


def shared_documents(store: DocumentStore) -> SharedDocuments:
    return SharedDocuments(store, ManualClock(), StrictObserver())


class Parts:
    """The service's parts around one store."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store if store is not None else MemoryStore()
        self.box = AesGcmSecretBox(bytes(32))
        self.clock = ManualClock()
        self.shared = SharedDocuments(self.store, self.clock, StrictObserver())
        self.inputs = Inputs(self.shared, self.box)
        self.connections = Connections(self.shared, self.box, self.inputs)
        self.check_records = CheckRecords(self.store, self.clock, self.connections, lambda text: f"hash of {text}")
        self.shared.keep("connection_check", self.check_records.load, self.check_records.follow)
        self.told = Told()
        self.acceptor = Acceptor(
            self.store,
            self.connections,
            self.clock,
            SubjectHash(b"k" * 32),
            Bounds(),
            observer=self.told,
        )

    async def queued(self) -> dict[str, int]:
        """How many events wait, by connection."""
        return {each: counts.waiting for each, counts in (await self.store.counts()).items() if counts.waiting}

    async def reopened(self) -> "Parts":
        """The same store as another process would find it."""
        again = Parts(self.store)
        await again.shared.load()
        return again

    async def add_input(self, name: str, **given: str) -> NewInput:
        members = {"key": None, "secret": None, "authorization": None, **given}
        return await self.inputs.add(
            name,
            key=members["key"],
            secret=members["secret"],
            authorization=members["authorization"],
            changed_by="test",
        )

    async def add_browser_input(self, name: str, *origins: str, key: str | None = None) -> Input:
        listed = origins or ("https://shop.example.com",)
        return await self.inputs.add_browser_input(name, key=key, origins=listed, changed_by="test")

    async def add_connection(self, name: str = "Shop", **settings: Any) -> str:
        given = {"name": name, "pixel_id": f"pixel-{name.replace(' ', '-')}", "access_token": TOKEN, **settings}
        return (await self.connections.add(given, "test")).id

    async def total(self, connection_id: str, counter: str) -> dict[str, int]:
        """The counter's rows by reason."""
        rows = await self.store.totals()
        return {row.reason: row.count for row in rows if (row.connection_id, row.counter) == (connection_id, counter)}
