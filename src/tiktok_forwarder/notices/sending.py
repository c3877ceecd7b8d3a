"""Sends one notice to one recipient, in the form that its kind expects."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import SecretUnreadable
from tiktok_forwarder.notices.email_sending import Email, EmailSender, SmtpServer
from tiktok_forwarder.notices.https_post import HttpsPoster, NotSent
from tiktok_forwarder.notices.messages import Notice
from tiktok_forwarder.notices.recipient_settings import DEFAULT_SMTP_PORTS
from tiktok_forwarder.notices.recipients import Recipient, Recipients
from tiktok_forwarder.notices.signing import signed_headers

# What Slack's markup gives a meaning to.
_SLACK_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class NoticeSender:
    """Sends notices. `console_url` is that of the console, empty if only its own machine can open it."""

    def __init__(
        self,
        recipients: Recipients,
        poster: HttpsPoster,
        emails: EmailSender,
        clock: Clock,
        console_url: str,
    ) -> None:
        self._recipients = recipients
        self._poster = poster
        self._emails = emails
        self._clock = clock
        self._console_url = console_url

    async def send(self, recipient: Recipient, notice_id: str, notice: Notice) -> str:
        """Send once; return a remark, mostly empty. Raises `NotSent`."""
        try:
            if recipient.settings.kind == "email":
                return await self._email(recipient, notice_id, notice)
            if recipient.settings.kind == "slack":
                await self._slack(recipient, notice)
            else:
                await self._webhook(recipient, notice_id, notice)
        except SecretUnreadable:
            raise NotSent("the recipient's stored secret cannot be read: enter it again") from None
        return ""

    async def _webhook(self, recipient: Recipient, notice_id: str, notice: Notice) -> None:
        body = msgspec.json.encode(webhook_payload(notice, self._link(notice)))
        signing_secrets = self._recipients.signing_secrets(recipient)
        headers = signed_headers(signing_secrets, notice_id, self._clock.now_ms() // 1000, body)
        await self._poster.post(self._url(recipient), body, headers)

    async def _slack(self, recipient: Recipient, notice: Notice) -> None:
        title, text = notice.title.translate(_SLACK_ESCAPES), notice.text.translate(_SLACK_ESCAPES)
        link = self._link(notice)
        message = f"*{title}*\n{text}" + (f"\n<{link}>" if link else "")
        await self._poster.post(self._url(recipient), msgspec.json.encode({"text": message}), {})

    async def _email(self, recipient: Recipient, notice_id: str, notice: Notice) -> str:
        settings = recipient.settings
        server = SmtpServer(
            settings.smtp_host or "",
            settings.smtp_port or DEFAULT_SMTP_PORTS[settings.smtp_security],
            settings.smtp_security,
            settings.smtp_username,
            self._recipients.secret_of(recipient, "smtp_password"),
        )
        link = self._link(notice)
        text = notice.text + (f"\n\n{link}" if link else "") + "\n\n-- \ntiktok-forwarder\n"
        email = Email(notice_id, settings.from_address or "", settings.to_addresses, notice.title, text, notice.at_ms)
        return await self._emails.send(server, email)

    def _url(self, recipient: Recipient) -> str:
        return self._recipients.secret_of(recipient, "url") or ""

    def _link(self, notice: Notice) -> str:
        return self._console_url + notice.path if self._console_url else ""


def webhook_payload(notice: Notice, link: str) -> dict[str, Any]:
    """Return the body of a webhook: `type`, `timestamp` and `data`, as the Standard Webhooks specification suggests."""
    data: dict[str, Any] = {"title": notice.title, "text": notice.text, "url": link or None}
    if notice.kind is not None:
        data |= {
            "kind": notice.kind,
            "subject": {"id": notice.subject, "name": notice.name},
            "opened_at": _iso(notice.opened_at_ms or notice.at_ms),
            "facts": notice.facts,
        }
    return {"type": notice.type, "timestamp": _iso(notice.at_ms), "data": data}


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
