"""Connections: documents with sealed access tokens, kept in memory with a mapper each for the next request."""

import contextlib
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct, structs

from tiktok_forwarder.delivery.interfaces import DeliveryTarget
from tiktok_forwarder.domain.errors import ConfigurationError, RevisionConflict, SecretUnreadable, UnknownName
from tiktok_forwarder.domain.secret_box import SecretBox
from tiktok_forwarder.inputs.inputs import Inputs
from tiktok_forwarder.mapping.connection import Connection, advice_on, connection_document, read_connection
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.store.documents import Document, DocumentPut
from tiktok_forwarder.store.shared_documents import SharedDocuments

ConnectionChanged = Callable[[str], Awaitable[None]]


MAX_IMPORTED: Final = 250
_MAX_LABEL_LENGTH: Final = 100
_MAX_NAMES_SHOWN: Final = 5


class ConnectionRecord(Struct, frozen=True):
    """A connection as stored."""

    settings: dict[str, Any]
    sealed_token: str


class _Held(Struct, frozen=True):
    connection: Connection
    mapper: Mapper
    sealed_token: str


class FieldChange(Struct, frozen=True):
    """A setting's value before and after; None if it had or has none. An access token is never shown."""

    field: str
    before: Any
    after: Any


class Difference(Struct, frozen=True):
    """The effect of an import on one connection; `advice` is notes on its settings as they will be."""

    name: str
    change: Literal["add", "change", "none"]
    fields: list[FieldChange]
    advice: list[str] = []


class HistoryEntry(Struct, frozen=True):
    """One revision: when, by whom, and what it changed."""

    revision: int
    changed_at_ms: int
    changed_by: str
    removed: bool
    fields: list[FieldChange]


class _Change(Struct, frozen=True):
    """A connection to be stored; `expected_revision` 0 creates a new one."""

    id: str
    connection: Connection
    sealed_token: str
    expected_revision: int

    def record(self) -> ConnectionRecord:
        return ConnectionRecord(connection_document(self.connection), self.sealed_token)


class Connections:
    """The existing connections: copies of the shared documents, and the deliverer's `ConnectionSource`."""

    def __init__(self, shared: SharedDocuments, box: SecretBox, inputs: Inputs) -> None:
        self._shared = shared
        self._box = box
        self._inputs = inputs
        self._held: dict[str, _Held] = {}
        self._mappers: dict[str, tuple[Mapper, ...]] = {}
        self._changed: list[ConnectionChanged] = []
        shared.keep("connection", self.load, self._follow)

    async def load(self) -> None:
        """Read the stored connections, at the start and after the encryption key or the server was changed.

        Raises `ConfigurationError` if one no longer fits this program.
        """
        documents = await self._shared.store.list_documents("connection")
        before = self._held
        self._hold({document.id: _opened(document) for document in documents})
        for connection_id in before.keys() | self._held.keys():
            self._notify_if_changed(connection_id, before.get(connection_id))

    def _follow(self, connection_id: str, document: Document | None) -> None:
        before = self._held.get(connection_id)
        if document is None:
            self._drop(connection_id)
        else:
            self._hold({**self._held, connection_id: _opened(document)})
        self._notify_if_changed(connection_id, before)

    def _notify_if_changed(self, connection_id: str, before: _Held | None) -> None:
        """Begin to notify others of a connection that is not what it was before: they may take long for it."""
        after = self._held.get(connection_id)
        is_same = before is not None and after is not None and before.connection.revision == after.connection.revision
        if self._changed and not is_same:
            self._shared.run_later(lambda: self._notify([connection_id]))

    async def catch_up(self) -> None:
        """Let these copies follow what other processes have changed by now."""
        await self._shared.catch_up()

    def on_change(self, changed: ConnectionChanged) -> None:
        """Register `changed`, which is awaited with the ID of each connection that is added, changed or removed."""
        self._changed.append(changed)

    def all(self) -> list[Connection]:
        """Return all, in order of creation."""
        return [held.connection for held in self._held.values()]

    def find(self, name_or_id: str) -> Connection | None:
        if name_or_id in self._held:
            return self._held[name_or_id].connection
        return self._find_by_name(name_or_id)

    def get(self, name_or_id: str) -> Connection:
        """Return the connection of this name or ID. Raises `UnknownName`."""
        found = self.find(name_or_id)
        if found is None:
            raise UnknownName.among((each.name for each in self.all()), "connection", name_or_id)
        return found

    def _find_by_name(self, name: str) -> Connection | None:
        wanted = name.strip().lower()
        return next((each for each in self.all() if each.name.lower() == wanted), None)

    def mappers_of(self, input_name: str) -> tuple[Mapper, ...]:
        """Return the mappers of the connections that this input feeds."""
        mappers = self._mappers.get(input_name)
        if mappers is None:
            mappers = tuple(held.mapper for held in self._held.values() if _is_fed_by(held.connection, input_name))
            self._mappers[input_name] = mappers
        return mappers

    def idle_inputs(self) -> list[str]:
        """Return the names of the inputs that feed no connection: nothing of what they receive is kept."""
        return [each.name for each in self._inputs.all() if not self.mappers_of(each.name)]

    async def add(self, given: Mapping[str, object], changed_by: str) -> Connection:
        """Add a connection. Raises `ConfigurationError` with every problem of the given settings."""
        (held,) = await self._shared.change(lambda: self._put([self._addition(given)], changed_by))
        await self._notify([held.connection.id])
        return held.connection

    async def set(
        self, name_or_id: str, changes: Mapping[str, object], *, expected_revision: int | None, changed_by: str
    ) -> Connection:
        """Change some settings; None restores the default. Raises `ConfigurationError` and `RevisionConflict`."""

        async def apply() -> _Held:
            change = self._change(self._get_or_raise(name_or_id), changes)
            if expected_revision is not None:
                change = structs.replace(change, expected_revision=expected_revision)
            (held,) = await self._put([change], changed_by)
            return held

        held = await self._shared.change(apply)
        await self._notify([held.connection.id])
        return held.connection

    def draft(self, name_or_id: str, changes: Mapping[str, object]) -> Connection:
        """Return the connection as `set` would store it, without changing it.

        Raises `ConfigurationError` and `UnknownName`.
        """
        return self._change(self._get_or_raise(name_or_id), changes).connection

    async def at_revision(self, connection_id: str, revision: int) -> Connection | None:
        """Return the connection as of this revision, or None if the revision is not (or no longer) known."""
        for document in await self._shared.store.document_history("connection", connection_id):
            if document.revision == revision and document.body:
                return _opened(document).connection
        return None

    async def remove(self, name_or_id: str, changed_by: str) -> Connection:
        """Remove a connection. Its events are left to the caller.

        Raises `ConfigurationError` if there is no such connection.
        """

        async def remove() -> Connection:
            connection = self._get_or_raise(name_or_id).connection
            await self._shared.remove("connection", connection.id, changed_by)
            self._drop(connection.id)
            return connection

        connection = await self._shared.change(remove)
        await self._notify([connection.id])
        return connection

    async def import_all(
        self,
        given: Sequence[Mapping[str, object]],
        *,
        dry_run: bool,
        changed_by: str,
        expected_revisions: Mapping[str, int] | None = None,
    ) -> list[Difference]:
        """Add or change connections by name, all of them or none; a dry run only returns what would change.

        An existing connection keeps its token unless a token is given. `expected_revisions`, by ID, are those of all
        connections that the caller knows. Raises `ConfigurationError` with every problem, and `RevisionConflict`.
        """

        async def apply() -> tuple[list[Difference], list[_Held]]:
            self._check_revisions(expected_revisions)
            changes = self._changes(given)
            differences = [self._difference(change) for change in changes]
            if dry_run:
                return differences, []
            made = [change for change, difference in zip(changes, differences, strict=True) if difference.fields]
            return differences, await self._put(made, changed_by)

        differences, held = await self._shared.change(apply)
        await self._notify([each.connection.id for each in held])
        return differences

    def _check_revisions(self, expected: Mapping[str, int] | None) -> None:
        if expected is not None and expected != {each.id: each.revision for each in self.all()}:
            raise RevisionConflict("connections were changed in the meantime: read them again, then repeat")

    def _changes(self, given: Sequence[Mapping[str, object]]) -> list[_Change]:
        if len(given) > MAX_IMPORTED:
            raise ConfigurationError(
                [f"at most {MAX_IMPORTED:,} connections are imported at a time, not {len(given):,}"]
            )
        changes: list[_Change] = []
        problems: list[str] = []
        names: set[str] = set()
        for index, settings in enumerate(given):
            name = str(settings.get("name") or "").strip()
            label = f"connections[{index}] {name[:_MAX_LABEL_LENGTH]}".rstrip()
            found = self._find_by_name(name)
            try:
                if name and name.lower() in names:
                    raise ConfigurationError([f'name: "{name}" is used twice here'])
                names.add(name.lower())
                if found is None:
                    changes.append(self._addition(settings))
                else:
                    changes.append(self._change(self._held[found.id], settings, replaces=True))
            except ConfigurationError as error:
                problems += [f"{label}: {problem}" for problem in error.problems]
        if problems:
            raise ConfigurationError(problems)
        return changes

    def _addition(self, given: Mapping[str, object]) -> _Change:
        draft = read_connection(given)
        self._check(draft.connection, None)
        connection_id = f"cn_{secrets.token_hex(8)}"
        return _Change(connection_id, draft.connection, self._box.seal(draft.access_token or "", connection_id), 0)

    def _change(self, held: _Held, changes: Mapping[str, object], *, replaces: bool = False) -> _Change:
        before = {} if replaces else connection_document(held.connection)
        draft = read_connection({**before, **changes}, needs_token=False)
        self._check(draft.connection, held.connection.id)
        token = self._sealed_again(held, draft.access_token)
        if not draft.connection.is_recording and draft.access_token is None and self._lacks_token(held):
            raise ConfigurationError(["access_token: is required to send events"])
        return _Change(held.connection.id, draft.connection, token, held.connection.revision)

    def _sealed_again(self, held: _Held, token: str | None) -> str:
        """Return the sealed token, unchanged if the token is: each sealing differs and would look like a change."""
        if token is None:
            return held.sealed_token
        with contextlib.suppress(SecretUnreadable):
            if self._box.open(held.sealed_token, held.connection.id) == token:
                return held.sealed_token
        return self._box.seal(token, held.connection.id)

    def _lacks_token(self, held: _Held) -> bool:
        """Return whether the connection was saved without a token, as one that only records may be."""
        with contextlib.suppress(SecretUnreadable):
            return not self._box.open(held.sealed_token, held.connection.id)
        return False

    def _check(self, connection: Connection, own_id: str | None) -> None:
        problems: list[str] = []
        namesake = self._find_by_name(connection.name)
        if namesake is not None and namesake.id != own_id:
            problems.append(f'name: a connection named "{connection.name}" already exists')
        known = ", ".join(each.name for each in self._inputs.all()) or "none yet"
        problems += [
            f'inputs: input "{name}" not found; known inputs: {known}'
            for name in connection.inputs
            if self._inputs.find_by_name(name) is None
        ]
        if problems:
            raise ConfigurationError(problems)

    async def _put(self, changes: Sequence[_Change], changed_by: str) -> list[_Held]:
        puts = [
            DocumentPut("connection", each.id, msgspec.json.encode(each.record()), each.expected_revision)
            for each in changes
        ]
        documents = await self._shared.put(puts, changed_by)
        held = [_opened(document) for document in documents]
        self._hold({**self._held, **{each.connection.id: each for each in held}})
        return held

    async def _notify(self, connection_ids: Sequence[str]) -> None:
        for connection_id in connection_ids:
            for changed in self._changed:
                await changed(connection_id)

    def _get_or_raise(self, name_or_id: str) -> _Held:
        return self._held[self.get(name_or_id).id]

    def _difference(self, change: _Change) -> Difference:
        held = self._held.get(change.id)
        before = connection_document(held.connection) if held is not None else {}
        fields = _differing(before, connection_document(change.connection))
        if held is not None and change.sealed_token != held.sealed_token:
            fields.append(FieldChange("access_token", None, "a new token"))
        kind: Literal["add", "change", "none"] = "add" if held is None else "change" if fields else "none"
        return Difference(change.connection.name, kind, fields, advice_on(change.connection))

    async def history(self, name_or_id: str) -> list[HistoryEntry]:
        """Return every revision, oldest first, with what it changed; for the token only that it changed.

        A removed connection is found by its ID. Raises `UnknownName`.
        """
        entries: list[HistoryEntry] = []
        before: dict[str, Any] = {}
        token = ""
        found = self.find(name_or_id)
        documents = await self._shared.store.document_history("connection", found.id if found else name_or_id)
        if not documents:
            raise UnknownName.among((each.name for each in self.all()), "connection", name_or_id)
        for document in documents:
            removed = not document.body
            record = ConnectionRecord({}, "") if removed else msgspec.json.decode(document.body, type=ConnectionRecord)
            fields = [] if removed else _differing(before, record.settings)
            if not removed and record.sealed_token != token:
                fields.append(FieldChange("access_token", None, "a new token"))
            entries.append(
                HistoryEntry(document.revision, document.changed_at_ms, document.changed_by, removed, fields)
            )
            before, token = record.settings, record.sealed_token
        return entries

    def _drop(self, connection_id: str) -> None:
        self._hold({key: held for key, held in self._held.items() if key != connection_id})

    def _hold(self, held: dict[str, _Held]) -> None:
        self._held = held
        self._mappers = {}

    # --- interface of the deliverer ---

    def connection_ids(self) -> Collection[str]:
        return list(self._held)

    def name_of(self, connection_id: str) -> str:
        """Return the connection's name; an empty text if it has been removed."""
        found = self.find(connection_id)
        return found.name if found is not None else ""

    def target(self, connection_id: str) -> DeliveryTarget | None:
        held = self._held.get(connection_id)
        return target_of(held.connection) if held is not None else None

    def access_token(self, connection_id: str) -> str:
        """Return the decrypted access token. Raises `SecretUnreadable`."""
        return self._box.open(self._held[connection_id].sealed_token, connection_id)


def idle_input_warnings(names: Sequence[str]) -> list[str]:
    """Return the warning for people about the inputs that feed no connection, if there are any."""
    if not names:
        return []
    shown = ", ".join(f'"{name}"' for name in names[:_MAX_NAMES_SHOWN])
    more = f" and {len(names) - _MAX_NAMES_SHOWN:,} more" if len(names) > _MAX_NAMES_SHOWN else ""
    subject = f"input {shown} feeds" if len(names) == 1 else f"inputs {shown}{more} feed"
    return [
        f"{subject} no connection: requests are answered with 202, but none of their events is kept or sent; add a "
        "connection, or add the input to the inputs of one"
    ]


def target_of(connection: Connection) -> DeliveryTarget:
    """Return the connection as the destination of requests."""
    return DeliveryTarget(
        connection.id,
        connection.revision,
        connection.enabled,
        connection.pixel_id,
        connection.test_event_code,
        connection.events_api,
        connection.is_recording,
    )


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FieldChange]:
    names = [*after, *(name for name in before if name not in after)]
    return [
        FieldChange(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    ]


def _opened(document: Document) -> _Held:
    record = msgspec.json.decode(document.body, type=ConnectionRecord)
    connection = read_connection(
        record.settings,
        connection_id=document.id,
        revision=document.revision,
        needs_token=False,
        may_be_placeholder=True,
    ).connection
    return _Held(connection, Mapper(connection), record.sealed_token)


def _is_fed_by(connection: Connection, input_name: str) -> bool:
    return not connection.inputs or input_name.lower() in [name.lower() for name in connection.inputs]
