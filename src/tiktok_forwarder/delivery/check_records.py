"""TikTok's latest answer about a connection's pixel and access token: kept as a document, so that all nodes know it."""

from collections.abc import Callable
from typing import Final, Literal

import msgspec
from msgspec import Struct

from tiktok_forwarder.delivery.interfaces import CheckOutcome, ConnectionSource, DeliveryTarget
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import RevisionConflict, SecretUnreadable
from tiktok_forwarder.store.documents import Document, DocumentStore

CheckSource = Literal["check", "delivery"]
CheckChanged = Callable[[str], None]
"""Is called with the ID of the connection whose record has changed."""

_KIND: Final = "connection_check"


class CheckedSettings(Struct, frozen=True):
    """The settings that TikTok was asked about. `pixel_and_token` is a keyed hash of both."""

    pixel_and_token: str
    test_event_code: str | None
    events_api: str


class CheckAnswer(Struct, frozen=True):
    """What was found out, for people; `code` and `tiktok_message` are TikTok's own, if it answered."""

    outcome: CheckOutcome
    message: str = ""
    code: int | None = None
    tiktok_message: str = ""


class CheckRecord(Struct, frozen=True):
    """The body of a `connection_check` document."""

    settings: CheckedSettings
    answer: CheckAnswer
    at_ms: int
    source: CheckSource

    def applies_to(self, settings: CheckedSettings) -> bool:
        """Return whether the answer is about these settings.

        Pixel and access token that TikTok accepted stay accepted with any test event code and version. A refusal may
        be of the test event code.
        """
        if self.settings.pixel_and_token != settings.pixel_and_token:
            return False
        return self.answer.outcome == "good" or self.settings.test_event_code == settings.test_event_code

    def is_replaced_by(self, newer: "CheckRecord") -> bool:
        """Return whether a newer answer is to be kept instead.

        What is known stays known while TikTok cannot be asked. Delivery brings the same answer with every request.
        """
        if not self.applies_to(newer.settings):
            return True
        if newer.answer.outcome == "unknown":
            return self.answer.outcome == "unknown"
        if newer.source == "check":
            return True
        return (self.answer.outcome, self.answer.code) != (newer.answer.outcome, newer.answer.code)


class _Held(Struct, frozen=True):
    revision: int
    record: CheckRecord | None


class CheckRecords:
    """The records of all connections, in memory. Other processes change them too: `follow` takes over their changes."""

    def __init__(
        self,
        documents: DocumentStore,
        clock: Clock,
        connections: ConnectionSource,
        keyed_hash: Callable[[str], str],
    ) -> None:
        self._documents = documents
        self._clock = clock
        self._connections = connections
        self._keyed_hash = keyed_hash
        self._held: dict[str, _Held] = {}
        self._changed: list[CheckChanged] = []
        # By connection: its revision, and the settings that TikTok would be asked about.
        self._settings: dict[str, tuple[int, CheckedSettings]] = {}

    async def load(self) -> None:
        """Read all records, at the start and after the server was changed."""
        self._settings.clear()
        before = self._held.keys()
        self._held = {each.id: _opened(each) for each in await self._documents.list_documents(_KIND)}
        for connection_id in before | self._held.keys():
            self._notify(connection_id)

    def follow(self, connection_id: str, document: Document | None) -> None:
        """Take over a record as it is stored now; None: it was removed."""
        held = self._held.get(connection_id)
        if document is None:
            self._held.pop(connection_id, None)
            self._settings.pop(connection_id, None)
        elif held is None or document.revision > held.revision:
            self._held[connection_id] = _opened(document)
        else:
            return
        self._notify(connection_id)

    def _notify(self, connection_id: str) -> None:
        for changed in self._changed:
            changed(connection_id)

    def on_change(self, changed: CheckChanged) -> None:
        self._changed.append(changed)

    def find(self, target: DeliveryTarget) -> CheckRecord | None:
        """Return TikTok's latest answer about this target's settings, or None if there is none."""
        record = self._record_of(target.connection_id)
        return record if record is not None and record.applies_to(self.settings_of(target)) else None

    def has_asked(self, target: DeliveryTarget) -> bool:
        """Return whether TikTok has answered about exactly these settings."""
        record = self._record_of(target.connection_id)
        if record is None or record.answer.outcome == "unknown":
            return False
        return record.settings == self.settings_of(target)

    def has_record(self, connection_id: str) -> bool:
        """Return whether TikTok was ever asked about the connection, whatever its settings were."""
        return connection_id in self._held

    async def keep(self, connection_id: str, settings: CheckedSettings, answer: CheckAnswer, by: CheckSource) -> None:
        """Keep an answer, unless the one that is kept says more. Raises `StoreUnavailable`."""
        if self._connections.target(connection_id) is None:
            return
        newer = CheckRecord(settings, answer, self._clock.now_ms(), by)
        while True:
            held = self._held.get(connection_id, _Held(0, None))
            if held.record is not None and not held.record.is_replaced_by(newer):
                return
            try:
                document = await self._documents.put_document(
                    _KIND,
                    connection_id,
                    msgspec.json.encode(newer),
                    expected_revision=held.revision,
                    changed_by=by,
                    now_ms=newer.at_ms,
                )
            except RevisionConflict:
                # Another process was faster, or its change has not been followed yet.
                self.follow(connection_id, await self._documents.get_document(_KIND, connection_id))
            else:
                self.follow(connection_id, document)
                return

    async def remove(self, connection_id: str, by: str) -> None:
        """Remove the record of a removed connection. Raises `StoreUnavailable`."""
        await self._documents.remove_document(_KIND, connection_id, changed_by=by, now_ms=self._clock.now_ms())
        self.follow(connection_id, None)

    def settings_for(self, target: DeliveryTarget, access_token: str) -> CheckedSettings:
        """Return what TikTok is asked about in a request with this access token."""
        # Neither can contain a line break.
        hashed = self._keyed_hash(f"pixel and access token\n{target.pixel_id}\n{access_token}")
        return CheckedSettings(hashed, target.test_event_code, target.events_api)

    def settings_of(self, target: DeliveryTarget) -> CheckedSettings:
        """Return what TikTok would be asked about now."""
        known = self._settings.get(target.connection_id)
        if known is not None and known[0] == target.revision:
            return known[1]
        try:
            access_token = self._connections.access_token(target.connection_id)
        except SecretUnreadable:
            # What was found out about a token that is unreadable here applies until it is readable.
            return self.settings_for(target, "")
        settings = self.settings_for(target, access_token)
        self._settings[target.connection_id] = target.revision, settings
        return settings

    def _record_of(self, connection_id: str) -> CheckRecord | None:
        held = self._held.get(connection_id)
        return held.record if held is not None else None


def _opened(document: Document) -> _Held:
    """Return the record in a document; one that cannot be read is as good as none, since TikTok can be asked again."""
    try:
        return _Held(document.revision, msgspec.json.decode(document.body, type=CheckRecord))
    except msgspec.DecodeError:
        return _Held(document.revision, None)
