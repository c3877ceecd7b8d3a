"""What is logged and counted about notices: names of recipients and kinds, never a URL, an address or a text."""

import structlog
from prometheus_client import CollectorRegistry

from tiktok_forwarder.telemetry.counting import PlainCounter


class NoticeReports:
    """The observer of incidents and notices."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger, registry: CollectorRegistry) -> None:
        self._notice_log = log
        self._notices = PlainCounter(
            registry,
            "tiktok_forwarder_notices",
            "Attempts to send a notice: sent or failed; expired: never sent within a day, of any recipient.",
            ("recipient_kind", "outcome"),
        )

    def on_notice_sent(self, kind: str) -> None:
        self._notices.add(1, kind, "sent")

    def on_notice_failed(self, kind: str, recipient: str, reason: str) -> None:
        self._notices.add(1, kind, "failed")
        self._notice_log.warning("a notice was not sent", recipient=recipient, reason=reason)

    def on_notices_expired(self, count: int) -> None:
        self._notices.add(count, "", "expired")
        self._notice_log.error("notices were not sent within a day, and are deleted", notices=count)

    def on_incident(self, kind: str, subject: str, *, is_over: bool) -> None:
        what = "an incident is over" if is_over else "an incident has begun"
        self._notice_log.warning(what, kind=kind, subject=subject)
