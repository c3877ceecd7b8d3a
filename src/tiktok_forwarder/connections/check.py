"""Checks a connection: one request to TikTok, whose answer distinguishes problems of token, pixel and network."""

import contextlib
from typing import Final, Literal

from msgspec import Struct, structs

from tiktok_forwarder.connections.connections import Connections, target_of
from tiktok_forwarder.delivery.check_records import CheckAnswer, CheckRecords
from tiktok_forwarder.delivery.interfaces import CheckOutcome, EventSender, HttpAnswer, NoAnswer, OutboundRequest
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import SecretUnreadable, StoreUnavailable
from tiktok_forwarder.domain.outcome import Accepted, Culprit, Misconfigured, Throttled, TryLater, Verdict
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.redaction.kept import kept_text
from tiktok_forwarder.tiktok.answers import classify
from tiktok_forwarder.tiktok.codes import is_listed
from tiktok_forwarder.tiktok.payload import Page, encode
from tiktok_forwarder.tiktok.wire_form import Visitor, WireForm

CheckKind = Literal[
    "good",
    "token",
    "unreadable_token",
    "pixel",
    "app",
    "account",
    "configuration",
    "address",
    "network",
    "forwarder",
    "busy",
    "unknown_code",
]
NO_ANSWER: Final = {
    "connect": "could not be reached. Check the network, the proxy and the firewall",
    "tls": "has a TLS certificate that cannot be verified. Check proxies and firewalls between this machine and TikTok",
    "timeout": "did not answer in time. Check the network, or retry later",
    "reset": "closed the connection. Check the network, or retry later",
    "oversized": "sent an answer that is too long. Check proxies and firewalls between this machine and TikTok",
}
"""The text after the word TikTok, by the kind of `NoAnswer`."""

_NOT_TIKTOK: Final = (
    "The answer is not from TikTok's Events API (HTTP {status}). "
    "Check the setting tiktok_base_url, and proxies and firewalls between this machine and TikTok."
)


_NO_TOKEN: Final = "The connection has no access token, so TikTok was not asked."  # noqa: S105
_UNKNOWN_CODE: Final = (
    "TikTok answered with code {code}, which this version does not know. It is open whether TikTok accepts the access "
    "token for this pixel; TikTok's message may show more."
)


class CheckResult(Struct, frozen=True):
    """The result of a check. `message` is what was found and how to fix it.

    `code` and `tiktok_message` are TikTok's own, if it answered.
    """

    kind: CheckKind
    message: str
    code: int | None = None
    tiktok_message: str = ""

    @property
    def outcome(self) -> CheckOutcome:
        """Return what the connection's condition depends on: only an answer of TikTok is a refusal."""
        if self.kind == "good":
            return "good"
        return "unknown" if self.code is None or self.kind in ("busy", "unknown_code") else "refused"


class ConnectionCheck:
    """Checks a connection with one request to TikTok that adds nothing to the pixel's data.

    With a test event code it sends a test event, otherwise an event without a required field, which TikTok refuses only
    after it has accepted token and pixel. The result is kept, for the connection's condition.
    """

    def __init__(self, connections: Connections, sender: EventSender, clock: Clock, records: CheckRecords) -> None:
        self._connections = connections
        self._sender = sender
        self._clock = clock
        self._records = records

    async def check(self, connection: Connection) -> CheckResult:
        target, token = target_of(connection), ""
        try:
            token = self._connections.access_token(connection.id)
        except SecretUnreadable as error:
            result = CheckResult("unreadable_token", f"The access token cannot be read: {error}.")
        else:
            result = await self._ask(connection, token) if token else CheckResult("token", _NO_TOKEN)
        answer = CheckAnswer(result.outcome, result.message, result.code, result.tiktok_message)
        with contextlib.suppress(StoreUnavailable):  # the answer is worth knowing even if it cannot be kept
            await self._records.keep(connection.id, self._records.settings_for(target, token), answer, "check")
        return result

    def is_needed(self, connection: Connection) -> bool:
        """Return whether TikTok has not been asked about pixel, token, test event code and version as they are now.

        A connection that only records does not need TikTok's answer, and may have no token yet.
        """
        return not connection.is_recording and not self._records.has_asked(target_of(connection))

    async def _ask(self, connection: Connection, token: str) -> CheckResult:
        form, code = connection.wire_form, connection.test_event_code
        payload = self._test_event(form) if code else form.incomplete_event
        path, body = form.build_request(connection.pixel_id, [payload], code)
        answer = await self._sender.send(OutboundRequest(path, token, body))
        if isinstance(answer, NoAnswer):
            return CheckResult("network", f"TikTok {NO_ANSWER[answer.kind]}.")
        return self._result(connection, answer)

    def _result(self, connection: Connection, answer: HttpAnswer) -> CheckResult:
        now_ms = self._clock.now_ms()
        verdict = classify(answer.status, answer.body, answer.retry_after, now_ms, clean=kept_text)
        result = self._result_of(connection, verdict, answer.status)
        return structs.replace(result, tiktok_message=verdict.answer.message) if result.code is not None else result

    def _result_of(self, connection: Connection, verdict: Verdict, status: int) -> CheckResult:
        found = verdict.answer.code
        if isinstance(verdict, Misconfigured) and found is not None:
            return CheckResult(_kind(verdict.culprit), verdict.explanation, found)
        if isinstance(verdict, Throttled):
            return CheckResult("busy", "TikTok accepts no more requests at the moment. Retry later.", found)
        if found is None:
            return CheckResult("network", _NOT_TIKTOK.format(status=status))
        if isinstance(verdict, TryLater):
            return CheckResult("busy", f"Temporary failure at TikTok (code {found}). Retry later.", found)
        if not is_listed(found):
            return CheckResult("unknown_code", _UNKNOWN_CODE.format(code=found), found)
        return _let_through(connection, found, accepted=isinstance(verdict, Accepted))

    def _test_event(self, form: WireForm) -> bytes:
        now_ms = self._clock.now_ms()
        visitor = Visitor(ip="203.0.113.1", user_agent="tiktok-forwarder")
        page = Page("https://example.com/tiktok-forwarder-check")
        event = form.build_event("ViewContent", now_ms, f"tf-check-{now_ms}", visitor, None, page, None)
        return encode(event)


def _kind(culprit: Culprit) -> CheckKind:
    match culprit:
        case "test_event_code" | "event" | "service" | "nothing":
            return "configuration"
        case _:
            return culprit


def _let_through(connection: Connection, code: int, *, accepted: bool) -> CheckResult:
    """Return the result for a request whose token and pixel are valid: TikTok inspects the events only after both."""
    test_code = connection.test_event_code
    if accepted and test_code:
        message = (
            "TikTok accepted a test event: access token and pixel are valid. Look for ViewContent under Test Events in "
            f"Events Manager, with the code {test_code}."
        )
        return CheckResult("good", message, code)
    known = "TikTok accepts the access token for this pixel"
    if test_code:
        message = f"{known}, but refused the test event. Check the test event code {test_code} in Events Manager."
        return CheckResult("configuration", message, code)
    return CheckResult("good", f"{known}. No event was sent: set a test event code to send one.", code)
