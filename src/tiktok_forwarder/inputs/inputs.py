"""Inputs: the senders' credentials. Stored as documents with sealed secrets, looked up in memory on every request."""

import asyncio
import contextlib
import hmac
import re
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct, structs

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import ConfigurationError, SecretUnreadable, UnknownName
from tiktok_forwarder.domain.secret_box import SecretBox
from tiktok_forwarder.store.documents import Document, DocumentStore

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_KEY: Final = re.compile(r"[A-Za-z0-9._~-]{4,100}")
_SHORTEST_SECRET: Final = 8
_MAX_HEADERS: Final = 1000


class InputRecord(Struct, frozen=True):
    """An input as stored. Each secret is sealed; during a rotation the old one is valid too."""

    name: str
    key: str
    sealed_secrets: tuple[str, ...]
    sealed_authorizations: tuple[str, ...]


class Input(Struct, frozen=True):
    """An input in memory. Secrets are kept as digests, which suffice for comparing.

    `unreadable`: a stored secret was changed on the disk. It is rejected; rotating the secrets fixes it.
    """

    id: str
    revision: int
    name: str
    key: str
    secret_digests: tuple[bytes, ...]
    authorization_digests: tuple[bytes, ...]
    unreadable: bool = False


class NewInput(Struct, frozen=True):
    """A new input with the credentials for its sender. The secrets are shown only once."""

    id: str
    name: str
    key: str
    secret: str
    authorization: str


class Inputs:
    """The existing inputs. Call `load` before use; changes made here apply immediately."""

    def __init__(self, documents: DocumentStore, box: SecretBox, clock: Clock) -> None:
        self._documents = documents
        self._box = box
        self._clock = clock
        self._by_id: dict[str, Input] = {}
        self._by_key: dict[str, Input] = {}
        self._by_name: dict[str, Input] = {}
        # Senders repeat the same header with every request. It is cached by its digest, so that no secret stays in
        # memory.
        self._by_header: dict[bytes, Input] = {}
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        self._index([self._opened(document) for document in await self._documents.list_documents("input")])

    def change_lock(self) -> asyncio.Lock:
        """Return the lock that serializes changes. Lookups work while it is held."""
        return self._changing

    def all(self) -> list[Input]:
        """Return all inputs, in order of creation."""
        return list(self._by_id.values())

    def find_by_name(self, name: str) -> Input | None:
        return self._by_name.get(name.lower())

    def find_by_cached_header(self, header: bytes) -> Input | None:
        """Return the input cached for this header, or None if it is not cached or inputs have changed since."""
        return self._by_header.get(sha256(header).digest())

    def cache_header(self, header: bytes, sender: Input) -> None:
        """Cache that the header was found to be this input's."""
        if len(self._by_header) >= _MAX_HEADERS:
            self._by_header.clear()
        self._by_header[sha256(header).digest()] = sender

    def find_by_credentials(self, key: str, secret: str) -> Input | None:
        """Return the input with this key if the secret is one of its secrets, else None."""
        found = self._by_key.get(key)
        # An unknown key costs the same comparison, so that the response time does not reveal which keys exist.
        digests = (found.secret_digests if found is not None else ()) or (_NO_DIGEST,)
        return found if _is_one_of(secret, digests) else None

    def find_by_authorization(self, name: str, authorization: str) -> Input | None:
        """Return the input of this name if the `Authorization` value is one of its values, else None."""
        found = self.find_by_name(name)
        digests = (found.authorization_digests if found is not None else ()) or (_NO_DIGEST,)
        return found if _is_one_of(authorization, digests) else None

    async def add(
        self, name: str, *, key: str | None, secret: str | None, authorization: str | None, changed_by: str
    ) -> NewInput:
        """Add an input; a key or secret that is not given is generated.

        Raises `ConfigurationError` with every problem.
        """
        new = NewInput(
            id=f"in_{secrets.token_hex(8)}",
            name=name.strip(),
            key=key if key is not None else secrets.token_hex(12),
            secret=secret if secret is not None else secrets.token_urlsafe(32),
            authorization=authorization if authorization is not None else f"Token {secrets.token_urlsafe(32)}",
        )
        # Serialize additions: two of the same name could otherwise both find it free.
        async with self._changing:
            problems = self._problems(new)
            if problems:
                raise ConfigurationError(problems)
            self._index([*self._by_id.values(), self._opened(await self._stored(new, changed_by))])
        return new

    async def rotate(self, name: str, *, secret: str | None, authorization: str | None, changed_by: str) -> NewInput:
        """Add new secrets beside the old ones, which stay valid until `retire`: senders change over in their own time.

        Raises `UnknownName`, and `ConfigurationError` while an earlier rotation has not been finished.
        """
        async with self._changing:
            found = self._get_or_raise(name)
            if len(found.secret_digests) > 1:
                raise ConfigurationError(
                    [f"{found.name}: two secrets are already valid; finish the last rotation first"]
                )
            new = NewInput(
                found.id,
                found.name,
                found.key,
                secret if secret is not None else secrets.token_urlsafe(32),
                authorization if authorization is not None else f"Token {secrets.token_urlsafe(32)}",
            )
            problems = _secret_problems(new)
            if problems:
                raise ConfigurationError(problems)
            record = await self._record(found.id)
            changed = structs.replace(
                record,
                sealed_secrets=(self._box.seal(new.secret, new.id), *record.sealed_secrets),
                sealed_authorizations=(self._box.seal(new.authorization, new.id), *record.sealed_authorizations),
            )
            await self._replace(found, changed, changed_by)
        return new

    async def retire(self, name: str, changed_by: str) -> Input:
        """Invalidate all but the newest secrets. Raises `UnknownName`."""
        async with self._changing:
            found = self._get_or_raise(name)
            record = await self._record(found.id)
            changed = structs.replace(
                record,
                sealed_secrets=record.sealed_secrets[:1],
                sealed_authorizations=record.sealed_authorizations[:1],
            )
            return await self._replace(found, changed, changed_by)

    async def remove(self, name: str, changed_by: str) -> Input:
        """Remove an input; its senders are refused from now on. Raises `UnknownName`."""
        async with self._changing:
            found = self._get_or_raise(name)
            now_ms = self._clock.now_ms()
            await self._documents.remove_document("input", found.id, changed_by=changed_by, now_ms=now_ms)
            self._index([each for each in self._by_id.values() if each.id != found.id])
        return found

    def _get_or_raise(self, name: str) -> Input:
        found = self.find_by_name(name) or self._by_id.get(name)
        if found is None:
            raise UnknownName(f'input "{name}" not found')
        return found

    async def _record(self, input_id: str) -> InputRecord:
        document = await self._documents.get_document("input", input_id)
        if document is None:
            raise UnknownName(f'input "{input_id}" not found')
        return msgspec.json.decode(document.body, type=InputRecord)

    async def _replace(self, found: Input, record: InputRecord, changed_by: str) -> Input:
        document = await self._documents.put_document(
            "input",
            found.id,
            msgspec.json.encode(record),
            expected_revision=found.revision,
            changed_by=changed_by,
            now_ms=self._clock.now_ms(),
        )
        changed = self._opened(document)
        self._index([changed if each.id == found.id else each for each in self._by_id.values()])
        return changed

    async def _stored(self, new: NewInput, changed_by: str) -> Document:
        record = InputRecord(
            new.name,
            new.key,
            (self._box.seal(new.secret, new.id),),
            (self._box.seal(new.authorization, new.id),),
        )
        return await self._documents.put_document(
            "input",
            new.id,
            msgspec.json.encode(record),
            expected_revision=0,
            changed_by=changed_by,
            now_ms=self._clock.now_ms(),
        )

    def _problems(self, new: NewInput) -> list[str]:
        problems: list[str] = []
        if not _NAME.fullmatch(new.name):
            problems.append(f"name: must be 1 to 63 letters, digits, dots, dashes or underscores, not {new.name!r}")
        elif self.find_by_name(new.name) is not None:
            problems.append(f'name: an input named "{new.name}" already exists')
        if not _KEY.fullmatch(new.key):
            problems.append("key: must be 4 to 100 letters, digits, dots, dashes, tildes or underscores")
        elif new.key in self._by_key:
            problems.append("key: another input already uses it")
        return problems + _secret_problems(new)

    def _opened(self, document: Document) -> Input:
        record = msgspec.json.decode(document.body, type=InputRecord)
        of_secrets = self._digests(record.sealed_secrets, document.id)
        of_values = self._digests(record.sealed_authorizations, document.id)
        opened = len(of_secrets) + len(of_values)
        unreadable = opened < len(record.sealed_secrets) + len(record.sealed_authorizations)
        return Input(
            document.id, document.revision, record.name, record.key, of_secrets, of_values, unreadable=unreadable
        )

    def _digests(self, sealed_texts: Sequence[str], input_id: str) -> tuple[bytes, ...]:
        """Return digests of the readable secrets: an unreadable one authenticates no one and stops no other input."""
        digests: list[bytes] = []
        for sealed in sealed_texts:
            with contextlib.suppress(SecretUnreadable):
                digests.append(_digest(self._box.open(sealed, input_id)))
        return tuple(digests)

    def _index(self, inputs: list[Input]) -> None:
        self._by_id = {each.id: each for each in inputs}
        self._by_key = {each.key: each for each in inputs}
        self._by_name = {each.name.lower(): each for each in inputs}
        self._by_header.clear()


def _secret_problems(new: NewInput) -> list[str]:
    problems: list[str] = []
    for field, value in (("secret", new.secret), ("authorization", new.authorization)):
        if len(value) < _SHORTEST_SECRET or not value.isprintable() or value != value.strip():
            problems.append(
                f"{field}: must be at least {_SHORTEST_SECRET} printable characters, without spaces at the ends"
            )
    if not new.authorization.isascii():
        problems.append("authorization: must be ASCII: senders encode other characters in headers differently")
    return problems


def _digest(secret: str) -> bytes:
    # Digests are of equal length, so comparing them reveals nothing about a secret's length.
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


_NO_DIGEST: Final = bytes(32)


def _is_one_of(given: str, digests: tuple[bytes, ...]) -> bool:
    digest = _digest(given)
    # Compare with all, whichever matches: `any` over a generator would stop early.
    return any([hmac.compare_digest(digest, known) for known in digests])
