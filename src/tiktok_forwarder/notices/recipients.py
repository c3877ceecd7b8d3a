"""The recipients of notices: documents with sealed secrets, of which every process has copies in memory."""

import contextlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Struct, structs

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import ConfigurationError, RevisionConflict, SecretUnreadable, UnknownName
from tiktok_forwarder.domain.secret_box import SecretBox
from tiktok_forwarder.notices.https_post import read_url
from tiktok_forwarder.notices.incidents import IncidentKind
from tiktok_forwarder.notices.recipient_settings import RecipientSettings, normalized, problems_of
from tiktok_forwarder.notices.signing import new_signing_secret
from tiktok_forwarder.store.documents import Document, DocumentPut
from tiktok_forwarder.store.shared_documents import SharedDocuments

MAX_RECIPIENTS: Final = 50
# So long after a rotation, messages are also signed with the secret before, so that the receiver can change over.
_OLD_SECRET_MS: Final = 24 * 3_600_000
SIGNING_SECRET: Final = "signing_secret"  # noqa: S105 - a name
_OLD_SIGNING_SECRET: Final = "old_signing_secret"  # noqa: S105 - a name

Result = TypeVar("Result")


class RecipientRecord(Struct, frozen=True):
    """A recipient as stored. `sealed` are its secrets by name; `origin` is what may be shown of its URL."""

    settings: RecipientSettings
    sealed: dict[str, str]
    origin: str = ""
    rotated_at_ms: int = 0


class Recipient(Struct, frozen=True):
    """A recipient in memory. Its secrets are opened only for sending."""

    id: str
    revision: int
    record: RecipientRecord

    @property
    def settings(self) -> RecipientSettings:
        return self.record.settings

    @property
    def name(self) -> str:
        return self.record.settings.name

    def wants(self, kind: IncidentKind) -> bool:
        return kind in self.settings.incidents


class RecipientDifference(Struct, frozen=True, omit_defaults=True):
    """The effect of an import on one recipient. A new webhook has a `signing_secret`, shown only once."""

    name: str
    change: Literal["add", "change", "none"]
    before: RecipientSettings | None
    after: RecipientSettings
    signing_secret: str | None = None
    replaces_secrets: bool = False


class _Change(Struct, frozen=True):
    """A recipient to be stored; `revision` 0 creates a new one. `signing_secret`: a new one, to be shown."""

    id: str
    record: RecipientRecord
    revision: int
    signing_secret: str | None = None


class Recipients:
    """The existing recipients: copies of the shared documents."""

    def __init__(self, shared: SharedDocuments, box: SecretBox, clock: Clock) -> None:
        self._shared = shared
        self._box = box
        self._clock = clock
        self._by_id: dict[str, Recipient] = {}
        shared.keep("recipient", self.load, self._follow)

    async def load(self) -> None:
        """Read the stored recipients, at the start and after the encryption key or the server was changed."""
        documents = await self._shared.store.list_documents("recipient")
        self._by_id = {document.id: _opened(document) for document in documents}

    def _follow(self, recipient_id: str, document: Document | None) -> None:
        if document is None:
            self._by_id.pop(recipient_id, None)
        else:
            self._by_id[recipient_id] = _opened(document)

    def all(self) -> list[Recipient]:
        """Return all recipients, in order of creation."""
        return list(self._by_id.values())

    def get(self, recipient_id: str) -> Recipient | None:
        return self._by_id.get(recipient_id)

    def find_by_name(self, name: str) -> Recipient | None:
        return next((each for each in self.all() if each.name.lower() == name.strip().lower()), None)

    def get_or_raise(self, name_or_id: str) -> Recipient:
        """Return the recipient of this name or ID. Raises `UnknownName`."""
        found = self._by_id.get(name_or_id) or self.find_by_name(name_or_id)
        if found is None:
            raise UnknownName.among((each.name for each in self.all()), "recipient", name_or_id)
        return found

    def secret_of(self, recipient: Recipient, name: str) -> str | None:
        """Return a secret, None if the recipient has none of this name. Raises `SecretUnreadable`."""
        sealed = recipient.record.sealed.get(name)
        return self._box.open(sealed, recipient.id) if sealed is not None else None

    def signing_secrets(self, recipient: Recipient) -> list[str]:
        """Return the secrets that sign a message now, the newest first. Raises `SecretUnreadable`."""
        names = [SIGNING_SECRET]
        if self._clock.now_ms() < recipient.record.rotated_at_ms + _OLD_SECRET_MS:
            names.append(_OLD_SIGNING_SECRET)
        opened = [self.secret_of(recipient, name) for name in names]
        return [each for each in opened if each is not None]

    async def add(self, given: RecipientSettings, changed_by: str) -> tuple[Recipient, str | None]:
        """Add a recipient; return it with the signing secret of a webhook, which is shown only once.

        Raises `ConfigurationError` with every problem.
        """

        async def add() -> tuple[Recipient, str | None]:
            change = self._addition(normalized(given), len(self._by_id))
            (added,) = await self._put([change], changed_by)
            return added, change.signing_secret

        return await self._change(add)

    async def set(
        self, name_or_id: str, given: RecipientSettings, *, expected_revision: int | None, changed_by: str
    ) -> Recipient:
        """Replace a recipient's settings; secrets that are not given stay.

        Raises `UnknownName`, `ConfigurationError` and `RevisionConflict`.
        """

        async def change() -> Recipient:
            found = self.get_or_raise(name_or_id)
            if expected_revision not in (None, found.revision):
                raise RevisionConflict(f'recipient "{found.name}" was changed in the meantime: read it again')
            (changed,) = await self._put([self._replacement(found, normalized(given))], changed_by)
            return changed

        return await self._change(change)

    async def rotate(self, name_or_id: str, changed_by: str) -> tuple[Recipient, str]:
        """Give a webhook a new signing secret; for a day, the old one signs too.

        Raises `UnknownName`, and `ConfigurationError` for another kind of recipient.
        """

        async def rotate() -> tuple[Recipient, str]:
            found = self.get_or_raise(name_or_id)
            if found.settings.kind != "webhook":
                raise ConfigurationError([f"{found.name}: only a webhook has a signing secret"])
            secret = new_signing_secret()
            sealed = {
                **found.record.sealed,
                SIGNING_SECRET: self._box.seal(secret, found.id),
                _OLD_SIGNING_SECRET: found.record.sealed[SIGNING_SECRET],
            }
            record = structs.replace(found.record, sealed=sealed, rotated_at_ms=self._clock.now_ms())
            (rotated,) = await self._put([_Change(found.id, record, found.revision)], changed_by)
            return rotated, secret

        return await self._change(rotate)

    async def remove(self, name_or_id: str, changed_by: str) -> Recipient:
        """Remove a recipient. Raises `UnknownName`."""

        async def remove() -> Recipient:
            found = self.get_or_raise(name_or_id)
            await self._shared.remove("recipient", found.id, changed_by)
            self._by_id.pop(found.id, None)
            return found

        return await self._change(remove)

    async def import_all(
        self, given: Sequence[RecipientSettings], *, dry_run: bool, changed_by: str
    ) -> list[RecipientDifference]:
        """Add or change recipients by name, all of them or none; a dry run only returns what would change.

        An existing one keeps the secrets that are not given. Raises `ConfigurationError` with every problem.
        """

        async def apply() -> list[RecipientDifference]:
            planned = self._planned([normalized(each) for each in given])
            changes = [change for difference, change in planned if difference.change != "none"]
            if changes and not dry_run:
                await self._put(changes, changed_by)
            return [
                structs.replace(difference, signing_secret=None if dry_run else change.signing_secret)
                for difference, change in planned
            ]

        return await self._change(apply)

    async def _change(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        return await self._shared.change(attempt)

    def _planned(self, given: Sequence[RecipientSettings]) -> list[tuple[RecipientDifference, _Change]]:
        planned: list[tuple[RecipientDifference, _Change]] = []
        problems: list[str] = []
        added = len(self._by_id)
        names: set[str] = set()
        for index, settings in enumerate(given):
            found = self.find_by_name(settings.name)
            try:
                if settings.name.lower() in names:
                    raise ConfigurationError([f'name: "{settings.name}" is used twice here'])
                names.add(settings.name.lower())
                change = self._replacement(found, settings) if found else self._addition(settings, added)
                added += found is None
                planned.append((_difference(found, change), change))
            except ConfigurationError as error:
                label = f"recipients[{index}] {settings.name[:63]}".rstrip()
                problems += [f"{label}: {problem}" for problem in error.problems]
        if problems:
            raise ConfigurationError(problems)
        return planned

    def _addition(self, given: RecipientSettings, existing: int) -> _Change:
        recipient_id = f"nr_{secrets.token_hex(8)}"
        problems = problems_of(given) + self._name_problems(given, None)
        if given.kind != "email" and given.url is None:
            problems.append("url: is missing")
        if given.smtp_username is not None and given.smtp_password is None:
            problems.append("smtp_password: is missing")
        if existing >= MAX_RECIPIENTS:
            problems.append(f"name: at most {MAX_RECIPIENTS} recipients are allowed; remove one first")
        if problems:
            raise ConfigurationError(problems)
        new = dict(given.secrets)
        if given.kind == "webhook":
            new[SIGNING_SECRET] = new_signing_secret()
        sealed = {name: self._box.seal(value, recipient_id) for name, value in new.items()}
        record = RecipientRecord(given.without_secrets(), sealed, _origin_of(given.url))
        return _Change(recipient_id, record, 0, new.get(SIGNING_SECRET))

    def _replacement(self, found: Recipient, given: RecipientSettings) -> _Change:
        before = found.settings
        problems = problems_of(given) + self._name_problems(given, found.id)
        if given.kind != before.kind:
            problems.append(f'kind: is "{before.kind}" and cannot change; add another recipient')
        has_other_server = given.smtp_host != before.smtp_host or given.smtp_username != before.smtp_username
        sealed = dict(found.record.sealed)
        if has_other_server:
            # A password that was given to one server must not be sent to another.
            sealed.pop("smtp_password", None)
        if given.smtp_username is not None and "smtp_password" not in {*given.secrets, *sealed}:
            problems.append("smtp_password: is missing; enter it again, since the SMTP server or the user changed")
        if given.smtp_security == "none" and "smtp_password" in sealed and given.kind == "email":
            problems.append("smtp_security: must be starttls or tls with a password, which would be sent unencrypted")
        if problems:
            raise ConfigurationError(problems)
        sealed |= {name: self._sealed_again(found, name, value) for name, value in given.secrets.items()}
        origin = found.record.origin if given.url is None else _origin_of(given.url)
        record = structs.replace(found.record, settings=given.without_secrets(), sealed=sealed, origin=origin)
        return _Change(found.id, record, found.revision)

    def _sealed_again(self, found: Recipient, name: str, value: str) -> str:
        """Return the sealed secret, unchanged if the secret is: each sealing differs and would look like a change."""
        with contextlib.suppress(SecretUnreadable):
            if self.secret_of(found, name) == value:
                return found.record.sealed[name]
        return self._box.seal(value, found.id)

    def _name_problems(self, given: RecipientSettings, own_id: str | None) -> list[str]:
        namesake = self.find_by_name(given.name)
        if namesake is None or namesake.id == own_id:
            return []
        return [f'name: a recipient named "{given.name}" already exists']

    async def _put(self, changes: Sequence[_Change], changed_by: str) -> list[Recipient]:
        puts = [DocumentPut("recipient", each.id, msgspec.json.encode(each.record), each.revision) for each in changes]
        stored = [_opened(document) for document in await self._shared.put(puts, changed_by)]
        self._by_id |= {each.id: each for each in stored}
        return stored


def _origin_of(url: str | None) -> str:
    target = read_url(url) if url is not None else None
    return target.origin if target is not None else ""


def _difference(found: Recipient | None, change: _Change) -> RecipientDifference:
    after = change.record.settings
    if found is None:
        return RecipientDifference(after.name, "add", None, after)
    is_same = after == found.settings and change.record.sealed == found.record.sealed
    replaces = change.record.sealed != found.record.sealed
    return RecipientDifference(
        after.name, "none" if is_same else "change", found.settings, after, replaces_secrets=replaces
    )


def _opened(document: Document) -> Recipient:
    return Recipient(document.id, document.revision, msgspec.json.decode(document.body, type=RecipientRecord))
