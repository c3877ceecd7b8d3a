"""Changes the key of the stored secrets: all of them together, while the service runs, also on several nodes.

Where several nodes use a store, each of them must have the next key before it seals anything: it is a key file or an
environment variable of each node. After the rotation every node goes over to it by itself.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec
from msgspec import Struct, structs

from tiktok_forwarder.connections.connections import ConnectionRecord, Connections
from tiktok_forwarder.domain.errors import ConfigurationError, SecretUnreadable
from tiktok_forwarder.domain.secret_box import SecretBox
from tiktok_forwarder.inputs.inputs import InputRecord, Inputs
from tiktok_forwarder.notices.recipients import RecipientRecord, Recipients
from tiktok_forwarder.secrets.key_ring import key_id_of_sealed
from tiktok_forwarder.store.documents import Document, DocumentKind
from tiktok_forwarder.store.key_holders import KeyHolders
from tiktok_forwarder.store.shared_documents import SharedDocuments

_KINDS: Final[tuple[DocumentKind, ...]] = ("input", "connection", "recipient", "secret")


class KeyedBox(SecretBox, Protocol):
    """A box of one key. `key_id` names the key without revealing anything about it."""

    key_id: str


class ChangeableKey(SecretBox, Protocol):
    """A `SecretBox` that knows two keys during a rotation: it opens what either has sealed."""

    @property
    def key_id(self) -> str:
        """Return the ID of the key that seals."""
        ...

    @property
    def key_ids(self) -> Sequence[str]:
        """Return the IDs of all keys that can open a text."""
        ...

    def find_next(self) -> None:
        """Take up a next key that an operator has put in its place. Raises `ConfigurationError`."""
        ...

    def next_place(self) -> str:
        """Return where this node has the next key."""
        ...

    def begin(self) -> "KeyedBox":
        """Return the box of the next key, created if there is none.

        Raises `ConfigurationError` if the key cannot be changed here.
        """
        ...

    def use(self, key_id: str) -> None:
        """Seal with this key from now on. Raises `SecretUnreadable` if it is not here."""
        ...

    def finish(self) -> None:
        """Drop all keys but the one in use. Raises `ConfigurationError` if its file is not yet in place."""
        ...


class Rotation(Struct, frozen=True):
    """The key now in use, by the ID in its records, and how many secrets it seals."""

    key_id: str
    secrets: int


class KeyRotation:
    """Rotates the key of the secrets in inputs, connections, recipients and the service's own documents."""

    def __init__(
        self,
        shared: SharedDocuments,
        holders: KeyHolders,
        key: ChangeableKey,
        inputs: Inputs,
        connections: Connections,
        recipients: Recipients,
    ) -> None:
        self._shared = shared
        self._holders = holders
        self._key = key
        self._inputs = inputs
        self._connections = connections
        self._recipients = recipients
        # Whether another node has rotated the key, and this one has not gone over to it completely.
        self._is_behind = False
        shared.keep("secret", None, self._seal_with_key_of)

    async def rotate(self) -> Rotation:
        """Seal every secret with a new key, those in the history too. A crash leaves it either complete or not started.

        Raises, before changing anything, `SecretUnreadable` if a secret in use cannot be opened, and
        `ConfigurationError` if another node does not have the new key yet.
        """
        # A running rotation is not cancelled with its caller: the store may have been changed already.
        return await asyncio.shield(self._shared.change(self._rotate))

    async def _rotate(self) -> Rotation:
        secrets = await self._check()
        fresh = self._key.begin()
        await self._holders.announce_keys(self._key.key_ids)
        if missing := await self._holders.count_nodes_without(fresh.key_id):
            raise ConfigurationError([_missing_key(missing, self._key.next_place())])
        await self._shared.store.rewrite_documents(_KINDS, _Resealing(self._key, fresh).rewritten)
        await self._go_over_to(fresh.key_id)
        return Rotation(fresh.key_id, secrets)

    async def follow(self) -> None:
        """Take up the next key when it appears, and seal with it once a rotation on another node has.

        Raises `SecretUnreadable` if this node does not have the store's key, `ConfigurationError` if a key cannot be
        read or put in place, and `StoreUnavailable`.
        """
        before = self._key.key_ids
        self._key.find_next()
        if self._key.key_ids != before:
            await self._holders.announce_keys(self._key.key_ids)
        if self._is_behind:
            await self._shared.change(self._catch_up)

    async def _catch_up(self) -> None:
        # A rotation on this node may have been completed meanwhile.
        if self._is_behind:
            await self._go_over_to(await self._store_key_id())

    def _seal_with_key_of(self, _document_id: str, document: Document | None) -> None:
        """Seal with the store's key before anything is changed here: another node drops the one before."""
        key_id = key_id_of_sealed(document.body.decode()) if document is not None else self._key.key_id
        if key_id != self._key.key_id:
            self._is_behind = True
            self._key.find_next()
            self._key.use(key_id)

    async def _store_key_id(self) -> str:
        """Return the ID of the key that seals the store's secrets: all of them have the same."""
        (document,) = await self._shared.store.list_documents("secret")
        return key_id_of_sealed(document.body.decode())

    async def _go_over_to(self, key_id: str) -> None:
        self._key.use(key_id)
        # Secrets in memory are sealed with the old key, which opens nothing once the rotation is finished.
        await self._inputs.load()
        await self._connections.load()
        await self._recipients.load()
        self._key.finish()
        self._is_behind = False
        await self._holders.announce_keys(self._key.key_ids)

    async def _check(self) -> int:
        """Return how many secrets there are. Raises `SecretUnreadable` unless all can be opened."""
        found = [
            (sealed, document.id)
            for kind in _KINDS
            for document in await self._shared.store.list_documents(kind)
            for sealed in _sealed_in(document)
        ]
        for sealed, record_id in found:
            self._key.open(sealed, record_id)
        return len(found)


class _Resealing:
    """Seals secrets again. Equal texts stay equal: a history detects by them whether a token was changed."""

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
        if document.kind == "recipient":
            recipient = msgspec.json.decode(document.body, type=RecipientRecord)
            sealed = {name: self._reseal(each, document.id) for name, each in recipient.sealed.items()}
            return msgspec.json.encode(structs.replace(recipient, sealed=sealed))
        record = msgspec.json.decode(document.body, type=InputRecord)
        return msgspec.json.encode(
            structs.replace(
                record,
                sealed_secrets=tuple(self._reseal(each, document.id) for each in record.sealed_secrets),
                sealed_authorizations=tuple(self._reseal(each, document.id) for each in record.sealed_authorizations),
                sealed_password=record.sealed_password and self._reseal(record.sealed_password, document.id),
            )
        )

    def _reseal(self, sealed: str, record_id: str) -> str:
        key = (record_id, sealed)
        if key not in self._done:
            try:
                self._done[key] = self._new.seal(self._old.open(sealed, record_id), record_id)
            except SecretUnreadable:
                # An old revision that was unreadable before: no key opens it.
                self._done[key] = sealed
        return self._done[key]


def _sealed_in(document: Document) -> list[str]:
    if document.kind == "secret":
        return [document.body.decode()]
    if document.kind == "connection":
        return [msgspec.json.decode(document.body, type=ConnectionRecord).sealed_token]
    if document.kind == "recipient":
        return list(msgspec.json.decode(document.body, type=RecipientRecord).sealed.values())
    record = msgspec.json.decode(document.body, type=InputRecord)
    passwords = [] if record.sealed_password is None else [record.sealed_password]
    return [*record.sealed_secrets, *record.sealed_authorizations, *passwords]


def _missing_key(nodes: int, place: str) -> str:
    others = "another node uses" if nodes == 1 else f"{nodes} other nodes use"
    return (
        f"{others} this store without the next key, which is in {place}: give it to each node, next to its key file or "
        "in the same variable, and rotate again"
    )
