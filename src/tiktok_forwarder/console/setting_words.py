"""Labels of settings and their values, and explanations of TikTok's answers."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from tiktok_forwarder.connections.check import NO_ANSWER, CheckKind, CheckResult
from tiktok_forwarder.console.rendering import uncapitalized, wire_label
from tiktok_forwarder.console.settings.rule_words import rule_sentence
from tiktok_forwarder.console.settings.source_lists import FIELD_LABELS, order_words
from tiktok_forwarder.delivery.interfaces import DeliveryStatus
from tiktok_forwarder.domain.outcome import Answer, Culprit
from tiktok_forwarder.mapping.fields import FIELD_BY_NAME
from tiktok_forwarder.tiktok.codes import code_meaning

_NO_ANSWER: Final = re.compile(r"no answer \((\w+)\)")
_CHECK_TITLES: Final[Mapping[CheckKind, str]] = {
    "good": "Access token and pixel are valid.",
    "token": "TikTok rejected the access token.",
    "unreadable_token": "The stored access token cannot be read.",
    "pixel": "There is a problem with the pixel.",
    "app": "There is a problem with the developer app of the access token.",
    "account": "There is a problem with the TikTok account.",
    "configuration": "There is a problem with a setting.",
    "address": "There is a problem with the URL of TikTok's API.",
    "network": "Network problem.",
    "forwarder": "There is a problem with this version of tiktok-forwarder.",
    "busy": "TikTok is busy.",
    "unknown_code": "TikTok's answer is unknown to this version.",
}
# mParticle's word.
_MPARTICLE_LABELS: Final = {"standard_events": "Event filter"}
_CHOICE_LABELS: Final = {"ttp": "Cookie ID (ttp)", "email": "Email address", "phone": "Phone number"}
_SETTINGS_TO_CHANGE: Final[Mapping[CheckKind | Culprit, str]] = {
    "token": "access_token",
    "unreadable_token": "access_token",
    "app": "access_token",
    "pixel": "pixel_id",
    "configuration": "test_event_code",
}


class CheckWords(Struct, frozen=True):
    """`setting` is the connection's setting to change, None if no setting causes the problem."""

    is_good: bool
    title: str
    sentence: str
    setting: str | None


def label_of(name: str) -> str:
    """Return the setting's label."""
    if name in _MPARTICLE_LABELS:
        return _MPARTICLE_LABELS[name]
    return FIELD_BY_NAME[name].label if name in FIELD_BY_NAME else name


def is_set(name: str, value: Any) -> bool:
    """Return whether a setting is required or differs from its default."""
    field = FIELD_BY_NAME.get(name)
    if field is None or field.required:
        return True
    if isinstance(value, list):
        return bool(value or field.default) and tuple(value) != field.default
    return value not in (None, {}, field.default)


def value_words(name: str, value: Any) -> str:
    """Describe a setting's value, or what its absence means."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in _WORDS:
        return _WORDS[name](value or ())
    if isinstance(value, list):
        return ", ".join(choice_words(name, each) for each in value) or "none"
    if value is None or value == "":
        return "none"
    return choice_words(name, str(value))


def _mappings(value: Sequence[Any]) -> str:
    return "none" if not value else f"{len(value)} mapping{'s' if len(value) != 1 else ''}"


def _rules(rules: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(f"{rule.get('name')}: {uncapitalized(rule_sentence(rule))}" for rule in rules) or "none"


def _orders(sources: Mapping[str, Any]) -> str:
    orders = [f"{FIELD_LABELS[field]}: {order_words(order)}" for field, order in sources.items()] if sources else []
    return "; ".join(orders) or "the default order"


_WORDS: Final[Mapping[str, Callable[[Any], str]]] = {
    "inputs": lambda names: ", ".join(names) or "all inputs",
    "custom_mappings": _mappings,
    "forwarding_rules": _rules,
    "sources": _orders,
}
"""The words for settings that are no plain values."""


def choice_words(name: str, value: str) -> str:
    """Return the label of a setting's choice."""
    if name in ("standard_events", "omit"):
        return _CHOICE_LABELS.get(value) or wire_label(value)
    field = FIELD_BY_NAME.get(name)
    labels = {choice.value: choice.label for choice in field.choices} if field is not None else {}
    return labels.get(value, value)


def check_words(result: CheckResult) -> CheckWords:
    """Describe a check's result."""
    return CheckWords(
        result.kind == "good", _CHECK_TITLES[result.kind], result.message, _SETTINGS_TO_CHANGE.get(result.kind)
    )


def blamed_setting(code: int | None) -> str | None:
    """Return the connection's setting that causes this TikTok code, if any."""
    meaning = None if code is None else code_meaning(code)
    return None if meaning is None else _SETTINGS_TO_CHANGE.get(meaning.culprit)


def delivery_words(delivery: DeliveryStatus) -> str:
    """Explain TikTok's last answer to the node that delivers the connection."""
    if not delivery.is_elsewhere:
        return answer_words(delivery.last_answer)
    if delivery.last_answer is None:
        return "Another node delivers this connection. It has sent nothing since it started."
    return f"{answer_words(delivery.last_answer)} Another node delivers this connection."


def answer_words(answer: Answer | None) -> str:
    """Explain TikTok's last answer."""
    if answer is None:
        return "Nothing has been sent since the service started."
    code = answer.code
    if code is not None:
        return f"{_code_words(code)} (code {code})."
    if answer.status is not None:
        return f"The answer did not come from the TikTok Events API (HTTP status {answer.status})."
    found = _NO_ANSWER.match(answer.message)
    if found is not None and found[1] in NO_ANSWER:
        return f"TikTok {NO_ANSWER[found[1]]}."
    return "No request could be made."


def _code_words(code: int) -> str:
    meaning = code_meaning(code)
    if meaning is None:
        return "TikTok returned an unknown code"
    return meaning.explanation.rstrip(".")
