"""When a connection's events are ready to be leased: the rule that every store follows."""

from collections.abc import Iterable
from typing import NamedTuple

from tiktok_forwarder.domain.outcome import WireFormName
from tiktok_forwarder.store.queue import GroupLimits
from tiktok_forwarder.store.rules import CLOCK_TOLERANCE_MS


class LaneWork(NamedTuple):
    """What is due in a lane and not leased.

    `due` is how many events these are, counted up to a full group; below that it may include others. `since_ms` is the
    time since which the first of them waits, None if none is due: `next_ms` is then the time when one will be.
    """

    wire_form: WireFormName
    due: int
    since_ms: int | None
    next_ms: int | None


class Readiness(NamedTuple):
    """Whether a group is ready.

    If not, it may be so in `seconds` (None: not without new events), or once `missing` events were added.
    """

    is_ready: bool
    seconds: float | None = None
    missing: int = 1


def readiness_of(lanes: Iterable[LaneWork], limits: GroupLimits, fill_seconds: float, now_ms: int) -> Readiness:
    """Return whether a lane has a full group, or an event that has waited `fill_seconds` for others.

    An event that began to wait in the future has waited long enough: the clock was set back since.
    """
    seconds: list[float] = []
    missing: list[int] = []
    for lane in lanes:
        if lane.since_ms is not None:
            left_seconds = fill_seconds - (now_ms - lane.since_ms) / 1000
            left_events = limits.max_events[lane.wire_form] - lane.due
            if left_seconds <= 0 or left_events <= 0 or lane.since_ms > now_ms + CLOCK_TOLERANCE_MS:
                return Readiness(True)
            seconds.append(left_seconds)
            missing.append(left_events)
        elif lane.next_ms is not None:
            seconds.append((lane.next_ms - now_ms) / 1000)
    return Readiness(False, min(seconds, default=None), min(missing, default=1))
