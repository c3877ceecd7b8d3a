"""The activity's figures: counts by connection and minute, stored as names and numbers, shown as a structure."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, get_args

from msgspec import Struct, field

from tiktok_forwarder.activity.records import Figures
from tiktok_forwarder.tiktok.wire_form import MatchKey
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS

# From acceptance to delivery, in seconds, each bound included; one more bucket follows the last bound.
LATENCY_SECONDS: Final = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 21_600, 86_400)
_LATENCY_MS: Final = tuple(seconds * 1000 for seconds in LATENCY_SECONDS)
_BEYOND: Final = "more"
_LATENCY_NAMES: Final = (*(f"latency.{seconds}" for seconds in LATENCY_SECONDS), f"latency.{_BEYOND}")

# How the wire forms spell each key in an event object. JSON text escapes quotes, so these bytes cannot occur anywhere
# else.
_MATCH_KEYS: Final[Mapping[MatchKey, Sequence[bytes]]] = {
    key: list(dict.fromkeys(f'"{form.match_keys[key]}":'.encode() for form in WIRE_FORMS.values()))
    for key in get_args(MatchKey)
}
_COVERED: Final = "match_events"


class LatencyBucket(Struct, frozen=True):
    """Deliveries that took longer than the bucket before and at most `within_seconds`; None is the last bucket."""

    within_seconds: int | None
    events: int


class FigureSet(Struct, frozen=True, omit_defaults=False):
    """Outcomes of a connection's events. accepted = mapped + dropped.

    `replayed` counts dead letters that the service requeued, which are settled, and counted, again. What people do with
    dead letters is in the store's totals. `match_keys` counts events that had the key, out of `match_events` inspected:
    all, or a fair sample above a rate.
    """

    accepted: int = 0
    mapped: int = 0
    duplicate: int = 0
    delivered: int = 0
    retried: int = 0
    dead_lettered: int = 0
    replayed: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    dead_letters: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    match_events: int = 0
    match_keys: dict[str, int] = field(default_factory=dict)
    latency: list[LatencyBucket] = field(default_factory=list)


def add(figures: Figures, name: str, count: int = 1) -> None:
    figures[name] = figures.get(name, 0) + count


def add_all(figures: Figures, more: Mapping[str, int]) -> None:
    for name, count in more.items():
        add(figures, name, count)


def add_match_keys(figures: Figures, payload: bytes) -> None:
    """Count which keys an event has that TikTok can match to a person."""
    add(figures, _COVERED)
    for name, keys in _MATCH_KEYS.items():
        if any(key in payload for key in keys):
            add(figures, f"match.{name}")
    if b'"ip":' in payload and b'"user_agent":' in payload:
        add(figures, "match.ip_and_user_agent")


def add_latencies(figures: Figures, accepted_at_ms: Collection[int], now_ms: int) -> None:
    """Count deliveries by how long they took. A group's events mostly share a bucket."""
    slowest = bisect_left(_LATENCY_MS, now_ms - min(accepted_at_ms))
    quickest = bisect_left(_LATENCY_MS, now_ms - max(accepted_at_ms))
    if slowest == quickest:
        add(figures, _LATENCY_NAMES[slowest], len(accepted_at_ms))
        return
    for at_ms in accepted_at_ms:
        add(figures, _LATENCY_NAMES[bisect_left(_LATENCY_MS, now_ms - at_ms)])


def figure_set(all_figures: Iterable[Mapping[str, int]]) -> FigureSet:
    """Return the sum of several figures as a structure."""
    total: Figures = {}
    for each in all_figures:
        add_all(total, each)
    groups: dict[str, dict[str, int]] = {}
    for name, count in sorted(total.items()):
        group, _, label = name.partition(".")
        groups.setdefault(group, {})[label] = count
    latency = groups.pop("latency", {})
    return FigureSet(
        **{name: groups.get(name, {}).get("", 0) for name in _PLAIN},
        dropped=groups.get("dropped", {}),
        dead_letters=groups.get("dead_letter", {}),
        attempts=groups.get("attempt", {}),
        warnings=groups.get("warning", {}),
        match_keys={name: groups.get("match", {}).get(name, 0) for name in (*_MATCH_KEYS, "ip_and_user_agent")},
        latency=[
            LatencyBucket(int(label) if label != _BEYOND else None, latency.get(label, 0))
            for label in (*map(str, LATENCY_SECONDS), _BEYOND)
        ],
    )


_PLAIN: Final = (
    "accepted",
    "mapped",
    "duplicate",
    "delivered",
    "retried",
    "dead_lettered",
    "replayed",
    _COVERED,
)
