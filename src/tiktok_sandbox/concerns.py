"""The rules for what TikTok accepts and the client should know (grade C, and the silent ones of grade A)."""

import ipaddress
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from tiktok_sandbox import facts
from tiktok_sandbox.event_view import EventView, Leaf
from tiktok_sandbox.finding import Finding, Rule
from tiktok_sandbox.refusals import IS_DIGEST, PAGE_URL_RULE

# Bounded, so that the time is linear in the text whatever it holds.
_FIND_EMAIL: Final = re.compile(r"[\w.+-]{1,64}(?:@|%40)[\w-]{1,63}\.\w").search
_NEVER_HASHED: Final[tuple[Leaf, ...]] = ("ip", "user_agent", "ttclid", "ttp")
_FIRST_MILLISECOND_TIME: Final = 10**12  # 13 digits
_DAY_SECONDS: Final = 86_400
_CLOCK_SKEW_SECONDS: Final = 60
_PRIVATE_NETWORKS: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "::/128", "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


def event_time_is_in_milliseconds(view: EventView) -> Finding | None:
    """Rule 16, for an integer: how TikTok reads 13 digits is unknown."""
    is_milliseconds = view.event["event_time"] >= _FIRST_MILLISECOND_TIME
    return Finding("event_time", "looks like milliseconds; TikTok expects seconds") if is_milliseconds else None


def timestamp_is_not_iso_8601(view: EventView) -> Finding | None:
    """Rule 17. TikTok reportedly uses the time of arrival instead."""
    value = view.event.get("timestamp")
    if value is None or _seconds_of(value) is not None:
        return None
    return Finding("timestamp", "not an ISO 8601 time; TikTok may use the time of arrival")


def content_type_is_unknown(view: EventView) -> Finding | None:
    """Rule 22."""
    value = view.properties.get("content_type")
    if value is not None and value not in facts.CONTENT_TYPES:
        return Finding("properties.content_type", "neither product nor product_group")
    for number, content in enumerate(view.contents):
        value = content.get("content_type")
        if value is not None and value not in facts.CONTENT_TYPES:
            return Finding(f"properties.contents.{number}.content_type", "neither product nor product_group")
    return None


def currency_is_unlisted(view: EventView) -> Finding | None:
    """Rule 23."""
    value = view.properties.get("currency")
    if value is None or (type(value) is str and value in facts.CURRENCIES):
        return None
    return Finding("properties.currency", "not in TikTok's list of currencies")


def external_id_is_not_hashed(view: EventView) -> Finding | None:
    """Rule 25, and the names and postal code that a newer page of TikTok's requires to be hashed."""
    if _is_raw(view.external_id):
        return Finding(view.path_of("external_id"), "not a SHA-256 digest")
    if view.api == "2.0":
        for name in ("first_name", "last_name", "zip_code"):
            if _is_raw(view.user.get(name)):
                return Finding(f"user.{name}", "not a SHA-256 digest")
    return None


def _is_raw(value: Any) -> bool:
    if not value:
        return False
    values = value if type(value) is list else [value]
    return not all(type(each) is str and (not each or IS_DIGEST(each)) for each in values)


def email_stands_in_the_open(view: EventView) -> Finding | None:
    """Rule 26, anywhere in the event, page URLs included."""
    if b"@" not in view.payload and b"%40" not in view.payload:
        return None
    for path, text in _texts(view.event):
        if ("@" in text or "%40" in text) and _FIND_EMAIL(text):
            return Finding(path, "contains what looks like an unhashed email address")
    return None


def _texts(event: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every text with its path; uses a stack, since nesting may be deeper than Python's recursion limit."""
    waiting: list[tuple[str, Any]] = list(event.items())[::-1]
    while waiting:
        path, value = waiting.pop()
        if type(value) is str:
            yield path, value
        elif type(value) is dict:
            waiting.extend((f"{path}.{name}", member) for name, member in reversed(value.items()))
        elif type(value) is list:
            waiting.extend((f"{path}.{number}", item) for number, item in reversed(list(enumerate(value))))


def plain_value_is_hashed(view: EventView) -> Finding | None:
    """Rule 27."""
    for leaf in _NEVER_HASHED:
        value = getattr(view, leaf)
        if value and len(value) == 64 and IS_DIGEST(value):
            return Finding(view.path_of(leaf), "looks hashed; TikTok expects it unhashed")
    return None


def ip_is_unusable(view: EventView) -> Finding | None:
    """Rule 28. Addresses reserved for documentation pass, as they do at TikTok."""
    problem = _ip_problem(view.ip) if view.ip else None
    return Finding(view.path_of("ip"), problem) if problem else None


@lru_cache(maxsize=4096)
def _ip_problem(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "not an IP address"
    return "a private address" if any(address in network for network in _PRIVATE_NETWORKS) else None


def limited_data_use_lacks_ip(view: EventView) -> Finding | None:
    """Rule 35."""
    if view.event.get("limited_data_use") is True and not view.ip:
        return Finding("limited_data_use", "needs user.ip")
    return None


def ttclid_has_odd_form(view: EventView) -> Finding | None:
    """Rule 38."""
    value = view.ttclid
    if not value or value.startswith(facts.TTCLID_PREFIX):
        return None
    problem = "an unexpanded macro" if value.startswith("__") and value.endswith("__") else "does not start with E.C.P"
    return Finding(view.path_of("ttclid"), problem)


def field_belongs_to_another_source(view: EventView) -> Finding | None:
    """Rule 39."""
    for holder, path, foreign in (
        (view.event, "", facts.FOREIGN_EVENT_FIELDS[view.source]),
        (view.user, "user.", facts.FOREIGN_USER_FIELDS[view.source]),
    ):
        if not foreign.isdisjoint(holder):
            names = ", ".join(sorted(foreign & holder.keys()))
            return Finding(path + min(foreign & holder.keys()), f"ignored for {view.source} events: {names}")
    return None


def field_is_unknown_1_0(view: EventView) -> Finding | None:
    """Rule 40."""
    root = facts.BATCH_ITEM_1_0 if view.is_batched else facts.TRACK_1_0
    return (
        _unknown(view.event, root, "")
        or _unknown(view.context, facts.CONTEXT_1_0, "context.")
        or _unknown(view.ad, facts.AD_1_0, "context.ad.")
        or _unknown(view.page, facts.PAGE, "context.page.")
        or _unknown(view.user, facts.USER_1_0, "context.user.")
        or _unknown(view.properties, facts.PROPERTIES_1_0, "properties.")
        or _unknown_in_contents(view, facts.CONTENT_1_0)
    )


def field_is_unknown_2_0(view: EventView) -> Finding | None:
    """Rule 40."""
    return (
        _unknown(view.event, facts.EVENT_2_0, "")
        or _unknown(view.user, facts.USER_2_0, "user.")
        or _unknown(view.page, facts.PAGE, "page.")
        or _unknown(view.properties, facts.PROPERTIES_2_0, "properties.")
        or _unknown(view.ad, facts.AD_2_0, "ad.")
        or _unknown(view.app, facts.APP, "app.")
        or _unknown(view.lead, facts.LEAD, "lead.")
        or _unknown_in_contents(view, facts.CONTENT_2_0)
    )


def _unknown_in_contents(view: EventView, known: frozenset[str]) -> Finding | None:
    for number, content in enumerate(view.contents):
        if not known.issuperset(content):
            return _unknown(content, known, f"properties.contents.{number}.")
    return None


def _unknown(holder: dict[str, Any], known: frozenset[str], path: str) -> Finding | None:
    if known.issuperset(holder):
        return None
    return Finding(path + next(name for name in holder if name not in known), "unknown to TikTok, which ignores it")


def nobody_can_be_matched(view: EventView) -> Finding | None:
    """Rule 41."""
    if view.ip or view.email or view.ttclid or view.phone or view.external_id or view.ttp or view.lead:
        return None
    if view.source == "app" and any(view.user.get(name) for name in ("idfa", "idfv", "gaid")):
        return None
    return Finding("user" if view.api == "2.0" else "context.user", "no data to match a person by")


def order_lacks_amount(view: EventView) -> Finding | None:
    """Rule 42."""
    if view.event["event"] not in facts.ORDER_EVENTS:
        return None
    for name in ("value", "currency"):
        if view.properties.get(name) is None:
            return Finding(f"properties.{name}", "recommended for an order")
    return None


def event_is_old_or_of_the_future(view: EventView) -> Finding | None:
    """Rule 44.

    No limit is documented for web events; 28 days is the attribution window, and the limit of offline uploads.
    """
    field = "event_time" if view.api == "2.0" else "timestamp"
    seconds = view.event.get("event_time") if view.api == "2.0" else _seconds_of(view.event.get("timestamp"))
    if seconds is None or seconds >= _FIRST_MILLISECOND_TIME:
        return None
    age_seconds = view.now_seconds - seconds
    if age_seconds > 7 * _DAY_SECONDS:
        return Finding(field, f"older than {28 if age_seconds > 28 * _DAY_SECONDS else 7} days")
    return Finding(field, "in the future") if age_seconds < -_CLOCK_SKEW_SECONDS else None


def _seconds_of(timestamp: Any) -> float | None:
    """Return seconds since 1970 of an ISO 8601 date and time, taken as UTC if it names no zone."""
    if type(timestamp) is not str or "T" not in timestamp:
        return None
    try:
        moment = datetime.fromisoformat(timestamp)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None


CONCERNS: Final = (
    Rule(16, event_time_is_in_milliseconds, ("2.0",)),
    Rule(17, timestamp_is_not_iso_8601, ("1.0",)),
    Rule(22, content_type_is_unknown),
    Rule(23, currency_is_unlisted),
    Rule(25, external_id_is_not_hashed),
    Rule(26, email_stands_in_the_open),
    Rule(27, plain_value_is_hashed),
    Rule(28, ip_is_unusable),
    PAGE_URL_RULE,
    Rule(35, limited_data_use_lacks_ip, ("2.0",)),
    Rule(38, ttclid_has_odd_form),
    Rule(39, field_belongs_to_another_source, ("2.0",)),
    Rule(40, field_is_unknown_1_0, ("1.0",)),
    Rule(40, field_is_unknown_2_0, ("2.0",)),
    Rule(41, nobody_can_be_matched),
    Rule(42, order_lacks_amount),
    Rule(44, event_is_old_or_of_the_future),
)
