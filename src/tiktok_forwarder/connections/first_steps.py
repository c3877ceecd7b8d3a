"""The steps to a connection's first event: whether people have put them away. Stored as a document, for all nodes."""

from typing import Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.store.documents import Document, DocumentPut
from tiktok_forwarder.store.shared_documents import SharedDocuments

_KIND: Final = "first_steps"


class _Steps(Struct, frozen=True):
    """The body of a `first_steps` document."""

    put_away: bool = False


class FirstSteps:
    """Copies of the shared documents; a connection without one shows its steps."""

    def __init__(self, shared: SharedDocuments, connections: Connections) -> None:
        self._shared = shared
        self._connections = connections
        self._put_away: set[str] = set()
        shared.keep(_KIND, self._load, self._follow)

    def is_put_away(self, connection_id: str) -> bool:
        return connection_id in self._put_away

    async def put_away(self, name_or_id: str, changed_by: str, *, is_put_away: bool) -> None:
        """Put the steps of a connection away, or show them again. Raises `UnknownName`."""

        async def apply() -> Document:
            connection = self._connections.get(name_or_id)
            body = msgspec.json.encode(_Steps(is_put_away))
            (document,) = await self._shared.put([DocumentPut(_KIND, connection.id, body)], changed_by)
            return document

        document = await self._shared.change(apply)
        self._follow(document.id, document)

    async def _load(self) -> None:
        documents = await self._shared.store.list_documents(_KIND)
        self._put_away = {each.id for each in documents if _is_put_away(each)}

    def _follow(self, connection_id: str, document: Document | None) -> None:
        if document is not None and _is_put_away(document):
            self._put_away.add(connection_id)
        else:
            self._put_away.discard(connection_id)

    async def forget_removed(self, connection_id: str) -> None:
        """Remove what is stored of a connection that was removed; of another one, do nothing."""
        if self._connections.find(connection_id) is not None or connection_id not in self._put_away:
            return

        async def apply() -> None:
            await self._shared.remove(_KIND, connection_id, "service")

        await self._shared.change(apply)
        self._follow(connection_id, None)


def _is_put_away(document: Document) -> bool:
    return msgspec.json.decode(document.body, type=_Steps).put_away
