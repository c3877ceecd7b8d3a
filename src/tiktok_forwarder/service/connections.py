"""Connections: documents with sealed access tokens, held in memory with a mapper each for the next request."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.mapping.connection import Connection, ConnectionDraft, connection_document, read_connection
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.ports import Clock, Document, DocumentStore, SecretBox
from tiktok_forwarder.service.delivery_roles import DeliveryTarget
from tiktok_forwarder.service.inputs import Inputs

ConnectionChanged = Callable[[str], Awaitable[None]]


class ConnectionRecord(Struct, frozen=True):
    """A connection as it is stored."""

    settings: dict[str, Any]
    sealed_token: str


class _Held(Struct, frozen=True):
    connection: Connection
    mapper: Mapper
    sealed_token: str


class Connections:
    """The connections there are, and the deliverer's `ConnectionSource`. Call `load` before use."""

    def __init__(self, documents: DocumentStore, box: SecretBox, clock: Clock, inputs: Inputs) -> None:
        self._documents = documents
        self._box = box
        self._clock = clock
        self._inputs = inputs
        self._held: dict[str, _Held] = {}
        self._mappers: dict[str, tuple[Mapper, ...]] = {}
        self._changed: list[ConnectionChanged] = []
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Raises `ConfigurationError` if a stored connection no longer fits this program."""
        documents = await self._documents.list_documents("connection")
        self._hold({document.id: _opened(document) for document in documents})

    def on_change(self, changed: ConnectionChanged) -> None:
        """Have `changed` awaited with the id of each connection that is added, changed or removed."""
        self._changed.append(changed)

    def all(self) -> list[Connection]:
        """In order of creation."""
        return [held.connection for held in self._held.values()]

    def find(self, name_or_id: str) -> Connection | None:
        if name_or_id in self._held:
            return self._held[name_or_id].connection
        wanted = name_or_id.strip().lower()
        return next((each for each in self.all() if each.name.lower() == wanted), None)

    def mappers_of(self, input_name: str) -> tuple[Mapper, ...]:
        """The mappers of the connections that this input feeds."""
        mappers = self._mappers.get(input_name)
        if mappers is None:
            mappers = tuple(held.mapper for held in self._held.values() if _is_fed_by(held.connection, input_name))
            self._mappers[input_name] = mappers
        return mappers

    async def add(self, given: Mapping[str, object], changed_by: str) -> Connection:
        """Raises `ConfigurationError` with every problem of what is given."""
        # One at a time, or two of the same name could both find it free.
        async with self._changing:
            held = await self._stored(self._checked(given), changed_by)
            self._hold({**self._held, held.connection.id: held})
        for changed in self._changed:
            await changed(held.connection.id)
        return held.connection

    async def _stored(self, draft: ConnectionDraft, changed_by: str) -> _Held:
        connection_id = f"cn_{secrets.token_hex(8)}"
        record = ConnectionRecord(
            connection_document(draft.connection), self._box.seal(draft.access_token or "", connection_id)
        )
        document = await self._documents.put_document(
            "connection",
            connection_id,
            msgspec.json.encode(record),
            expected_revision=0,
            changed_by=changed_by,
            now_ms=self._clock.now_ms(),
        )
        return _opened(document)

    def _checked(self, given: Mapping[str, object]) -> ConnectionDraft:
        draft = read_connection(given)
        problems: list[str] = []
        if self.find(draft.connection.name) is not None:
            problems.append(f"name: there is a connection named {draft.connection.name} already")
        known = ", ".join(each.name for each in self._inputs.all()) or "none yet"
        problems += [
            f"inputs: there is no input named {name}; there are: {known}"
            for name in draft.connection.inputs
            if self._inputs.named(name) is None
        ]
        if problems:
            raise ConfigurationError(problems)
        return draft

    def _hold(self, held: dict[str, _Held]) -> None:
        self._held = held
        self._mappers = {}

    # --- the deliverer's side ---

    def connection_ids(self) -> Collection[str]:
        return list(self._held)

    def target(self, connection_id: str) -> DeliveryTarget | None:
        held = self._held.get(connection_id)
        if held is None:
            return None
        connection = held.connection
        return DeliveryTarget(
            connection.id, connection.revision, connection.enabled, connection.pixel_id, connection.test_event_code
        )

    def access_token(self, connection_id: str) -> str:
        """Raises `SecretUnreadable`."""
        return self._box.open(self._held[connection_id].sealed_token, connection_id)


def _opened(document: Document) -> _Held:
    record = msgspec.json.decode(document.body, type=ConnectionRecord)
    connection = read_connection(
        record.settings, connection_id=document.id, revision=document.revision, needs_token=False
    ).connection
    return _Held(connection, Mapper(connection), record.sealed_token)


def _is_fed_by(connection: Connection, input_name: str) -> bool:
    return not connection.inputs or input_name.lower() in [name.lower() for name in connection.inputs]
