"""One request to TikTok: built from stored bytes, sent once, its answer turned into a verdict."""

from collections.abc import Sequence
from typing import Final

from tiktok_forwarder.delivery.check_records import CheckAnswer, CheckedSettings
from tiktok_forwarder.delivery.interfaces import (
    VERDICT_KINDS,
    Attempt,
    DeliveryTarget,
    HttpAnswer,
    NoAnswer,
    OutboundRequest,
)
from tiktok_forwarder.delivery.parts import DeliveryParts
from tiktok_forwarder.delivery.send_gate import SendGate
from tiktok_forwarder.domain.errors import SecretUnreadable
from tiktok_forwarder.domain.outcome import (
    Accepted,
    Answer,
    Misconfigured,
    Throttled,
    TryLater,
    Verdict,
    WireFormName,
)
from tiktok_forwarder.mapping.redaction.kept import kept_text
from tiktok_forwarder.store.queue import LeasedEvent
from tiktok_forwarder.tiktok.answers import classify
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS

_TLS_ADVICE: Final = (
    "The server's identity could not be verified, and verification cannot be disabled. Check the setting "
    "tiktok_base_url, this machine's clock, its CA certificates, and proxies and firewalls between this machine and "
    "TikTok."
)


class RequestSender:
    """Makes the requests of one connection, and keeps the verdict on the last one.

    The caller of `send` must have waited for its turn at the `gate`.
    """

    def __init__(self, parts: DeliveryParts, target: DeliveryTarget, gate: SendGate) -> None:
        self._parts = parts
        self.target = target
        self.gate = gate
        self.in_flight = 0
        self.last_answer: Answer | None = None
        self.last_note = ""
        self._latest_answer: tuple[CheckedSettings, CheckAnswer] | None = None

    async def send(self, wire_form: WireFormName, events: Sequence[LeasedEvent]) -> Verdict:
        try:
            access_token = self._parts.connections.access_token(self.target.connection_id)
        except SecretUnreadable as error:
            self.gate.give_back()
            answer = Answer(message="no request was made")
            return Misconfigured(answer, "token", f"The access token is unreadable: {error}")
        payloads = [event.payload for event in events]
        build_request = WIRE_FORMS[wire_form].build_request
        path, body = build_request(self.target.pixel_id, payloads, self.target.test_event_code)
        verdict = await self._send(OutboundRequest(path, access_token, body), events)
        if (about_settings := _answer_about_settings(verdict)) is not None:
            self._latest_answer = self._parts.checks.settings_for(self.target, access_token), about_settings
        return verdict

    async def keep_latest_answer(self) -> None:
        """Keep what the latest requests have shown of pixel and access token. Raises `StoreUnavailable`."""
        latest, self._latest_answer = self._latest_answer, None
        if latest is not None:
            await self._parts.checks.keep(self.target.connection_id, *latest, "delivery")

    async def _send(self, request: OutboundRequest, events: Sequence[LeasedEvent]) -> Verdict:
        sent_at = self._parts.clock.monotonic_seconds()
        self.in_flight += 1
        try:
            received = await self._parts.sender.send(request)
        finally:
            self.in_flight -= 1
        verdict = self._verdict(received)
        self._tell_gate(received, verdict, sent_at)
        self._tell_people(verdict, events, self._parts.clock.monotonic_seconds() - sent_at)
        return verdict

    def _verdict(self, received: HttpAnswer | NoAnswer) -> Verdict:
        if isinstance(received, NoAnswer):
            return no_answer_verdict(received)
        now_ms = self._parts.clock.now_ms()
        return classify(received.status, received.body, received.retry_after, now_ms, clean=kept_text)

    def _tell_gate(self, received: HttpAnswer | NoAnswer, verdict: Verdict, sent_at: float) -> None:
        if isinstance(verdict, Throttled):
            self.gate.refused(verdict, sent_at)
        elif isinstance(received, HttpAnswer):
            self.gate.on_not_throttled()

    def _tell_people(self, verdict: Verdict, events: Sequence[LeasedEvent], seconds: float) -> None:
        connection_id = self.target.connection_id
        note = verdict.note if isinstance(verdict, Accepted) else ""
        self.last_answer = verdict.answer
        attempt = Attempt(connection_id, VERDICT_KINDS[type(verdict)], verdict.answer, events, seconds, note)
        self._parts.observer.on_attempted(attempt)
        if note:
            self.last_note = note
            self._parts.observer.on_noted(connection_id, note)


def _answer_about_settings(verdict: Verdict) -> CheckAnswer | None:
    """Return what the verdict on a request shows of the connection's settings, if anything."""
    if isinstance(verdict, Accepted):
        return CheckAnswer("good", code=verdict.answer.code)
    if isinstance(verdict, Misconfigured) and verdict.answer.code is not None:
        return CheckAnswer("refused", verdict.explanation, verdict.answer.code, verdict.answer.message)
    return None


def no_answer_verdict(no_answer: NoAnswer) -> Verdict:
    """Return the verdict without an answer.

    Temporary failures are retried; a server without a valid certificate gets nothing.
    """
    answer = Answer(message=f"no answer ({no_answer.kind}): {no_answer.detail}"[:500])
    if no_answer.kind == "tls":
        return Misconfigured(answer, "address", _TLS_ADVICE)
    return TryLater(answer, may_have_arrived=no_answer.may_have_arrived)
