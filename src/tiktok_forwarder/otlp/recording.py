"""What is recorded of traced work: plain times and attributes, which become spans when the work is over.

Nothing here needs the libraries of OpenTelemetry, and nothing is called for work that is not traced but `is_sampled`.
Attributes are names, numbers and codes: never an identity, an address, a payload, a token or TikTok's text.
"""

import time
from collections.abc import Callable
from random import random
from typing import Final, Literal

from msgspec import Struct

SpanKind = Literal["internal", "server", "client", "consumer"]
Attribute = str | int

# Of attributes that no convention of OpenTelemetry names.
PREFIX: Final = "tiktok_forwarder."


class RemoteParent(Struct, frozen=True):
    """The span of a sender that its request belongs to."""

    trace_id: int
    span_id: int


class Span(Struct):
    """A piece of work. Times are in nanoseconds since 1970; `error` is a short name, empty if there is none."""

    name: str
    kind: SpanKind
    started_ns: int
    ended_ns: int = 0
    attributes: dict[str, Attribute] = {}
    error: str = ""


class Trace(Struct):
    """One traced request or delivery: its whole, and its stages one after the other.

    `has_sent` is set when a delivery sends its first request.
    """

    whole: Span
    clock_offset_ns: int
    stages: list[Span] = []
    parent: RemoteParent | None = None
    has_sent: bool = False

    def now_ns(self) -> int:
        """Return the time, which never goes back within a trace."""
        return self.clock_offset_ns + time.perf_counter_ns()

    def begin(self, name: str, kind: SpanKind = "internal") -> Span:
        """Begin a stage, which ends with the next one at the latest."""
        stage = Span(name, kind, self.now_ns())
        self._end_last(stage.started_ns)
        self.stages.append(stage)
        return stage

    def end(self) -> None:
        """End the stage that has begun last."""
        self._end_last(self.now_ns())

    def finish(self) -> None:
        self.whole.ended_ns = self.now_ns()
        self._end_last(self.whole.ended_ns)

    def _end_last(self, at_ns: int) -> None:
        if self.stages and not self.stages[-1].ended_ns:
            self.stages[-1].ended_ns = at_ns


class Recorder:
    """Decides what is traced, and passes on what is finished.

    `current` is the trace of the request that the event loop is working on in this moment, `answered` that of the
    request whose answer is reported next. `emit` is set while traces are exported; nothing is sampled before and after.
    """

    def __init__(
        self,
        ratio: float,
        connection_name: Callable[[str], str],
        chance: Callable[[], float] = random,
    ) -> None:
        self._ratio = ratio
        self._chance = chance
        self.connection_name = connection_name
        self.current: Trace | None = None
        self.answered: Trace | None = None
        self.emit: Callable[[Trace], None] | None = None

    def is_sampled(self) -> bool:
        """Decide about the next piece of work. No sender has a say in it: one could have every request traced."""
        return self._chance() < self._ratio and self.emit is not None

    def begin(self, name: str, kind: SpanKind) -> Trace:
        offset_ns = time.time_ns() - time.perf_counter_ns()
        return Trace(Span(name, kind, offset_ns + time.perf_counter_ns()), offset_ns)

    def finish(self, trace: Trace) -> None:
        trace.finish()
        if self.emit is not None:
            self.emit(trace)
