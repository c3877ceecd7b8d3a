"""The console's users: documents with a role and a password hash."""

import secrets
from typing import Final, Literal

import msgspec
from msgspec import Struct, structs

from tiktok_forwarder.access.passwords import PasswordHasher, PasswordHashes, password_problems
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName
from tiktok_forwarder.store.documents import Document, DocumentPut
from tiktok_forwarder.store.shared_documents import SharedDocuments

Role = Literal["admin", "viewer"]
"""`viewer` can view everything; `admin` can also change everything."""
ROLES: Final[tuple[Role, ...]] = ("viewer", "admin")
_MAX_NAME_LENGTH: Final = 63
_LAST: Final = "is the last administrator with a password; make another user an administrator first"


class UserRecord(Struct, frozen=True):
    """A user as stored. `password_hash` is empty until the user has set a password."""

    name: str
    role: Role
    password_hash: str
    created_at_ms: int

    def __repr__(self) -> str:
        return f"UserRecord({self.name})"


class User(Struct, frozen=True):
    id: str
    name: str
    role: Role
    created_at_ms: int
    has_password: bool

    @property
    def actor(self) -> str:
        """Return how histories and the audit log name this user."""
        return f"user {self.name}"

    @property
    def is_local(self) -> bool:
        """Return whether this is a stored user, with a password and a role of the service's own."""
        return True


class _Held(Struct, frozen=True):
    document: Document
    record: UserRecord

    @property
    def user(self) -> User:
        record = self.record
        return User(self.document.id, record.name, record.role, record.created_at_ms, bool(record.password_hash))


class Users:
    """The existing users: copies of the shared documents."""

    def __init__(self, shared: SharedDocuments, clock: Clock, hasher: PasswordHasher) -> None:
        self._shared = shared
        self._clock = clock
        self._hashes = PasswordHashes(hasher)
        self._held: dict[str, _Held] = {}
        shared.keep("user", self._load, self._follow)

    async def _load(self) -> None:
        self._held = {each.id: _opened(each) for each in await self._shared.store.list_documents("user")}

    def _follow(self, user_id: str, document: Document | None) -> None:
        if document is None:
            self._held.pop(user_id, None)
        elif user_id not in self._held or self._held[user_id].document != document:
            # What is unchanged stays the same object, by which a login sees that its user has not changed.
            self._held[user_id] = _opened(document)

    async def catch_up(self) -> None:
        """Let these copies follow what other processes have changed by now."""
        await self._shared.catch_up()

    def all(self) -> list[User]:
        """Return all users, in order of creation."""
        return [held.user for held in self._held.values()]

    def find(self, name_or_id: str) -> User | None:
        """Return the user with this name or ID, or None. Names are compared without regard to case."""
        wanted = name_or_id.strip().lower()
        found = (each for each in self.all() if name_or_id == each.id or each.name.lower() == wanted)
        return next(found, None)

    def password_hash_of(self, user_id: str) -> str:
        """Return the hash, which another password changes; empty without a password, or without such a user."""
        held = self._held.get(user_id)
        return held.record.password_hash if held is not None else ""

    async def add(self, name: str, role: Role, changed_by: str) -> User:
        """Add a user without a password, so that no one can log in as this user. Raises `ConfigurationError`."""
        return (await self._shared.change(lambda: self._added(name, role, "", changed_by))).user

    async def add_with_password(self, name: str, role: Role, password: str, changed_by: str) -> User:
        """Add a user with a password. Raises `ConfigurationError` with every problem of name and password."""
        if problems := self.problems(name, password):
            raise ConfigurationError(problems)
        password_hash = await self._hashes.hash_of(password)
        return (await self._shared.change(lambda: self._added(name, role, password_hash, changed_by))).user

    def problems(self, name: str, password: str) -> list[str]:
        """Return why there cannot be a new user with this name and password; empty if there can."""
        return [*self._name_problems(name), *password_problems(password, name)]

    async def _added(self, name: str, role: Role, password_hash: str, changed_by: str) -> _Held:
        if problems := self._name_problems(name):
            raise ConfigurationError(problems)
        record = UserRecord(name.strip(), role, password_hash, self._clock.now_ms())
        return await self._put(f"us_{secrets.token_hex(8)}", record, 0, changed_by)

    async def set_role(self, name_or_id: str, role: Role, changed_by: str) -> User:
        """Change the role. Raises `UnknownName`, and `ConfigurationError` if no administrator would be left."""

        async def set_role() -> _Held:
            held = self._get_or_raise(name_or_id)
            if role != "admin":
                self._check_not_last(held)
            return await self._change(held, changed_by, role=role)

        return (await self._shared.change(set_role)).user

    async def set_password(self, user_id: str, password: str, changed_by: str) -> User:
        """Set the password and return the user. Raises `UnknownName` and `ConfigurationError`."""
        if problems := password_problems(password, self._get_or_raise(user_id).record.name):
            raise ConfigurationError(problems)
        password_hash = await self._hashes.hash_of(password)

        async def set_password() -> _Held:
            return await self._change(self._get_or_raise(user_id), changed_by, password_hash=password_hash)

        return (await self._shared.change(set_password)).user

    async def remove(self, name_or_id: str, changed_by: str) -> User:
        """Remove the user. Raises `UnknownName`, and `ConfigurationError` if no administrator would be left."""

        async def remove() -> User:
            held = self._get_or_raise(name_or_id)
            self._check_not_last(held)
            await self._shared.remove("user", held.document.id, changed_by)
            del self._held[held.document.id]
            return held.user

        return await self._shared.change(remove)

    async def verified(self, name: str, password: str) -> User | None:
        """Return the user of this name if the password is theirs, else None. An unknown user takes as long."""
        found = self.find(name)
        held = self._held[found.id] if found is not None else None
        known = held.record.password_hash if held is not None else ""
        fits = await self._hashes.verify(password, known)
        if held is None or not fits:
            return None
        if not self._hashes.is_current(known):
            held = await self._with_new_hash(held, password)
        if self._held.get(held.document.id) is not held:
            # The user may have been changed or removed during the comparison: a result that was right may be wrong now.
            return await self.verified(name, password)
        return held.user

    async def _with_new_hash(self, held: _Held, password: str) -> _Held:
        password_hash = await self._hashes.hash_of(password)

        async def renew() -> _Held:
            if self._held.get(held.document.id) is not held:
                return held
            return await self._change(held, held.record.name, password_hash=password_hash)

        return await self._shared.change(renew)

    def _name_problems(self, name: str) -> list[str]:
        name = name.strip()
        if not 0 < len(name) <= _MAX_NAME_LENGTH or not name.isprintable():
            return [f"name: must be 1 to {_MAX_NAME_LENGTH} printable characters"]
        return [f'name: a user named "{name}" already exists'] if self.find(name) is not None else []

    def _check_not_last(self, held: _Held) -> None:
        others = [each for each in self.all() if each.id != held.document.id]
        is_one = held.record.role == "admin" and held.record.password_hash
        if is_one and not any(each.role == "admin" and each.has_password for each in others):
            raise ConfigurationError([f"{held.record.name} {_LAST}"])

    def _get_or_raise(self, name_or_id: str) -> _Held:
        found = self.find(name_or_id)
        if found is None:
            raise UnknownName.among((each.name for each in self.all()), "user", name_or_id)
        return self._held[found.id]

    async def _change(self, held: _Held, changed_by: str, **members: str) -> _Held:
        record = structs.replace(held.record, **members)
        return await self._put(held.document.id, record, held.document.revision, changed_by)

    async def _put(self, user_id: str, record: UserRecord, revision: int, changed_by: str) -> _Held:
        put = DocumentPut("user", user_id, msgspec.json.encode(record), revision)
        (document,) = await self._shared.put([put], changed_by)
        self._held[user_id] = held = _Held(document, record)
        return held


def _opened(document: Document) -> _Held:
    return _Held(document, msgspec.json.decode(document.body, type=UserRecord))
