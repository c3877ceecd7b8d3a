"""Classifies TikTok's answer to a request: its `code` decides, and the HTTP status only if there is no code."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.outcome import (
    Accepted,
    Answer,
    BadEvent,
    Culprit,
    Misconfigured,
    Throttled,
    TooLarge,
    TryLater,
    Verdict,
)
from tiktok_forwarder.tiktok.codes import OUTDATED, CodeMeaning, code_meaning

MAX_MESSAGE_CHARS: Final = 500
_MAX_READ_CHARS: Final = 4 * MAX_MESSAGE_CHARS
MAX_REQUEST_ID_CHARS: Final = 100
MIN_RETRY_AFTER_SECONDS: Final = 1.0
MAX_RETRY_AFTER_SECONDS: Final = 300.0

# As seen: `data.3.event_id`, `data. 3 .event_id`, `Batch.3.properties…`; the index counts from 0.
_EVENT_INDEX: Final = re.compile(r"(?<!\w)(?:data|batch)\.\s*([0-9]{1,4})\s*\.", re.IGNORECASE)
_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")

_CHECK_PIXEL: Final = "Check the connection's Pixel ID."
_RENEW_TEST_CODE: Final = "Copy the current code from Events Manager, or remove it from the connection."
_ENVELOPE_FIELDS: Final[Mapping[str, tuple[Culprit, str]]] = {
    "event_source_id": ("pixel", _CHECK_PIXEL),
    "pixel_code": ("pixel", _CHECK_PIXEL),
    "test_event_code": ("test_event_code", _RENEW_TEST_CODE),
    "event_source": ("forwarder", OUTDATED),
    "partner_name": ("forwarder", OUTDATED),
}
_ENVELOPE_FIELD: Final = re.compile(rf"\b({'|'.join(_ENVELOPE_FIELDS)})\b")


class _Envelope(Struct):
    """The members of an answer, undecoded: a decoder asked for an integer would accept 0.0 as 0."""

    code: Any = None
    message: Any = ""
    request_id: Any = ""
    data: Any = None


class _Read(NamedTuple):
    answer: Answer
    meaning: CodeMeaning
    message: str
    data: Any


CleanText = Callable[[str, int], str]
"""Returns at most so many characters of a text of TikTok's, without what must not be kept of it."""


def _beginning(text: str, max_characters: int) -> str:
    return text[:max_characters]


def classify(status: int, body: bytes, retry_after: str | None, now_ms: int, clean: CleanText = _beginning) -> Verdict:
    """Return the verdict on the request that got this answer.

    `now_ms` is for a `Retry-After` that is a date. Texts of the answer can quote values of events: only what `clean`
    leaves of them is in the verdict, and that must not be logged.
    """
    wait_seconds = retry_after_seconds(retry_after, now_ms)
    read = _read(status, body, clean)
    if read is None:
        return _by_status(status, len(body), wait_seconds)
    return _by_code(read, wait_seconds, clean)


def _by_code(read: _Read, wait_seconds: float | None, clean: CleanText) -> Verdict:
    answer = read.answer
    verdict: Verdict
    match read.meaning.code_class:
        case "done":
            verdict = Accepted(answer)
        case "done_with_note":
            verdict = Accepted(answer, _note(read, clean))
        case "throttled":
            verdict = Throttled(answer, wait_seconds, read.meaning.culprit)
        case "try_later":
            verdict = TryLater(answer)
        case "few_attempts":
            verdict = TryLater(answer, few_attempts=True)
        case "bad_event":
            verdict = _refusal(answer, read.message)
        case "too_large":
            verdict = TooLarge(answer)
        case "misconfigured":
            verdict = Misconfigured(answer, read.meaning.culprit, read.meaning.explanation)
    return verdict


def retry_after_seconds(retry_after: str | None, now_ms: int) -> float | None:
    """Return the header's wait, limited to 1 to 300 seconds; None if it is absent or cannot be read."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    seconds = float(text) if _SECONDS.fullmatch(text) else _seconds_until(text, now_ms)
    if seconds is None:
        return None
    return min(max(seconds, MIN_RETRY_AFTER_SECONDS), MAX_RETRY_AFTER_SECONDS)


def http_date_seconds(text: str) -> float | None:
    """Return an HTTP header's date in seconds since 1970, or None if it cannot be read.

    A date without a zone is in GMT, as all of HTTP.
    """
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _seconds_until(http_date: str, now_ms: int) -> float | None:
    at_seconds = http_date_seconds(http_date)
    return at_seconds - now_ms / 1000 if at_seconds is not None else None


def _read(status: int, body: bytes, clean: CleanText) -> _Read | None:
    """Return the answer's members, or None without a usable `code`.

    Unusable are broken JSON, a code of another type, and a number outside every range.
    """
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
    except (ValueError, RecursionError):
        return None
    if type(envelope.code) is not int:
        return None
    meaning = code_meaning(envelope.code)
    if meaning is None:
        return None
    request_id = clean(_text(envelope.request_id), MAX_REQUEST_ID_CHARS)
    message = _text(envelope.message)
    answer = Answer(status, envelope.code, clean(message, MAX_MESSAGE_CHARS), request_id)
    return _Read(answer, meaning, message[:MAX_MESSAGE_CHARS], envelope.data)


def _by_status(status: int, body_bytes: int, wait_seconds: float | None) -> Verdict:
    """Return the verdict by status, which without TikTok's verdict shows how far the request came.

    408 and 503 mean that it was not accepted; another 5xx, or a success without a readable body, leaves that open.
    """
    answer = Answer(status, message=f"HTTP {status} without a readable verdict ({body_bytes} bytes)")
    if status == 429:
        return Throttled(answer, wait_seconds)
    if status == 413:
        return TooLarge(answer)
    if status in {408, 503}:
        return TryLater(answer)
    if 300 <= status <= 499:
        return Misconfigured(answer, "address", _status_explanation(status))
    return TryLater(answer, may_have_arrived=True)


def _status_explanation(status: int) -> str:
    if status <= 399:
        return (
            f"The server answers with a redirect (HTTP {status}), which is never followed. "
            "Check the setting tiktok_base_url."
        )
    if status == 404:
        return "The server has no such path (HTTP 404). Check the setting tiktok_base_url."
    return (
        f"The server refuses the request with HTTP {status} and sends no TikTok code. "
        "Check the setting tiktok_base_url, and proxies and firewalls between this machine and TikTok."
    )


def _refusal(answer: Answer, message: str) -> Verdict:
    index = _EVENT_INDEX.search(message)
    if index is not None:
        return BadEvent(answer, int(index[1]))
    field = _ENVELOPE_FIELD.search(message)
    if field is None:
        return BadEvent(answer, None)
    culprit, advice = _ENVELOPE_FIELDS[field[1]]
    return Misconfigured(answer, culprit, f"TikTok refuses the request's {field[1]} (code {answer.code}). {advice}")


def _note(read: _Read, clean: CleanText) -> str:
    """Return a partial success in one line, `order_in_batch` unchanged: it is unknown whether it counts from 0 or 1."""
    failures = read.data.get("failed_events") if isinstance(read.data, dict) else None
    messages = [f"{read.meaning.explanation} {read.answer.message}".strip()]
    for failure in failures if isinstance(failures, list) else ():
        if isinstance(failure, dict):
            messages.append(f"event {failure.get('order_in_batch')}: {failure.get('error')}")
    return clean(_text("; ".join(messages)), MAX_MESSAGE_CHARS)


def _text(value: Any) -> str:
    """Return one line of printable text, whatever was sent; longer than what is kept, so that no address is cut."""
    if not isinstance(value, str):
        return ""
    return "".join(character if character.isprintable() else " " for character in value[:_MAX_READ_CHARS])
