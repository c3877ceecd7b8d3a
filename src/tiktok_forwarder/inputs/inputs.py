"""Inputs: what identifies senders. Stored as documents with sealed secrets, looked up in memory on every request."""

import asyncio
import contextlib
import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Literal

import msgspec
from msgspec import Struct, structs

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import ConfigurationError, SecretUnreadable, UnknownName
from tiktok_forwarder.domain.secret_box import SecretBox
from tiktok_forwarder.inputs.checks import key_problems, name_problems, read_origins, secret_problems
from tiktok_forwarder.store.documents import Document, DocumentStore

InputKind = Literal["server", "browser"]
"""What sends: a server with a secret, or web pages, whose key is public and whose origins are listed."""

_MAX_HEADERS: Final = 1000


class InputRecord(Struct, frozen=True):
    """An input as stored. Each secret is sealed; during a rotation the old one is valid too.

    A browser input has no secrets: a rotation changes its key, and `old_key` is valid too.
    """

    name: str
    key: str
    sealed_secrets: tuple[str, ...] = ()
    sealed_authorizations: tuple[str, ...] = ()
    kind: InputKind = "server"
    origins: tuple[str, ...] = ()
    allows_purchases: bool = True
    old_key: str | None = None


class Input(Struct, frozen=True):
    """An input in memory. Secrets are kept as digests, which suffice for comparing.

    `unreadable`: a stored secret was changed on the disk. It is rejected; rotating the secrets fixes it.
    `origins`: the origins of the pages that may use a browser input, as browsers send them.
    """

    id: str
    revision: int
    name: str
    key: str
    secret_digests: tuple[bytes, ...]
    authorization_digests: tuple[bytes, ...]
    unreadable: bool = False
    kind: InputKind = "server"
    origins: tuple[str, ...] = ()
    allows_purchases: bool = True
    old_key: str | None = None

    @property
    def is_rotating(self) -> bool:
        """Whether an old secret, or a browser input's old key, is still valid beside the new one."""
        return len(self.secret_digests) > 1 or self.old_key is not None

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that identifies the input now."""
        return (self.key,) if self.old_key is None else (self.key, self.old_key)


class NewInput(Struct, frozen=True):
    """A server's input with new credentials for its sender. The secrets are shown only once."""

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
        # An unknown key, and a browser input's, costs the same comparison, so that the response time does not reveal
        # which keys exist.
        digests = (found.secret_digests if found is not None else ()) or (_NO_DIGEST,)
        return found if _is_one_of(secret, digests) else None

    def find_by_authorization(self, name: str, authorization: str) -> Input | None:
        """Return the input of this name if the `Authorization` value is one of its values, else None."""
        found = self.find_by_name(name)
        digests = (found.authorization_digests if found is not None else ()) or (_NO_DIGEST,)
        return found if _is_one_of(authorization, digests) else None

    def find_browser_input(self, key: str) -> Input | None:
        """Return the browser input with this key, which may be the old one of a rotation, or None."""
        found = self._by_key.get(key)
        return found if found is not None and found.kind == "browser" else None

    async def add(
        self,
        name: str,
        *,
        key: str | None,
        secret: str | None,
        authorization: str | None,
        allows_purchases: bool = True,
        changed_by: str,
    ) -> NewInput:
        """Add a server's input; a key or secret that is not given is generated.

        Raises `ConfigurationError` with every problem.
        """
        new = NewInput(
            id=_new_id(),
            name=name.strip(),
            key=key if key is not None else _new_key(),
            secret=secret if secret is not None else _new_secret(),
            authorization=authorization if authorization is not None else _new_authorization(),
        )
        # Serialize additions: two of the same name could otherwise both find it free.
        async with self._changing:
            problems = self._problems(new.name, new.key) + secret_problems(new.secret, new.authorization)
            if problems:
                raise ConfigurationError(problems)
            record = InputRecord(
                new.name,
                new.key,
                (self._box.seal(new.secret, new.id),),
                (self._box.seal(new.authorization, new.id),),
                allows_purchases=allows_purchases,
            )
            await self._add(new.id, record, changed_by)
        return new

    async def add_browser_input(
        self,
        name: str,
        *,
        key: str | None,
        origins: Sequence[str],
        allows_purchases: bool = True,
        changed_by: str,
    ) -> Input:
        """Add an input for web pages of these origins; a key that is not given is generated.

        Raises `ConfigurationError` with every problem.
        """
        read, origin_problems = read_origins(origins)
        record = InputRecord(
            name.strip(),
            key if key is not None else _new_key(),
            kind="browser",
            origins=read,
            allows_purchases=allows_purchases,
        )
        async with self._changing:
            problems = self._problems(record.name, record.key) + origin_problems
            if problems:
                raise ConfigurationError(problems)
            return await self._add(_new_id(), record, changed_by)

    async def change(
        self,
        name: str,
        *,
        origins: Sequence[str] | None = None,
        allows_purchases: bool | None = None,
        expected_revision: int | None = None,
        changed_by: str,
    ) -> Input:
        """Change a browser input's origins, and whether an input may send purchases; None keeps what is stored.

        Raises `UnknownName`, `ConfigurationError`, and `RevisionConflict` if another revision is stored.
        """
        async with self._changing:
            found = self._get_or_raise(name)
            if origins is not None:
                if found.kind != "browser":
                    raise ConfigurationError([f'origins: input "{found.name}" is a server\'s: only browsers send one'])
                read, problems = read_origins(origins)
                if problems:
                    raise ConfigurationError(problems)
            record = await self._record(found.id)
            changed = structs.replace(
                record,
                origins=record.origins if origins is None else read,
                allows_purchases=record.allows_purchases if allows_purchases is None else allows_purchases,
            )
            return await self._replace(found, changed, changed_by, expected_revision)

    async def rotate(self, name: str, *, secret: str | None, authorization: str | None, changed_by: str) -> NewInput:
        """Add new secrets beside the old ones, which stay valid until `retire`: senders change over in their own time.

        Raises `UnknownName`, and `ConfigurationError` for a browser input, and while an earlier rotation has not been
        finished.
        """
        async with self._changing:
            found = self._get_or_raise(name)
            if found.kind == "browser":
                raise ConfigurationError([f"{found.name}: a browser input has no secrets; rotate its key"])
            if found.is_rotating:
                raise ConfigurationError(
                    [f"{found.name}: two secrets are already valid; finish the last rotation first"]
                )
            new = NewInput(
                found.id,
                found.name,
                found.key,
                secret if secret is not None else _new_secret(),
                authorization if authorization is not None else _new_authorization(),
            )
            problems = secret_problems(new.secret, new.authorization)
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

    async def rotate_key(self, name: str, *, key: str | None, changed_by: str) -> Input:
        """Give a browser input a new key beside the old one, which stays valid until `retire`: pages are cached.

        Raises `UnknownName`, and `ConfigurationError` for a server's input, and while an earlier rotation has not been
        finished.
        """
        async with self._changing:
            found = self._get_or_raise(name)
            if found.kind != "browser":
                raise ConfigurationError([f"{found.name}: a server's input keeps its key; rotate its secrets"])
            if found.is_rotating:
                raise ConfigurationError([f"{found.name}: two keys are already valid; finish the last rotation first"])
            new_key = key if key is not None else _new_key()
            problems = self._key_problems(new_key)
            if problems:
                raise ConfigurationError(problems)
            record = await self._record(found.id)
            return await self._replace(found, structs.replace(record, key=new_key, old_key=record.key), changed_by)

    async def retire(self, name: str, changed_by: str) -> Input:
        """Invalidate all but the newest secrets, or a browser input's old key. Raises `UnknownName`."""
        async with self._changing:
            found = self._get_or_raise(name)
            record = await self._record(found.id)
            changed = structs.replace(
                record,
                sealed_secrets=record.sealed_secrets[:1],
                sealed_authorizations=record.sealed_authorizations[:1],
                old_key=None,
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

    async def _add(self, input_id: str, record: InputRecord, changed_by: str) -> Input:
        added = self._opened(await self._put(input_id, record, 0, changed_by))
        self._index([*self._by_id.values(), added])
        return added

    async def _replace(
        self, found: Input, record: InputRecord, changed_by: str, expected_revision: int | None = None
    ) -> Input:
        revision = found.revision if expected_revision is None else expected_revision
        changed = self._opened(await self._put(found.id, record, revision, changed_by))
        self._index([changed if each.id == found.id else each for each in self._by_id.values()])
        return changed

    async def _put(self, input_id: str, record: InputRecord, expected_revision: int, changed_by: str) -> Document:
        return await self._documents.put_document(
            "input",
            input_id,
            msgspec.json.encode(record),
            expected_revision=expected_revision,
            changed_by=changed_by,
            now_ms=self._clock.now_ms(),
        )

    def _problems(self, name: str, key: str) -> list[str]:
        problems = name_problems(name)
        if self.find_by_name(name) is not None:
            problems.append(f'name: an input named "{name}" already exists')
        return problems + self._key_problems(key)

    def _key_problems(self, key: str) -> list[str]:
        return key_problems(key) or (["key: another input already uses it"] if key in self._by_key else [])

    def _opened(self, document: Document) -> Input:
        record = msgspec.json.decode(document.body, type=InputRecord)
        of_secrets = self._digests(record.sealed_secrets, document.id)
        of_values = self._digests(record.sealed_authorizations, document.id)
        opened = len(of_secrets) + len(of_values)
        return Input(
            document.id,
            document.revision,
            record.name,
            record.key,
            of_secrets,
            of_values,
            unreadable=opened < len(record.sealed_secrets) + len(record.sealed_authorizations),
            kind=record.kind,
            origins=record.origins,
            allows_purchases=record.allows_purchases,
            old_key=record.old_key,
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
        self._by_key = {key: each for each in inputs for key in each.keys}
        self._by_name = {each.name.lower(): each for each in inputs}
        self._by_header.clear()


def _new_id() -> str:
    return f"in_{secrets.token_hex(8)}"


def _new_key() -> str:
    return secrets.token_hex(12)


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


def _new_authorization() -> str:
    return f"Token {secrets.token_urlsafe(32)}"


def _digest(secret: str) -> bytes:
    # Digests are of equal length, so comparing them reveals nothing about a secret's length.
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


_NO_DIGEST: Final = bytes(32)


def _is_one_of(given: str, digests: tuple[bytes, ...]) -> bool:
    digest = _digest(given)
    # Compare with all, whichever matches: `any` over a generator would stop early.
    return any([hmac.compare_digest(digest, known) for known in digests])
