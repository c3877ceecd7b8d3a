"""The sandbox's script: steps for the next requests, for a pixel's, for an event's, and poisonous events."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from tiktok_sandbox.steps import AnyStep, Code, Pass, Reset


class ScriptUnusable(ValueError):
    """The script cannot be followed; the text gives the reason."""


class Poison(Struct, frozen=True, forbid_unknown_fields=True):
    """Refuses, with 40002, every request that holds the event. `{i}` in `message` becomes the event's index."""

    names_index: bool = True
    message: str | None = None


class ScriptDocument(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A script as JSON."""

    requests: list[AnyStep] = []
    pixels: dict[str, list[AnyStep]] = {}
    events: dict[str, list[AnyStep]] = {}
    poison: dict[str, Poison] = {}


class Decision(Struct, frozen=True):
    """The step whose turn it is, and the index of the event that has the script."""

    step: AnyStep
    event_index: int | None = None


class _Steps:
    """Steps in order, each used as often as it declares."""

    def __init__(self) -> None:
        self._waiting: deque[AnyStep] = deque()

    def extend(self, steps: Iterable[AnyStep]) -> None:
        self._waiting.extend(steps)

    def peek(self) -> AnyStep | None:
        return self._waiting[0] if self._waiting else None

    def take(self) -> AnyStep | None:
        if not self._waiting:
            return None
        step = self._waiting.popleft()
        if step.times is None:
            self._waiting.appendleft(step)
        elif step.times > 1:
            self._waiting.appendleft(msgspec.structs.replace(step, times=step.times - 1))
        return step

    def remaining(self) -> list[AnyStep]:
        return list(self._waiting)


class Script:
    """Steps for requests come before those for events, and these before a pixel's; a `Pass` hands on to the next kind.

    When several events of a request have scripts, failure precedes success: the first whose next step is neither `Pass`
    nor code 0 decides, and only its step is used up. Without such an event, each uses up one step.
    """

    def __init__(self) -> None:
        self._requests = _Steps()
        self._pixels: dict[str, _Steps] = {}
        self._events: dict[str, _Steps] = {}
        self._poison: dict[str, Poison] = {}

    def for_requests(self, *steps: AnyStep) -> None:
        """Add steps for the next requests, whatever their content."""
        self._requests.extend(steps)

    def from_now_on(self, *steps: AnyStep) -> None:
        """Replace the steps for requests by these; pixels and events keep their scripts."""
        self._requests = _Steps()
        self._requests.extend(steps)

    def for_pixel(self, pixel: str, *steps: AnyStep) -> None:
        _refuse_early_reset(steps)
        self._pixels.setdefault(pixel, _Steps()).extend(steps)

    def for_event(self, event_id: str, *steps: AnyStep) -> None:
        _refuse_early_reset(steps)
        self._events.setdefault(event_id, _Steps()).extend(steps)

    def poison(self, event_id: str, *, names_index: bool = True, message: str | None = None) -> None:
        """Refuse every request that holds this event, until the script is cleared."""
        self._poison[event_id] = Poison(names_index, message)

    def add(self, document: ScriptDocument) -> None:
        for steps in (*document.pixels.values(), *document.events.values()):
            _refuse_early_reset(steps)
        self.for_requests(*document.requests)
        for pixel, steps in document.pixels.items():
            self.for_pixel(pixel, *steps)
        for event_id, steps in document.events.items():
            self.for_event(event_id, *steps)
        self._poison.update(document.poison)

    def clear(self) -> None:
        self._requests = _Steps()
        self._pixels.clear()
        self._events.clear()
        self._poison.clear()

    def remaining(self) -> ScriptDocument:
        """Return the steps that are not used up yet."""
        return ScriptDocument(
            requests=self._requests.remaining(),
            pixels=_remaining(self._pixels),
            events=_remaining(self._events),
            poison=dict(self._poison),
        )

    def take_for_request(self) -> AnyStep | None:
        """Return the step of the next request, needed before its body is read, or None."""
        return self._requests.take()

    def take_for(self, pixel: str | None, event_ids: Sequence[str | None]) -> Decision | None:
        """Return the step of one of these events, or else of the pixel, or None."""
        decision = self._take_for_events(event_ids) if self._events else None
        if decision is None or isinstance(decision.step, Pass):
            steps = self._pixels.get(pixel or "")
            step = steps.take() if steps else None
            decision = decision if step is None else Decision(step)
        return decision

    def poisoned(self, event_ids: Sequence[str | None]) -> tuple[int, Poison] | None:
        """Return the index of the first poisonous event among these, or None."""
        if self._poison:
            for index, event_id in enumerate(event_ids):
                if event_id in self._poison:
                    return index, self._poison[event_id]
        return None

    def used_up(self, event_ids: Sequence[str | None]) -> list[str]:
        """Return those of the events whose script is used up."""
        if not self._events:
            return []
        return [each for each in event_ids if each in self._events and self._events[each].peek() is None]

    def _take_for_events(self, event_ids: Sequence[str | None]) -> Decision | None:
        scripted = [(index, steps) for index, each in enumerate(event_ids) if (steps := self._steps_of(each))]
        for index, steps in scripted:
            step = steps.peek()
            if step is not None and not _is_success(step):
                steps.take()
                return Decision(step, index)
        taken = [Decision(step, index) for index, steps in scripted if (step := steps.take())]
        return next((each for each in taken if isinstance(each.step, Code)), taken[0] if taken else None)

    def _steps_of(self, event_id: str | None) -> _Steps | None:
        return None if event_id is None else self._events.get(event_id)


def _is_success(step: AnyStep) -> bool:
    return isinstance(step, Pass) or (isinstance(step, Code) and step.code == 0)


def _remaining(steps_by_key: Mapping[str, _Steps]) -> dict[str, list[AnyStep]]:
    return {key: steps.remaining() for key, steps in steps_by_key.items() if steps.peek() is not None}


def _refuse_early_reset(steps: Iterable[AnyStep]) -> None:
    if any(isinstance(step, Reset) and step.when == "before_body" for step in steps):
        raise ScriptUnusable(
            "a reset before the body can only be scripted for requests, whose events are not known yet"
        )
