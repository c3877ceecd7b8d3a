"""The documents that every process keeps in memory: how copies follow the store, and how a process changes them.

Other processes may change the same documents at any time. So a copy follows the numbered changes of the store, and a
change is made only on what its maker has seen: if anything of the configuration was changed in between, the store
refuses, and the maker checks again on newer copies.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol, TypeVar

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import DocumentsChanged, StoreUnavailable
from tiktok_forwarder.store.documents import Document, DocumentKind, DocumentPut, DocumentStore

# How long to wait for a change before asking again: so long may the change of a server go unnoticed. No change of a
# document is missed in between.
_WAIT_SECONDS: Final = 5.0
# How long to wait after the store could not be used.
_RETRY_SECONDS: Final = 0.5
# Each repetition means that another process has made a change in the meantime, which people do seldom.
_MAX_ATTEMPTS: Final = 20

Result = TypeVar("Result")
Load = Callable[[], Awaitable[None]]
"""Reads all documents of a kind into the copies."""
Follow = Callable[[str, Document | None], None]
"""Takes over the document of this ID as it is stored now; None: it was removed. It may be known already."""


class DocumentObserver(Protocol):
    def on_document_not_followed(self, kind: DocumentKind, document_id: str, error: Exception) -> None:
        """A changed document cannot be read here; its earlier copy stays in use."""
        ...

    def on_internal_error(self, error: Exception) -> None: ...


class _Copies(NamedTuple):
    load: Load | None
    follow: Follow


class SharedDocuments:
    """Keeps copies of documents up to date, and makes changes of the configuration, one at a time.

    From `start` to `stop`, copies follow the changes of other processes. Without that, they do at each change.
    """

    def __init__(self, store: DocumentStore, clock: Clock, observer: DocumentObserver) -> None:
        self.store = store
        self._clock = clock
        self._observer = observer
        self._copies: dict[DocumentKind, _Copies] = {}
        self._changing = asyncio.Lock()
        # The number of the last change that the copies contain; None before they are loaded.
        self._seen: int | None = None
        self._server = ""
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, kind: DocumentKind, load: Load | None, follow: Follow) -> None:
        """Register copies of a kind. Kinds are loaded in the order in which they are registered."""
        self._copies[kind] = _Copies(load, follow)

    async def load(self) -> None:
        """Read all documents into the copies."""
        # In this order, a change in between is read, and is followed once more.
        found = await self.store.changes(None, 0.0)
        self._seen, self._server = found.last, found.server
        for copies in self._copies.values():
            if copies.load is not None:
                await copies.load()

    async def catch_up(self) -> None:
        """Let the copies follow what is stored by now."""
        async with self._changing:
            await self._catch_up()

    async def change(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Run `attempt`, which checks on the copies and then calls `put` or `remove`; return what it returns.

        Attempts of this process are made one at a time. One that another process has anticipated is repeated on newer
        copies.
        """
        async with self._changing:
            for _ in range(_MAX_ATTEMPTS - 1):
                await self._catch_up()
                with suppress(DocumentsChanged):
                    return await attempt()
            await self._catch_up()
            return await attempt()

    async def put(self, puts: Sequence[DocumentPut], changed_by: str) -> Sequence[Document]:
        """Store documents, all of them or none; only within an attempt of `change`."""
        return await self.store.put_documents(
            puts, changed_by=changed_by, now_ms=self._clock.now_ms(), as_of=self._seen
        )

    async def remove(self, kind: DocumentKind, document_id: str, changed_by: str) -> None:
        """Remove a document; only within an attempt of `change`."""
        await self.store.remove_document(
            kind, document_id, changed_by=changed_by, now_ms=self._clock.now_ms(), as_of=self._seen
        )

    def start(self) -> None:
        """Begin to follow the changes of other processes."""
        self.run_later(self._follow)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def run_later(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run what a followed change demands and what takes longer; again until the store can be used."""
        task = asyncio.create_task(self._until_done(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self) -> None:
        while True:
            found = await self.store.changes(self._seen, _WAIT_SECONDS)
            if (found.last, found.server) != (self._seen, self._server):
                await self.catch_up()

    async def _catch_up(self) -> None:
        found = await self.store.changes(self._seen, 0.0)
        if self._seen is None or found.server != self._server:
            await self.load()
            return
        for kind, document_id in found.changed:
            if kind in self._copies:
                document = await self.store.get_document(kind, document_id)
                try:
                    self._copies[kind].follow(document_id, document)
                except Exception as error:  # one document must not keep the others from being followed
                    self._observer.on_document_not_followed(kind, document_id, error)
        self._seen = found.last

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
                return
            except StoreUnavailable:  # the watch over the store reports it
                pass
            except Exception as error:  # what other processes change must not stay unknown here
                self._observer.on_internal_error(error)
            await asyncio.sleep(_RETRY_SECONDS)
