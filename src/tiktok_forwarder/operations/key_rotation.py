"""Changing the key of the stored secrets: all of them at once, while the service goes on."""

import asyncio
from typing import Final, Protocol

import msgspec
from msgspec import Struct, structs

from tiktok_forwarder.connections.connections import ConnectionRecord, Connections
from tiktok_forwarder.domain.errors import SecretUnreadable
from tiktok_forwarder.domain.secret_box import SecretBox
from tiktok_forwarder.inputs.inputs import InputRecord, Inputs
from tiktok_forwarder.store.documents import Document, DocumentKind, DocumentStore

_KINDS: Final[tuple[DocumentKind, ...]] = ("input", "connection", "secret")


class KeyedBox(SecretBox, Protocol):
    """`key_id` names the key without telling anything about it."""

    key_id: str


class ChangeableKey(SecretBox, Protocol):
    """A `SecretBox` that knows two keys while they are changed: what either has sealed opens."""

    def begin(self) -> "KeyedBox":
        """The next key's box. Raises `ConfigurationError` if the key cannot be changed from here."""
        ...

    def use(self, key_id: str) -> None:
        """Seal with this key from now on."""
        ...

    def finish(self) -> None:
        """The key in use is the only one from now on. Raises `ConfigurationError` if its file is not yet in place."""
        ...


class Rotation(Struct, frozen=True):
    """The key in use now, by the id in its records, and how many secrets it seals."""

    key_id: str
    secrets: int


class KeyRotation:
    """Changes the key of the secrets in inputs, connections and the service's own."""

    def __init__(self, documents: DocumentStore, key: ChangeableKey, inputs: Inputs, connections: Connections) -> None:
        self._documents = documents
        self._key = key
        self._inputs = inputs
        self._connections = connections

    async def rotate(self) -> Rotation:
        """Seal every secret with a new key, those in the history too. After a crash it is done or not begun.

        Raises `SecretUnreadable` if a secret in use cannot be opened, and has changed nothing then.
        """
        # Under way it is not given up with its caller: the store may have been changed already.
        return await asyncio.shield(self._rotate())

    async def _rotate(self) -> Rotation:
        async with self._inputs.change_lock(), self._connections.change_lock():
            secrets = await self._check()
            fresh = self._key.begin()
            await self._documents.rewrite_documents(_KINDS, _Resealing(self._key, fresh).rewritten)
            self._key.use(fresh.key_id)
            # What is in memory is under the old key, which opens nothing once this is finished.
            await self._inputs.load()
            await self._connections.load()
            self._key.finish()
        return Rotation(fresh.key_id, secrets)

    async def _check(self) -> int:
        """How many secrets there are. Raises `SecretUnreadable` unless all can be opened."""
        found = [
            (sealed, document.id)
            for kind in _KINDS
            for document in await self._documents.list_documents(kind)
            for sealed in _sealed_in(document)
        ]
        for sealed, record_id in found:
            self._key.open(sealed, record_id)
        return len(found)


class _Resealing:
    """Equal texts stay equal: a history tells by them whether a token was changed."""

    def __init__(self, old: SecretBox, new: SecretBox) -> None:
        self._old = old
        self._new = new
        self._done: dict[tuple[str, str], str] = {}

    def rewritten(self, document: Document) -> bytes:
        if not document.body:
            return document.body
        if document.kind == "secret":
            return self._reseal(document.body.decode(), document.id).encode()
        if document.kind == "connection":
            connection = msgspec.json.decode(document.body, type=ConnectionRecord)
            token = self._reseal(connection.sealed_token, document.id)
            return msgspec.json.encode(structs.replace(connection, sealed_token=token))
        record = msgspec.json.decode(document.body, type=InputRecord)
        return msgspec.json.encode(
            structs.replace(
                record,
                sealed_secrets=tuple(self._reseal(each, document.id) for each in record.sealed_secrets),
                sealed_authorizations=tuple(self._reseal(each, document.id) for each in record.sealed_authorizations),
            )
        )

    def _reseal(self, sealed: str, record_id: str) -> str:
        key = (record_id, sealed)
        if key not in self._done:
            try:
                self._done[key] = self._new.seal(self._old.open(sealed, record_id), record_id)
            except SecretUnreadable:
                # An old revision that was damaged before: it opens nothing, now or later.
                self._done[key] = sealed
        return self._done[key]


def _sealed_in(document: Document) -> list[str]:
    if document.kind == "secret":
        return [document.body.decode()]
    if document.kind == "connection":
        return [msgspec.json.decode(document.body, type=ConnectionRecord).sealed_token]
    record = msgspec.json.decode(document.body, type=InputRecord)
    return [*record.sealed_secrets, *record.sealed_authorizations]
