"""The notices of a service: its open incidents, what was sent lately, and the parts that find and send them."""

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.notices.addresses import parse_allowed_hosts
from tiktok_forwarder.notices.email_sending import EmailSender
from tiktok_forwarder.notices.https_post import HttpsPoster
from tiktok_forwarder.notices.incidents import Finding, IncidentBody
from tiktok_forwarder.notices.messages import Notice
from tiktok_forwarder.notices.outbox import NoticeObserver, Outbox
from tiktok_forwarder.notices.recipients import Recipients
from tiktok_forwarder.notices.sending import NoticeSender
from tiktok_forwarder.notices.tracking import IncidentTracker
from tiktok_forwarder.store.notices import NoticeStore, StoredNotice


class NoticePolicy(Struct, frozen=True):
    """The settings of notices. `console_url` is empty if only this machine can open the console."""

    allowed_hosts: str = ""
    over_seconds: float = 300.0
    console_url: str = ""


class OpenIncident(Struct, frozen=True):
    finding: Finding
    opened_at_ms: int


class RecentNotice(Struct, frozen=True):
    stored: StoredNotice
    contents: Notice


class Notices:
    """Recipients, incidents and notices of one service."""

    def __init__(
        self, store: NoticeStore, recipients: Recipients, clock: Clock, observer: NoticeObserver, policy: NoticePolicy
    ) -> None:
        self._store = store
        self.recipients = recipients
        allowed = parse_allowed_hosts(policy.allowed_hosts)
        sender = NoticeSender(recipients, HttpsPoster(allowed), EmailSender(allowed), clock, policy.console_url)
        self.outbox = Outbox(store, recipients, sender, clock, observer)
        self.tracker = IncidentTracker(
            store, recipients, self.outbox, clock, observer, over_seconds=policy.over_seconds
        )

    async def incidents(self) -> list[OpenIncident]:
        """Return the open incidents, oldest first. Raises `StoreUnavailable`."""
        opened = (await self.tracker.open_incidents()).values()
        return [
            OpenIncident(msgspec.json.decode(each.body, type=IncidentBody).finding, each.opened_at_ms)
            for each in opened
        ]

    async def recent(self, limit: int) -> list[RecentNotice]:
        """Return the newest notices, newest first. Raises `StoreUnavailable`."""
        return [recent_notice(each) for each in await self._store.notices(limit)]

    async def test(self, name_or_id: str) -> RecentNotice:
        """Send a test to a recipient; return its outcome. Raises `UnknownName` and `StoreUnavailable`."""
        return recent_notice(await self.outbox.test(self.recipients.get_or_raise(name_or_id)))


def recent_notice(stored: StoredNotice) -> RecentNotice:
    return RecentNotice(stored, msgspec.json.decode(stored.body, type=Notice))
