"""The API's figures for pages: series of a chart, latencies, coverage of match keys. Pure functions."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from tiktok_forwarder.activity.event_figures import EventFigureSet
from tiktok_forwarder.activity.figures import FigureSet, InputFigureSet
from tiktok_forwarder.api.activity import FiguresStep, InputFigures
from tiktok_forwarder.console.rendering import span, wire_label

_MINUTE_MS: Final = 60_000


class Period(Struct, frozen=True):
    """A period up to now, in steps that make a readable chart."""

    name: str
    label: str
    minutes: int
    step_minutes: int


PERIODS: Final = (
    Period("hour", "Last hour", 60, 1),
    Period("day", "Last day", 24 * 60, 15),
    Period("week", "Last week", 7 * 24 * 60, 120),
)


def period_of(name: str) -> Period:
    return next((each for each in PERIODS if each.name == name), PERIODS[0])


class Chart(Struct, frozen=True):
    """Series over time. `at_seconds` are since 1970, `labels` in the order of `values`; None is not known yet."""

    at_seconds: Sequence[int]
    labels: Sequence[str]
    values: Sequence[Sequence[int | None]]


def chart(steps: Sequence[FiguresStep], period: Period, from_ms: int, until_ms: int) -> Chart:
    """Count events by step; steps without events are 0."""
    length_ms = period.step_minutes * _MINUTE_MS
    by_start = {step.from_ms: step.figures for step in steps}
    starts = range(from_ms // length_ms * length_ms, until_ms, length_ms)
    found = [by_start.get(start, FigureSet()) for start in starts]
    accepted = [each.accepted for each in found]
    delivered = [each.delivered for each in found]
    dropped = [sum(each.dropped.values()) for each in found]
    dead = [each.dead_lettered for each in found]
    labels = ("Accepted", "Delivered", "Dropped", "Dead-lettered")
    return Chart([start // 1000 for start in starts], labels, (accepted, delivered, dropped, dead))


class LatencyShare(Struct, frozen=True):
    """Deliveries that took at most this bound and longer than the one before."""

    label: str
    events: int
    share: float


def latencies(figures: FigureSet) -> list[LatencyShare]:
    """Return the times from acceptance to delivery; empty buckets are omitted."""
    total = sum(bucket.events for bucket in figures.latency)
    return [
        LatencyShare(_bound(bucket.within_seconds), bucket.events, bucket.events / total)
        for bucket in figures.latency
        if bucket.events
    ]


def latency_of(figures: FigureSet, share: float) -> str:
    """Return the bound within which this share of events was delivered; empty if none was."""
    total = sum(bucket.events for bucket in figures.latency)
    reached = 0
    for bucket in figures.latency:
        reached += bucket.events
        if total and reached >= share * total:
            return _bound(bucket.within_seconds)
    return ""


def _bound(within_seconds: int | None) -> str:
    return f"within {span(within_seconds)}" if within_seconds is not None else "later than that"


class MatchKey(Struct, frozen=True):
    """An identifier by which TikTok matches people, and how to send more of it."""

    name: str
    label: str
    remedy: str


_MATCH_KEYS: Final = (
    MatchKey(
        "email",
        "Email",
        "Have the site identify users at mParticle with their email address, and check the Email Identity Type.",
    ),
    MatchKey(
        "phone",
        "Phone",
        "Send phone numbers with their country code, or name a default phone region; check the Phone Identity Type.",
    ),
    MatchKey(
        "external_id",
        "External ID",
        "Have the site send the customer ID of the logged-in user, and check the External Identity Type.",
    ),
    MatchKey(
        "click_id",
        "Click ID (ttclid)",
        "Keep the ttclid of the landing page's URL and send it in the custom flag TikTok.Callback.",
    ),
    MatchKey(
        "ttp",
        "TikTok cookie (_ttp)",
        "Send the pixel's cookie _ttp as the partner identity tiktok_cookie_id.",
    ),
    MatchKey(
        "ip_and_user_agent",
        "IP address and user agent",
        "Have the sender set ip and device_info.http_header_user_agent of the visitor, not of the server.",
    ),
)


class Coverage(Struct, frozen=True):
    key: MatchKey
    events: int
    share: float


def coverage(figures: FigureSet | InputFigureSet | EventFigureSet) -> list[Coverage]:
    """Count mapped events by match key; empty if no event was mapped."""
    total = figures.match_events
    return [
        Coverage(key, figures.match_keys[key.name], figures.match_keys[key.name] / total)
        for key in _MATCH_KEYS
        if total
    ]


class InputCoverage(Struct, frozen=True):
    """The match keys of the events that one input brought a connection, duplicates included."""

    input_name: str
    figures: InputFigureSet
    keys: list[Coverage]


def coverage_by_input(figures: FigureSet) -> list[InputCoverage]:
    """Return the inputs whose events were mapped, or were duplicates of mapped ones."""
    return [InputCoverage(name, each, coverage(each)) for name, each in figures.inputs.items() if each.match_events]


_REFUSALS: Final = {
    "origin": "Page of another origin",
    "address_limit": "Too many requests from one IP address",
    "input_limit": "Too many requests to this input",
    "too_large": "Body too large",
    "unreadable": "Body unreadable",
    "compression": "Compressed body unreadable",
    "encoding": "Unknown content encoding",
    "timeout": "Body too slow",
    "overloaded": "Too many bodies at the same time",
    "stopping": "Service stopping",
    "internal": "Internal error",
    "damaged": "Bytes of the message damaged",
}


def refusal_label(reason: str) -> str:
    """Return why requests were refused, in words."""
    return _REFUSALS.get(reason) or wire_label(reason)


class InputSums(Struct, frozen=True):
    """One input's figures. Of purchases, the most that one connection has: the same event may go to several."""

    received: int = 0
    refused: int = 0
    purchases: int = 0
    purchases_not_allowed: int = 0


def input_sums(found: InputFigures | None) -> InputSums:
    if found is None:
        return InputSums()
    figures = [each.figures for each in found.connections]
    return InputSums(
        found.traffic.received,
        sum(found.traffic.refused.values()),
        max((each.purchases for each in figures), default=0),
        max((each.purchases_not_allowed for each in figures), default=0),
    )
