"""Inputs: what identifies senders. Stored as documents with sealed secrets, looked up in memory on every request."""

import contextlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from hashlib import blake2b
from typing import Final, TypeVar

import msgspec
from msgspec import Struct, structs

from tiktok_forwarder.domain.errors import ConfigurationError, SecretUnreadable, UnknownName
from tiktok_forwarder.domain.secret_box import SecretBox
from tiktok_forwarder.inputs.checks import NO_SECRETS, key_problems, name_problems, read_origins, secret_problems
from tiktok_forwarder.inputs.credentials import (
    NO_DIGEST,
    digest_of,
    is_one_of,
    new_authorization,
    new_key,
    new_secret,
)
from tiktok_forwarder.inputs.settings import InputKind, InputSettings, KafkaSettings
from tiktok_forwarder.store.documents import Document, DocumentPut
from tiktok_forwarder.store.shared_documents import SharedDocuments

_MAX_HEADERS: Final = 1000

Result = TypeVar("Result")


class InputRecord(Struct, frozen=True):
    """An input as stored. Each secret is sealed; during a rotation the old one is valid too.

    A browser input has no secrets: a rotation changes its key, and `old_key` is valid too. A Kafka input has no key
    either; `kafka` is without the password.
    """

    name: str
    key: str
    sealed_secrets: tuple[str, ...] = ()
    sealed_authorizations: tuple[str, ...] = ()
    kind: InputKind = "server"
    origins: tuple[str, ...] = ()
    allows_purchases: bool = True
    old_key: str | None = None
    kafka: KafkaSettings | None = None
    sealed_password: str | None = None


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
    kafka: KafkaSettings | None = None
    sealed_password: str | None = None

    @property
    def is_rotating(self) -> bool:
        """Whether an old secret, or a browser input's old key, is still valid beside the new one."""
        return len(self.secret_digests) > 1 or self.old_key is not None

    @property
    def settings(self) -> InputSettings:
        return InputSettings(self.name, self.kind, self.key or None, self.origins, self.allows_purchases, self.kafka)

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that identifies the input now; a Kafka input has none."""
        return tuple(key for key in (self.key, self.old_key) if key)


class NewInput(Struct, frozen=True):
    """A server's input with new credentials for its sender. The secrets are shown only once."""

    id: str
    name: str
    key: str
    secret: str
    authorization: str


class Inputs:
    """The existing inputs: copies of the shared documents. Changes made here apply immediately."""

    def __init__(self, shared: SharedDocuments, box: SecretBox) -> None:
        self._shared = shared
        self._box = box
        self._by_id: dict[str, Input] = {}
        self._by_key: dict[str, Input] = {}
        self._by_name: dict[str, Input] = {}
        # Senders repeat the same header with every request. It is cached by its digest, so that no secret stays in
        # memory.
        self._by_header: dict[bytes, Input] = {}
        self._changed: list[Callable[[], None]] = []
        shared.keep("input", self.load, self._follow)

    async def load(self) -> None:
        """Read the stored inputs, at the start and after the encryption key or the server was changed."""
        self._index([self._opened(document) for document in await self._shared.store.list_documents("input")])

    def _follow(self, input_id: str, document: Document | None) -> None:
        others = {key: each for key, each in self._by_id.items() if document is not None or key != input_id}
        if document is not None:
            others[input_id] = self._opened(document)
        self._index(list(others.values()))

    async def change_all(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Run `attempt`, which checks on these inputs and calls `put_all`, as `SharedDocuments.change` does."""
        return await self._shared.change(attempt)

    def on_change(self, changed: Callable[[], None]) -> None:
        """Register `changed`, which is called after inputs were added, changed or removed, here or elsewhere."""
        self._changed.append(changed)

    def all(self) -> list[Input]:
        """Return all inputs, in order of creation."""
        return list(self._by_id.values())

    def find_by_name(self, name: str) -> Input | None:
        return self._by_name.get(name.lower())

    def find_by_cached_header(self, header: bytes) -> Input | None:
        """Return the input cached for this header, or None if it is not cached or inputs have changed since."""
        return self._by_header.get(blake2b(header).digest())

    def cache_header(self, header: bytes, sender: Input) -> None:
        """Cache that the header was found to be this input's."""
        if len(self._by_header) >= _MAX_HEADERS:
            self._by_header.clear()
        self._by_header[blake2b(header).digest()] = sender

    def find_by_credentials(self, key: str, secret: str) -> Input | None:
        """Return the input with this key if the secret is one of its secrets, else None."""
        found = self._by_key.get(key)
        # An unknown key, and a browser input's, costs the same comparison, so that the response time does not reveal
        # which keys exist.
        digests = (found.secret_digests if found is not None else ()) or (NO_DIGEST,)
        return found if is_one_of(secret, digests) else None

    def find_by_authorization(self, name: str, authorization: str) -> Input | None:
        """Return the input of this name if the `Authorization` value is one of its values, else None."""
        found = self.find_by_name(name)
        digests = (found.authorization_digests if found is not None else ()) or (NO_DIGEST,)
        return found if is_one_of(authorization, digests) else None

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
            id=new_id(),
            name=name.strip(),
            key=key if key is not None else new_key(),
            secret=secret if secret is not None else new_secret(),
            authorization=authorization if authorization is not None else new_authorization(),
        )

        async def add() -> NewInput:
            problems = self.addition_problems(new.name, new.key) + secret_problems(new.secret, new.authorization)
            if problems:
                raise ConfigurationError(problems)
            record = self.sealed_record(new, allows_purchases=allows_purchases)
            await self.put_all([(new.id, record, 0)], changed_by)
            return new

        return await self._shared.change(add)

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
            key if key is not None else new_key(),
            kind="browser",
            origins=read,
            allows_purchases=allows_purchases,
        )

        async def add() -> Input:
            problems = self.addition_problems(record.name, record.key) + origin_problems
            if problems:
                raise ConfigurationError(problems)
            (added,) = await self.put_all([(new_id(), record, 0)], changed_by)
            return added

        return await self._shared.change(add)

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

        async def change() -> Input:
            found = self.get(name)
            if origins is not None:
                if found.kind != "browser":
                    raise ConfigurationError(
                        [f'origins: input "{found.name}" is not a browser input; only those have some']
                    )
                read, problems = read_origins(origins)
                if problems:
                    raise ConfigurationError(problems)
            record = await self.record_of(found)
            changed = structs.replace(
                record,
                origins=record.origins if origins is None else read,
                allows_purchases=record.allows_purchases if allows_purchases is None else allows_purchases,
            )
            return await self._replace(found, changed, changed_by, expected_revision)

        return await self._shared.change(change)

    async def rotate(self, name: str, *, secret: str | None, authorization: str | None, changed_by: str) -> NewInput:
        """Add new secrets beside the old ones, which stay valid until `retire`: senders change over in their own time.

        Raises `UnknownName`, and `ConfigurationError` for a browser input, and while an earlier rotation has not been
        finished.
        """

        async def rotate() -> NewInput:
            found = self.get(name)
            if found.kind != "server":
                raise ConfigurationError([f"{found.name}: {NO_SECRETS[found.kind]}"])
            if found.is_rotating:
                raise ConfigurationError(
                    [f"{found.name}: two secrets are already valid; finish the last rotation first"]
                )
            new = NewInput(
                found.id,
                found.name,
                found.key,
                secret if secret is not None else new_secret(),
                authorization if authorization is not None else new_authorization(),
            )
            problems = secret_problems(new.secret, new.authorization)
            if problems:
                raise ConfigurationError(problems)
            record = await self.record_of(found)
            changed = structs.replace(
                record,
                sealed_secrets=(self._box.seal(new.secret, new.id), *record.sealed_secrets),
                sealed_authorizations=(self._box.seal(new.authorization, new.id), *record.sealed_authorizations),
            )
            await self._replace(found, changed, changed_by)
            return new

        return await self._shared.change(rotate)

    async def rotate_key(self, name: str, *, key: str | None, changed_by: str) -> Input:
        """Give a browser input a new key beside the old one, which stays valid until `retire`: pages are cached.

        Raises `UnknownName`, and `ConfigurationError` for a server's input, and while an earlier rotation has not been
        finished.
        """

        async def rotate() -> Input:
            found = self.get(name)
            if found.kind != "browser":
                problem = NO_SECRETS.get(found.kind, "a server's input keeps its key; rotate its secrets")
                raise ConfigurationError([f"{found.name}: {problem}"])
            if found.is_rotating:
                raise ConfigurationError([f"{found.name}: two keys are already valid; finish the last rotation first"])
            given = key if key is not None else new_key()
            problems = self._key_problems(given)
            if problems:
                raise ConfigurationError(problems)
            record = await self.record_of(found)
            return await self._replace(found, structs.replace(record, key=given, old_key=record.key), changed_by)

        return await self._shared.change(rotate)

    async def retire(self, name: str, changed_by: str) -> Input:
        """Invalidate all but the newest secrets, or a browser input's old key. Raises `UnknownName`."""

        async def retire() -> Input:
            found = self.get(name)
            record = await self.record_of(found)
            changed = structs.replace(
                record,
                sealed_secrets=record.sealed_secrets[:1],
                sealed_authorizations=record.sealed_authorizations[:1],
                old_key=None,
            )
            return await self._replace(found, changed, changed_by)

        return await self._shared.change(retire)

    async def remove(self, name: str, changed_by: str) -> Input:
        """Remove an input; its senders are refused from now on. Raises `UnknownName`."""

        async def remove() -> Input:
            found = self.get(name)
            await self._shared.remove("input", found.id, changed_by)
            self._follow(found.id, None)
            return found

        return await self._shared.change(remove)

    def addition_problems(self, name: str, key: str) -> list[str]:
        """Return what prevents adding an input of this name and key; a Kafka input's key is empty."""
        problems = name_problems(name)
        if self.find_by_name(name) is not None:
            problems.append(f'name: an input named "{name}" already exists')
        return problems + (self._key_problems(key) if key else [])

    def get(self, name_or_id: str) -> Input:
        """Return the input of this name or ID. Raises `UnknownName`."""
        if (found := self.find_by_name(name_or_id) or self._by_id.get(name_or_id)) is None:
            raise UnknownName.among((each.name for each in self.all()), "input", name_or_id)
        return found

    def seal(self, text: str, input_id: str) -> str:
        return self._box.seal(text, input_id)

    def password_of(self, found: Input) -> str | None:
        """Return the password of a Kafka input, or None if it has none. Raises `SecretUnreadable`."""
        return None if found.sealed_password is None else self._box.open(found.sealed_password, found.id)

    async def record_of(self, found: Input) -> InputRecord:
        """Return the input as stored. Raises `UnknownName` if it was removed by other means."""
        document = await self._shared.store.get_document("input", found.id)
        if document is None:
            raise UnknownName(f'input "{found.name}" not found')
        return msgspec.json.decode(document.body, type=InputRecord)

    def sealed_record(self, new: NewInput, *, allows_purchases: bool) -> InputRecord:
        """Return a new server's input as it is stored."""
        return InputRecord(
            new.name,
            new.key,
            (self._box.seal(new.secret, new.id),),
            (self._box.seal(new.authorization, new.id),),
            allows_purchases=allows_purchases,
        )

    async def put_all(self, changes: Sequence[tuple[str, InputRecord, int]], changed_by: str) -> list[Input]:
        """Store inputs by ID in one transaction, each if its stored revision is this one; 0 adds a new one.

        Only within an attempt of `change_all`. Raises `RevisionConflict`.
        """
        puts = [
            DocumentPut("input", input_id, msgspec.json.encode(record), revision)
            for input_id, record, revision in changes
        ]
        documents = await self._shared.put(puts, changed_by)
        stored = [self._opened(document) for document in documents]
        self._index(list({**self._by_id, **{each.id: each for each in stored}}.values()))
        return stored

    async def _replace(
        self, found: Input, record: InputRecord, changed_by: str, expected_revision: int | None = None
    ) -> Input:
        revision = found.revision if expected_revision is None else expected_revision
        (replaced,) = await self.put_all([(found.id, record, revision)], changed_by)
        return replaced

    def _key_problems(self, key: str) -> list[str]:
        return key_problems(key) or (["key: another input already uses it"] if key in self._by_key else [])

    def _opened(self, document: Document) -> Input:
        record = msgspec.json.decode(document.body, type=InputRecord)
        of_secrets = self._digests(record.sealed_secrets, document.id)
        of_values = self._digests(record.sealed_authorizations, document.id)
        of_passwords = () if record.sealed_password is None else (record.sealed_password,)
        opened = len(of_secrets) + len(of_values) + len(self._digests(of_passwords, document.id))
        return Input(
            document.id,
            document.revision,
            record.name,
            record.key,
            of_secrets,
            of_values,
            unreadable=opened < len((*record.sealed_secrets, *record.sealed_authorizations, *of_passwords)),
            kind=record.kind,
            origins=record.origins,
            allows_purchases=record.allows_purchases,
            old_key=record.old_key,
            kafka=record.kafka,
            sealed_password=record.sealed_password,
        )

    def _digests(self, sealed_texts: Sequence[str], input_id: str) -> tuple[bytes, ...]:
        """Return digests of the readable secrets: an unreadable one authenticates no one and stops no other input."""
        digests: list[bytes] = []
        for sealed in sealed_texts:
            with contextlib.suppress(SecretUnreadable):
                digests.append(digest_of(self._box.open(sealed, input_id)))
        return tuple(digests)

    def _index(self, inputs: list[Input]) -> None:
        self._by_id = {each.id: each for each in inputs}
        self._by_key = {key: each for each in inputs for key in each.keys}
        self._by_name = {each.name.lower(): each for each in inputs}
        self._by_header.clear()
        for changed in self._changed:
            changed()


def new_id() -> str:
    return f"in_{secrets.token_hex(8)}"
