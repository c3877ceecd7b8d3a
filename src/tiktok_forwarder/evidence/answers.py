"""What is kept of an answer: everything that TikTok decided, and nothing that belongs to an account."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.delivery.interfaces import HttpAnswer, NoAnswer

_MAX_TEXT_LENGTH: Final = 500
_MAX_DEPTH: Final = 8
# Identifiers of accounts and requests are long numbers or hexadecimal texts.
_IDENTIFIER: Final = re.compile(r"(?<![0-9A-Za-z])(?:[0-9]{10,}|[0-9A-Fa-f]{20,})(?![0-9A-Za-z])")
_LARGEST_NUMBER: Final = 10**9
_REMOVED: Final = "[removed]"


class TrialAnswer(Struct, frozen=True, omit_defaults=True):
    """An answer without identifiers of requests and accounts.

    `no_answer` is the kind of failure if none was read; `code` and `message` are missing if it was not TikTok's JSON.
    """

    no_answer: str = ""
    status: int | None = None
    code: int | None = None
    message: str = ""
    data: Any = None
    retry_after: str = ""


COMPARED: Final = ("no_answer", "status", "code", "message", "data", "retry_after")


def redacted_answer(answer: HttpAnswer | NoAnswer, placeholders: Mapping[str, str]) -> TrialAnswer:
    """Return what is kept of an answer. `placeholders` are what replaces secrets and names of the account."""
    if isinstance(answer, NoAnswer):
        return TrialAnswer(no_answer=answer.kind)

    def clean(text: str) -> str:
        for secret, placeholder in placeholders.items():
            text = text.replace(secret, placeholder)
        printable = "".join(character if character.isprintable() else " " for character in text)
        return _IDENTIFIER.sub(_REMOVED, printable)[:_MAX_TEXT_LENGTH]

    retry_after = clean(answer.retry_after or "")
    try:
        body = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    if not isinstance(body, dict):
        return TrialAnswer(status=answer.status, retry_after=retry_after)
    code, message = body.get("code"), body.get("message")
    return TrialAnswer(
        status=answer.status,
        code=code if type(code) is int and abs(code) < _LARGEST_NUMBER else None,
        message=clean(message) if isinstance(message, str) else "",
        data=_cleaned(body.get("data"), clean, _MAX_DEPTH),
        retry_after=retry_after,
    )


def _cleaned(value: Any, clean: Any, depth: int) -> Any:
    if not depth:
        return _REMOVED
    if isinstance(value, dict):
        return {clean(name): _cleaned(each, clean, depth - 1) for name, each in value.items()}
    if isinstance(value, list):
        return [_cleaned(each, clean, depth - 1) for each in value]
    if isinstance(value, str):
        return clean(value)
    return _REMOVED if isinstance(value, int | float) and abs(value) >= _LARGEST_NUMBER else value
