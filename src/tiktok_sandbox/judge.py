"""Decides about a request: first by the script, otherwise as TikTok would."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from tiktok_sandbox.access import Access, PerSecondLimit, TokenGrants
from tiktok_sandbox.arrival import Arrival
from tiktok_sandbox.facts import BAD_PARAMETER, MESSAGES, OK, PARTLY, PIXEL_TOO_FREQUENT, TOO_FREQUENT
from tiktok_sandbox.options import SandboxOptions
from tiktok_sandbox.script import Poison, Script
from tiktok_sandbox.steps import AnswerStep, AnyStep, Code, Http, Pass
from tiktok_sandbox.validate import Refusal, examine_events, find_envelope_fault, find_envelope_warnings
from tiktok_sandbox.verdict import Verdict


class Head(Struct, frozen=True):
    """The content of a request's headers, and its time. `token` is None if there was no such header."""

    token: str | None
    content_type: str
    at_seconds: float


class Judge:
    def __init__(self, options: SandboxOptions, grants: TokenGrants | None, script: Script) -> None:
        self._options = options
        self._access = Access(grants)
        self._script = script
        self._token_limit = PerSecondLimit(options.requests_per_second)
        self._pixel_limit = PerSecondLimit(options.pixel_requests_per_second)

    def judge(self, arrival: Arrival, head: Head, request_step: AnyStep | None) -> Verdict:
        """Return the verdict. `request_step` is the script's step for this request, whatever its content."""
        if request_step is not None and not isinstance(request_step, Pass):
            return _scripted(arrival, request_step, None)
        delay_seconds = request_step.delay_seconds if request_step else 0.0
        decision = self._script.take_for(arrival.pixel, arrival.event_ids)
        if decision is not None and not isinstance(decision.step, Pass):
            return _scripted(arrival, decision.step, decision.event_index)
        delay_seconds += decision.step.delay_seconds if decision and isinstance(decision.step, Pass) else 0.0
        if poisoned := self._script.poisoned(arrival.event_ids):
            return _poisoned(arrival, *poisoned, delay_seconds)
        return self._examined(arrival, head, delay_seconds)

    def _examined(self, arrival: Arrival, head: Head, delay_seconds: float) -> Verdict:
        found = self._refuse(arrival, head) or examine_events(arrival, head.at_seconds, is_strict=self._options.strict)
        if not isinstance(found, Refusal):
            return Verdict(
                step=Code(code=OK),
                message=MESSAGES[OK],
                delay_seconds=delay_seconds,
                warnings=found,
                envelope_warnings=find_envelope_warnings(arrival),
            )
        return Verdict(
            step=self._refusing_step(found.code),
            message=found.message,
            rule=found.rule,
            delay_seconds=delay_seconds,
            bad_index=found.bad_index,
        )

    def _refuse(self, arrival: Arrival, head: Head) -> Refusal | None:
        token = head.token
        refusal = self._access.refuse_token(token)
        if refusal or token is None:
            return refusal
        if self._token_limit.is_exceeded_by(token, head.at_seconds):
            return Refusal(45, TOO_FREQUENT, MESSAGES[TOO_FREQUENT])
        fault = find_envelope_fault(arrival, head.content_type, allows_app_events=self._options.allow_app_events)
        pixel = arrival.pixel
        if fault or pixel is None:
            return fault
        if refusal := self._access.refuse_pixel(token, pixel):
            return refusal
        if self._pixel_limit.is_exceeded_by(pixel, head.at_seconds):
            return Refusal(46, PIXEL_TOO_FREQUENT, MESSAGES[PIXEL_TOO_FREQUENT])
        return None

    def _refusing_step(self, code: int) -> AnswerStep:
        if code not in {TOO_FREQUENT, PIXEL_TOO_FREQUENT}:
            return Code(code=code)
        retry_after = self._options.retry_after_seconds
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        status = self._options.rate_limit_status
        if status is None:
            return Code(code=code, headers=headers)
        return Http(status=status, content_type="text/plain", body="Too Many Requests", headers=headers)


def _scripted(arrival: Arrival, step: AnswerStep, event_index: int | None) -> Verdict:
    if not isinstance(step, Code):
        if isinstance(step, Http):
            message = f"HTTP {step.status}"
            return Verdict(step=step, message=message, is_scripted=True, delay_seconds=step.delay_seconds)
        return Verdict(step=step, message="no whole answer", is_scripted=True)
    message = MESSAGES.get(step.code, f"Error {step.code}") if step.message is None else step.message
    names_index = "{i}" in message and event_index is not None
    message = message.replace("{i}", str(event_index)).replace("{pixel}", arrival.pixel or "")
    if step.code == PARTLY and step.data is None and event_index is not None:
        step = _with_failed_event(step, event_index, message)
    return Verdict(
        step=step,
        message=message,
        is_scripted=True,
        delay_seconds=step.delay_seconds,
        bad_index=event_index if names_index else None,
        failed=_failed_indexes(step),
    )


def _with_failed_event(step: Code, event_index: int, message: str) -> Code:
    """Return the answer in the form of `/pixel/batch/`; whether TikTok counts from 0 is unknown."""
    failed_events = [{"order_in_batch": event_index, "error": message}]
    return Code(
        code=step.code,
        message=step.message,
        status=step.status,
        data={"partial_failure": True, "failed_events": failed_events},
        headers=step.headers,
        delay_seconds=step.delay_seconds,
    )


def _failed_indexes(step: Code) -> frozenset[int]:
    failed_events: Any = (step.data or {}).get("failed_events")
    if step.code != PARTLY or not isinstance(failed_events, Sequence):
        return frozenset()
    indexes = (each.get("order_in_batch") for each in failed_events if isinstance(each, dict))
    return frozenset(index for index in indexes if isinstance(index, int))


def _poisoned(arrival: Arrival, index: int, poison: Poison, delay_seconds: float) -> Verdict:
    message = poison.message
    if message is None and not poison.names_index:
        message = MESSAGES[BAD_PARAMETER]
    elif message is None and arrival.endpoint.list_field == "batch":
        message = "Batch.{i}.properties.contents.0.content_id: Not a valid string"
    elif message is None:
        field = "data.{i}.event_id" if arrival.endpoint.list_field else "event_id"
        message = f"Invalid value for {field}: not a valid string."
    return Verdict(
        step=Code(code=BAD_PARAMETER),
        message=message.replace("{i}", str(index)),
        is_scripted=True,
        delay_seconds=delay_seconds,
        bad_index=index if "{i}" in message else None,
    )
