"""Copies of documents: how they follow the store, and how changes are made on them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec import structs

from tests.conformance.rig import T0
from tests.patience import wait_until
from tests.unit.parts import ManualClock, shared_documents
from tiktok_forwarder.domain.errors import ConfigurationError, DocumentsChanged, StoreUnavailable
from tiktok_forwarder.store.documents import Document, DocumentChanges, DocumentKind, DocumentPut
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.shared_documents import SharedDocuments


class Copies:
    """The bodies of all connections, by ID."""

    def __init__(self, shared: SharedDocuments) -> None:
        self.shared = shared
        self.bodies: dict[str, bytes] = {}
        shared.keep("connection", self._load, self._follow)

    async def _load(self) -> None:
        self.bodies = {each.id: each.body for each in await self.shared.store.list_documents("connection")}

    def _follow(self, document_id: str, document: Document | None) -> None:
        if document is None:
            self.bodies.pop(document_id, None)
        else:
            if document.body == b"unreadable":
                raise ValueError(document.body)
            self.bodies[document_id] = document.body

    async def add(self, document_id: str, body: bytes, before_put: Callable[[], Any] = lambda: None) -> int:
        """Add a document whose body no other may have; return how many attempts it took."""
        attempts = 0

        async def attempt() -> int:
            nonlocal attempts
            attempts += 1
            if body in self.bodies.values():
                raise ConfigurationError(["the body is taken"])
            if (coming := before_put()) is not None:
                await coming
            await self.shared.put([DocumentPut("connection", document_id, body, 0)], "ann")
            self.bodies[document_id] = body
            return attempts

        return await self.shared.change(attempt)


async def put(store: MemoryStore, document_id: str, body: bytes, kind: DocumentKind = "connection") -> None:
    await store.put_document(kind, document_id, body, expected_revision=None, changed_by="bob", now_ms=T0)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def copies(store: MemoryStore) -> Copies:
    return Copies(shared_documents(store))


async def test_copies_are_loaded_and_follow_changes(store: MemoryStore, copies: Copies) -> None:
    """Of other processes: new documents, changed ones and removed ones; kinds that no one keeps are passed over."""
    await put(store, "1", b"one")
    await copies.shared.load()
    assert copies.bodies == {"1": b"one"}
    await put(store, "2", b"two")
    await put(store, "1", b"changed")
    await put(store, "1", b"", kind="secret")
    await copies.shared.catch_up()
    assert copies.bodies == {"1": b"changed", "2": b"two"}
    await store.remove_document("connection", "1", changed_by="bob", now_ms=T0)
    await copies.shared.catch_up()
    assert copies.bodies == {"2": b"two"}


async def test_change_is_checked_on_what_is_stored(store: MemoryStore, copies: Copies) -> None:
    """Copies that were never loaded, or that follow no changes, are brought up to date before."""
    await put(store, "1", b"one")
    with pytest.raises(ConfigurationError):
        await copies.add("2", b"one")
    await put(store, "3", b"three")
    with pytest.raises(ConfigurationError):
        await copies.add("2", b"three")
    assert await copies.add("2", b"two") == 1


async def test_change_that_another_process_anticipates_is_checked_again(store: MemoryStore, copies: Copies) -> None:
    """Between the check and the put: it is made again if it may be made, and refused if not."""
    others = [("x", b"other"), ("y", b"more")]

    def anticipate() -> Any:
        return put(store, *others.pop()) if others else None

    assert await copies.add("1", b"one", anticipate) == 3
    assert copies.bodies == {"x": b"other", "y": b"more", "1": b"one"}
    others = [("z", b"two")]
    with pytest.raises(ConfigurationError, match="the body is taken"):
        await copies.add("2", b"two", anticipate)


async def test_change_that_is_anticipated_again_and_again_is_refused(store: MemoryStore, copies: Copies) -> None:
    """A person is asked to try again, and nothing is changed."""
    with pytest.raises(DocumentsChanged, match="changed elsewhere in the meantime; retry"):
        await copies.add("1", b"one", lambda: put(store, "x", b"other"))
    assert await store.get_document("connection", "1") is None


async def test_changes_of_a_process_are_made_one_at_a_time(copies: Copies) -> None:
    """So that each is checked on the one before."""
    adding = [copies.add(str(number), b"same", lambda: asyncio.sleep(0)) for number in range(5)]
    outcomes = await asyncio.gather(*adding, return_exceptions=True)
    assert [type(each) for each in outcomes] == [int, *[ConfigurationError] * 4]


async def test_changes_are_followed_from_start_to_stop(store: MemoryStore, copies: Copies) -> None:
    """As soon as they are stored."""
    await copies.shared.load()
    copies.shared.start()
    for body in (b"one", b"two"):
        await asyncio.sleep(0.01)
        await put(store, "1", body)
        await wait_until(lambda body=body: copies.bodies == {"1": body})
    await copies.shared.stop()
    await put(store, "1", b"three")
    await asyncio.sleep(0.02)
    assert copies.bodies == {"1": b"two"}


class Reports:
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.not_followed: list[tuple[str, str, str]] = []
        self.internal: list[Exception] = []

    def on_document_not_followed(self, kind: str, document_id: str, error: Exception) -> None:
        self.not_followed.append((kind, document_id, type(error).__name__))

    def on_internal_error(self, error: Exception) -> None:
        self.internal.append(error)


async def test_document_that_cannot_be_read_does_not_keep_others_from_being_followed(store: MemoryStore) -> None:
    """It is reported once, and its earlier copy stays."""
    reports = Reports()
    copies = Copies(SharedDocuments(store, ManualClock(), reports))
    await put(store, "1", b"one")
    await copies.shared.load()
    await put(store, "1", b"unreadable")
    await put(store, "2", b"two")
    for _ in range(2):
        await copies.shared.catch_up()
    assert copies.bodies == {"1": b"one", "2": b"two"}
    assert reports.not_followed == [("connection", "1", "ValueError")]


class PromotedStore(MemoryStore):
    """Answers for a server of this name."""

    server = "one"

    async def changes(self, after: int | None, wait_seconds: float) -> DocumentChanges:
        return structs.replace(await super().changes(after, wait_seconds), server=self.server)


async def test_everything_is_read_again_from_another_server() -> None:
    """A standby that was promoted may lack the last changes, and give their numbers to others."""
    store = PromotedStore()
    copies = Copies(shared_documents(store))
    await put(store, "1", b"one")
    await copies.shared.load()
    copies.bodies = {"1": b"lost", "2": b"lost"}
    await copies.shared.catch_up()
    assert copies.bodies == {"1": b"lost", "2": b"lost"}
    store.server = "two"
    await copies.shared.catch_up()
    assert copies.bodies == {"1": b"one"}


class TroubledStore(MemoryStore):
    """Cannot be used while there are `troubles`."""

    troubles: Sequence[Exception] = ()

    async def changes(self, after: int | None, wait_seconds: float) -> DocumentChanges:
        if self.troubles:
            first, *self.troubles = self.troubles
            raise first
        return await super().changes(after, wait_seconds)


async def test_following_goes_on_after_a_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was; an internal error is reported, and a store that cannot be used is by its own watch."""
    monkeypatch.setattr("tiktok_forwarder.store.shared_documents._RETRY_SECONDS", 0.01)
    store, reports = TroubledStore(), Reports()
    copies = Copies(SharedDocuments(store, ManualClock(), reports))
    await copies.shared.load()
    error = RuntimeError("internal")
    store.troubles = [StoreUnavailable("locked"), error, StoreUnavailable("locked")]
    copies.shared.start()
    await put(store, "1", b"one")
    await wait_until(lambda: copies.bodies == {"1": b"one"})
    assert reports.internal == [error]
    await copies.shared.stop()


async def test_what_is_run_later_is_run_again_until_it_is_done(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is cancelled by a stop."""
    monkeypatch.setattr("tiktok_forwarder.store.shared_documents._RETRY_SECONDS", 0.01)
    outcomes: list[Exception | None] = [StoreUnavailable("locked"), None]
    done = []

    async def work() -> None:
        if (error := outcomes.pop(0)) is not None:
            raise error
        done.append(1)

    copies.shared.run_later(work)
    await wait_until(lambda: bool(done))
    assert outcomes == []
    copies.shared.run_later(lambda: asyncio.sleep(60))
    await asyncio.sleep(0)
    async with asyncio.timeout(1):
        await copies.shared.stop()
