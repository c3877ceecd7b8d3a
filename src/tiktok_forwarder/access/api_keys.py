"""API keys for calling the API over the network. Stored as digests: a key is shown once, when it is created."""

import hmac
import secrets
from hashlib import sha256
from typing import Final, Literal

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName
from tiktok_forwarder.store.documents import Document, DocumentPut
from tiktok_forwarder.store.shared_documents import SharedDocuments

Scope = Literal["metrics", "read", "operate", "admin"]
"""`metrics` allows reading /metrics from another machine, and nothing of the API.

`read` allows viewing; `operate` also pause, resume, check, replay and discard; `admin` allows every change."""
SCOPES: Final[tuple[Scope, ...]] = ("metrics", "read", "operate", "admin")
PREFIX: Final = "tfk_"
_MAX_NAME_LENGTH: Final = 63


class KeyRecord(Struct, frozen=True):
    """A key as stored: `digest` is SHA-256, which is enough for 256 random bits."""

    name: str
    scope: Scope
    digest: bytes
    created_at_ms: int


class ApiKey(Struct, frozen=True):
    id: str
    name: str
    scope: Scope
    created_at_ms: int


class NewApiKey(Struct, frozen=True):
    """A key with its secret, which is shown only once."""

    id: str
    name: str
    scope: Scope
    key: str


class ApiKeys:
    """The existing API keys: copies of the shared documents."""

    def __init__(self, shared: SharedDocuments, clock: Clock) -> None:
        self._shared = shared
        self._clock = clock
        self._records: dict[str, KeyRecord] = {}
        shared.keep("api_key", self._load, self._follow)

    async def _load(self) -> None:
        documents = await self._shared.store.list_documents("api_key")
        self._records = {each.id: _record(each) for each in documents}

    def _follow(self, key_id: str, document: Document | None) -> None:
        if document is None:
            self._records.pop(key_id, None)
        else:
            self._records[key_id] = _record(document)

    def all(self) -> list[ApiKey]:
        return [ApiKey(key_id, each.name, each.scope, each.created_at_ms) for key_id, each in self._records.items()]

    def find(self, key: str) -> ApiKey | None:
        """Return the key with this secret, or None if there is none."""
        digest = sha256(key.encode("utf-8", "surrogateescape")).digest()
        # Compare with every key, whichever matches: the response time must not reveal anything.
        found = [key_id for key_id, each in self._records.items() if hmac.compare_digest(each.digest, digest)]
        return next((each for each in self.all() if each.id in found), None)

    def is_valid(self, key: str) -> bool:
        """Return whether there is a key with this secret."""
        return self.find(key) is not None

    async def make(self, name: str, scope: Scope, changed_by: str) -> NewApiKey:
        """Create a key and return it with its secret. Raises `ConfigurationError`."""
        return await self._shared.change(lambda: self._make(name.strip(), scope, changed_by))

    async def _make(self, name: str, scope: Scope, changed_by: str) -> NewApiKey:
        problems: list[str] = []
        if not 0 < len(name) <= _MAX_NAME_LENGTH or not name.isprintable():
            problems.append(f"name: must be 1 to {_MAX_NAME_LENGTH} printable characters")
        if name.lower() in [each.name.lower() for each in self._records.values()]:
            problems.append(f'name: an API key named "{name}" already exists')
        if problems:
            raise ConfigurationError(problems)
        key_id = f"ak_{secrets.token_hex(8)}"
        key = PREFIX + secrets.token_urlsafe(32)
        record = KeyRecord(name, scope, sha256(key.encode()).digest(), self._clock.now_ms())
        await self._shared.put([DocumentPut("api_key", key_id, msgspec.json.encode(record), 0)], changed_by)
        self._records[key_id] = record
        return NewApiKey(key_id, name, scope, key)

    async def revoke(self, name_or_id: str, changed_by: str) -> ApiKey:
        """Revoke a key and return it. Raises `UnknownName`."""
        return await self._shared.change(lambda: self._revoke(name_or_id, changed_by))

    async def _revoke(self, name_or_id: str, changed_by: str) -> ApiKey:
        found = next((each for each in self.all() if name_or_id in (each.id, each.name)), None)
        if found is None:
            raise UnknownName.among((each.name for each in self.all()), "API key", name_or_id)
        await self._shared.remove("api_key", found.id, changed_by)
        del self._records[found.id]
        return found


def _record(document: Document) -> KeyRecord:
    return msgspec.json.decode(document.body, type=KeyRecord)
