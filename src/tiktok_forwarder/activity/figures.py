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
_IP_AND_USER_AGENT: Final = "ip_and_user_agent"
ALL_MATCH_KEYS: Final = (*_MATCH_KEYS, _IP_AND_USER_AGENT)
COVERED: Final = "match_events"
# Figures of inputs: of a connection, what each input brought it; of the service, what each input received.
_OF_INPUT: Final = "input_"
_REFUSED: Final = "refused_"
_PLAIN_OF_INPUT: Final = ("mapped", "duplicate", "dropped", "purchases", "purchases_not_allowed", COVERED)
# Stands for a connection's ID where figures are of the service as a whole.
SERVICE: Final = ""


class LatencyBucket(Struct, frozen=True):
    """Deliveries that took longer than the bucket before and at most `within_seconds`; None is the last bucket."""

    within_seconds: int | None
    events: int


class InputFigureSet(Struct, frozen=True, omit_defaults=False):
    """Outcomes of the events that one input brought a connection.

    `duplicate` events were received before, perhaps through another input. `purchases` counts mapped events, duplicates
    included, that TikTok counts as purchases, `purchases_not_allowed` those that the input may not send. `match_keys`
    counts as in `FigureSet`, but duplicates too: of two inputs that send the same events, only the first is stored.
    """

    mapped: int = 0
    duplicate: int = 0
    dropped: int = 0
    purchases: int = 0
    purchases_not_allowed: int = 0
    match_events: int = 0
    match_keys: dict[str, int] = field(default_factory=dict)


class FigureSet(Struct, frozen=True, omit_defaults=False):
    """Outcomes of a connection's events. accepted = mapped + dropped.

    `replayed` counts dead letters that the service requeued, which are settled, and counted, again. What people do with
    dead letters is in the store's totals. `match_keys` counts events that had the key, out of `match_events` inspected:
    all, or a fair sample above a rate. `inputs` are by name.
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
    inputs: dict[str, InputFigureSet] = field(default_factory=dict)


class Traffic(Struct, frozen=True):
    """What an input received: events of accepted requests, and refused requests by reason."""

    received: int = 0
    refused: dict[str, int] = field(default_factory=dict)


def add(figures: Figures, name: str, count: int = 1) -> None:
    figures[name] = figures.get(name, 0) + count


def add_all(figures: Figures, more: Mapping[str, int]) -> None:
    for name, count in more.items():
        add(figures, name, count)


def match_keys_in(payload: bytes) -> list[str]:
    """Return which keys an event has that TikTok can match to a person."""
    found: list[str] = [name for name, keys in _MATCH_KEYS.items() if any(key in payload for key in keys)]
    if b'"ip":' in payload and b'"user_agent":' in payload:
        found.append(_IP_AND_USER_AGENT)
    return found


def add_match_keys(figures: Figures, keys: Iterable[str]) -> None:
    """Count an event with these keys."""
    add(figures, COVERED)
    for key in keys:
        add(figures, f"match.{key}")


def add_input_match_keys(figures: Figures, input_name: str, keys: Iterable[str]) -> None:
    """Count an event with these keys that came through this input, duplicate or not."""
    add_of_input(figures, COVERED, input_name)
    for key in keys:
        add_of_input(figures, f"match_{key}", input_name)


def add_of_input(figures: Figures, name: str, input_name: str, count: int = 1) -> None:
    """Add to a figure of one input. The input's name is last, because it may contain dots."""
    add(figures, f"{_OF_INPUT}{name}.{input_name}", count)


def add_refused(figures: Figures, input_name: str, reason: str) -> None:
    """Count a refused request of this input."""
    add_of_input(figures, f"{_REFUSED}{reason}", input_name)


def traffic_by_input(all_figures: Iterable[Mapping[str, int]]) -> dict[str, Traffic]:
    """Return the sum of several figures of `SERVICE` by the inputs' names."""
    traffic: dict[str, Traffic] = {}
    for name, figures in _by_input(grouped(all_figures)).items():
        refused = {key.removeprefix(_REFUSED): count for key, count in figures.items() if key.startswith(_REFUSED)}
        traffic[name] = Traffic(figures.get("received", 0), refused)
    return traffic


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
    """Return the sum of several figures of a connection as a structure."""
    groups = grouped(all_figures)
    latency = groups.pop("latency", {})
    return FigureSet(
        **{name: groups.get(name, {}).get("", 0) for name in _PLAIN},
        dropped=groups.get("dropped", {}),
        dead_letters=groups.get("dead_letter", {}),
        attempts=groups.get("attempt", {}),
        warnings=groups.get("warning", {}),
        match_keys={name: groups.get("match", {}).get(name, 0) for name in ALL_MATCH_KEYS},
        latency=[
            LatencyBucket(int(label) if label != _BEYOND else None, latency.get(label, 0))
            for label in (*map(str, LATENCY_SECONDS), _BEYOND)
        ],
        inputs={name: _input_figure_set(figures) for name, figures in sorted(_by_input(groups).items())},
    )


def grouped(all_figures: Iterable[Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Return the sum of several figures, by the first part of their names, then by the rest."""
    total: Figures = {}
    for each in all_figures:
        add_all(total, each)
    groups: dict[str, dict[str, int]] = {}
    for name, count in sorted(total.items()):
        group, _, label = name.partition(".")
        groups.setdefault(group, {})[label] = count
    return groups


def _by_input(groups: Mapping[str, Mapping[str, int]]) -> dict[str, Figures]:
    """Return the inputs' figures by their names."""
    found: dict[str, Figures] = {}
    for group, by_label in groups.items():
        if group.startswith(_OF_INPUT):
            for input_name, count in by_label.items():
                found.setdefault(input_name, {})[group.removeprefix(_OF_INPUT)] = count
    return found


def _input_figure_set(figures: Mapping[str, int]) -> InputFigureSet:
    return InputFigureSet(
        **{name: figures.get(name, 0) for name in _PLAIN_OF_INPUT},
        match_keys={name: figures.get(f"match_{name}", 0) for name in ALL_MATCH_KEYS},
    )


_PLAIN: Final = (
    "accepted",
    "mapped",
    "duplicate",
    "delivered",
    "retried",
    "dead_lettered",
    "replayed",
    COVERED,
)
