"""Notices on a store in memory, with a sender that a test answers for, and a clock that it sets."""

import asyncio
from typing import Any

import msgspec

from tests.unit.parts import ManualClock, Parts
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.notices.https_post import NotSent
from tiktok_forwarder.notices.incidents import Facts, Finding, Findings, IncidentKind
from tiktok_forwarder.notices.messages import Notice
from tiktok_forwarder.notices.outbox import Outbox
from tiktok_forwarder.notices.recipient_settings import RecipientSettings
from tiktok_forwarder.notices.recipients import Recipient, Recipients
from tiktok_forwarder.notices.tracking import IncidentTracker
from tiktok_forwarder.store.memory.store import MemoryStore

PAUSED: Facts = {"condition": "paused", "by": "service", "code": 40105}


class RecordingObserver:
    """Keeps what happens to notices and incidents, and raises errors of the program."""

    def __init__(self) -> None:
        self.events: list[tuple[str, ...]] = []

    def on_notice_sent(self, kind: str) -> None:
        self.events.append(("sent", kind))

    def on_notice_failed(self, kind: str, recipient: str, reason: str) -> None:
        self.events.append(("failed", kind, recipient, reason))

    def on_notices_expired(self, count: int) -> None:
        self.events.append(("expired", str(count)))

    def on_incident(self, kind: str, subject: str, *, is_over: bool) -> None:
        self.events.append(("over" if is_over else "begun", kind, subject))

    def on_internal_error(self, error: Exception) -> None:
        raise error


class FakeSender:
    """Stands in for the network, whose real senders have tests of their own: sends what it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.failures: dict[str, NotSent] = {}
        self.blocked: dict[str, asyncio.Event] = {}

    async def send(self, recipient: Recipient, notice_id: str, notice: Notice) -> str:
        if (blocked := self.blocked.get(recipient.name)) is not None:
            await blocked.wait()
        if (failure := self.failures.get(recipient.name)) is not None:
            raise failure
        self.sent.append((recipient.name, notice.type, notice_id))
        return ""


class BreakableStore(MemoryStore):
    """A store that cannot be used while it `is_broken`."""

    is_broken = False

    def __getattribute__(self, name: str) -> Any:
        is_of_notices = "incident" in name or "notice" in name
        if is_of_notices and not name.startswith("_") and self.is_broken:
            raise StoreUnavailable("the store is broken")
        return super().__getattribute__(name)


class NoticeRig:
    def __init__(self, *, over_seconds: float = 60) -> None:
        self.store = BreakableStore()
        self.parts = Parts(self.store)
        self.clock: ManualClock = self.parts.clock
        self.recipients = Recipients(self.parts.shared, self.parts.box, self.clock)
        self.observer = RecordingObserver()
        self.sender = FakeSender()
        self.outbox = Outbox(self.store, self.recipients, self.sender, self.clock, self.observer)  # type: ignore[arg-type]
        self.tracker = self.new_tracker(over_seconds)

    def new_tracker(self, over_seconds: float = 60) -> IncidentTracker:
        """A tracker as another process has it."""
        return IncidentTracker(
            self.store, self.recipients, self.outbox, self.clock, self.observer, over_seconds=over_seconds
        )

    async def add(self, name: str = "Ops", **members: Any) -> Recipient:
        given = {"kind": "slack", "url": "https://hooks.example.com/secret", **members}
        added, _ = await self.recipients.add(msgspec.convert({"name": name, **given}, RecipientSettings), "test")
        return added

    async def send(self) -> None:
        """Send what is due, to the end."""
        await self.outbox.run(lambda: True)
        self.outbox.run_unsaved(lambda: True)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    def later(self, seconds: float) -> None:
        self.clock.time_ms += int(seconds * 1000)

    @property
    def sent(self) -> list[tuple[str, str]]:
        return [(name, kind) for name, kind, _ in self.sender.sent]


def paused(*subjects: str) -> Findings:
    return found("connection_paused", *subjects, facts=PAUSED)


def found(kind: IncidentKind, *subjects: str, facts: Facts) -> Findings:
    return Findings([kind], [Finding(kind, subject, f"name of {subject}", facts) for subject in subjects])
