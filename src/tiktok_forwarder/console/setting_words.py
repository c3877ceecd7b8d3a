"""Settings, their changes and TikTok's answers in words for people."""

import re
from collections.abc import Mapping
from typing import Any, Final

from tiktok_forwarder.connections.check import NO_ANSWER
from tiktok_forwarder.mapping.fields import FIELD_BY_NAME
from tiktok_forwarder.tiktok.codes import CodeClass, code_meaning

_NO_ANSWER: Final = re.compile(r"no answer \((\w+)\)")
_CLASSES: Final[Mapping[CodeClass, str]] = {
    "done": "TikTok took the last request",
    "bad_event": "TikTok refused an event of the last request",
    "try_later": "TikTok has trouble of its own: the events are sent again later",
    "few_attempts": "TikTok has trouble of its own: the events are sent again later",
}


def label_of(name: str) -> str:
    """What people call a setting."""
    return FIELD_BY_NAME[name].label if name in FIELD_BY_NAME else name


def is_set(name: str, value: Any) -> bool:
    """Whether a setting is worth naming: every connection has it, or this one has it otherwise than by default."""
    field = FIELD_BY_NAME.get(name)
    if field is None or field.required:
        return True
    return value not in (None, [], field.default)


def value_words(name: str, value: Any) -> str:
    """A setting's value; of one that is not set what that means."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "inputs":
        return ", ".join(value) if value else "all inputs"
    if name == "custom_mappings":
        return _mappings(value or [])
    if value is None or value == "":
        return "none"
    return _choice(name, str(value))


def _mappings(value: list[Any]) -> str:
    return "none" if not value else f"{len(value)} mapping{'s' if len(value) != 1 else ''}"


def _choice(name: str, value: str) -> str:
    field = FIELD_BY_NAME.get(name)
    labels = {choice.value: choice.label for choice in field.choices} if field is not None else {}
    return labels.get(value, value)


def answer_words(answer: Mapping[str, Any] | None) -> str:
    """What TikTok said last, and what that means."""
    if answer is None:
        return "Nothing has been sent since the service was started."
    code = answer["code"]
    if code is not None:
        return f"{_code_words(code)} (code {code})."
    if answer["status"] is not None:
        return f"What answered was not TikTok's Events API (HTTP status {answer['status']})."
    found = _NO_ANSWER.match(answer["message"])
    if found is not None and found[1] in NO_ANSWER:
        return f"TikTok {NO_ANSWER[found[1]]}."
    return "No request could be made."


def _code_words(code: int) -> str:
    meaning = code_meaning(code)
    if meaning is None:
        return "TikTok gave an answer that is not known"
    return meaning.explanation.rstrip(".") or _CLASSES.get(meaning.code_class, "TikTok refused the last request")
