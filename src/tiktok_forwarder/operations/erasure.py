"""Erases a person: all stored events about them, their records in the activity, and development events."""

from collections.abc import Collection
from typing import Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.access.audit import Audit
from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.activity.development_events import DevelopmentEvents
from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.intake.accept import SubjectHash
from tiktok_forwarder.mapping.identity import IdentityKind, digest_of_identity, digests_of_identity
from tiktok_forwarder.mparticle.values import text_of
from tiktok_forwarder.store.events import EventStore


class Person(Struct, frozen=True):
    """A person's identities, as in mParticle or as SHA-256 in hexadecimal. All of them are searched for."""

    email: str | None = None
    phone: str | None = None
    external_id: str | None = None
    mpid: str | None = None

    def __repr__(self) -> str:
        return "Person(…)"


class Erasure(Struct, frozen=True, omit_defaults=True):
    """How many events were erased; of the person only the kinds of identity that were searched for.

    `remains`: where the deleted bytes are kept for a time, although no query finds them; missing if none are kept.
    """

    identities: list[str]
    events: int
    activity_records: int
    remains: str = ""


_KINDS: Final[tuple[IdentityKind, ...]] = ("email", "phone", "external_id")
_NEEDED: Final = "at least one of email, phone, external_id and mpid is required"
_UNUSABLE: Final[dict[IdentityKind, str]] = {
    "email": "email: must be an email address",
    "phone": "phone: must be a phone number with country code, such as +14155550100",
    "external_id": "external_id: must not be a placeholder",
}


class PersonErasure:
    """Erases persons, and records each erasure in the audit."""

    def __init__(
        self,
        store: EventStore,
        clock: Clock,
        connections: Connections,
        activity: Activity,
        development_events: DevelopmentEvents,
        subject_hash: SubjectHash,
        audit: Audit,
    ) -> None:
        self._store = store
        self._clock = clock
        self._connections = connections
        self._activity = activity
        self._development_events = development_events
        self._subject_hash = subject_hash
        self._audit = audit

    async def erase(self, person: Person, erased_by: str) -> Erasure:
        """Erase waiting, leased and dead events, and their activity. Doing it twice changes nothing.

        Raises `ConfigurationError`, before erasing anything, for an identity that no event can have.
        """
        identities, subjects = self._subjects(person)
        # Erase the activity first: from then on it keeps nothing new about the person, such as the end of a running
        # request.
        records = await self._activity.erase(subjects)
        await self._development_events.forget_all()
        events = await self._store.erase(subjects, self._clock.now_ms())
        erasure = Erasure(identities, events, records, self._store.remains_after_erasure)
        await self._audit.record("erase", erased_by, msgspec.to_builtins(erasure))
        return erasure

    def _subjects(self, person: Person) -> tuple[list[str], Collection[int]]:
        found: dict[str, set[str]] = {}
        problems: list[str] = []
        given: dict[IdentityKind, str | None] = {
            "email": person.email,
            "phone": person.phone,
            "external_id": person.external_id,
        }
        for kind in _KINDS:
            text = text_of(given[kind])
            if text is not None:
                found[kind] = self._digests(text, kind)
                if not found[kind]:
                    problems.append(_UNUSABLE[kind])
        if mpid := text_of(person.mpid):
            found["mpid"] = {mpid}
        if not found:
            problems.append(_NEEDED)
        if problems:
            raise ConfigurationError(problems)
        return list(found), {self._subject_hash.hash_of(each) for digests in found.values() for each in digests}

    def _digests(self, text: str, kind: IdentityKind) -> set[str]:
        digests = {each for each in [digest_of_identity(text, kind)] if each is not None}
        for connection in self._connections.all():
            digests.update(digests_of_identity(text, kind, connection))
        return digests
