"""Notes events that are sent again after a final outcome: the sign of a client that retries wrongly."""

from collections.abc import Iterator
from typing import Final

from tiktok_sandbox.arrival import Arrival
from tiktok_sandbox.facts import BAD_PARAMETER, DUPLICATE_REQUEST, NOT_HASHED, OK, PARTLY
from tiktok_sandbox.script import Script
from tiktok_sandbox.seen import event_key
from tiktok_sandbox.verdict import Verdict

_FINAL_FOR_ALL: Final = frozenset({OK, PARTLY, DUPLICATE_REQUEST})
# Final for the event that the answer names, or that was the only one in its request.
_FINAL_FOR_ONE: Final = frozenset({40000, BAD_PARAMETER, 40011, NOT_HASHED})


class RepeatWatch:
    """Stores final answers up to `limit`; an answer lost in transit counts as given."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._final_code: dict[bytes, int] = {}

    def find_faults(self, arrival: Arrival, script: Script) -> list[str]:
        """Return the faults. Must be called before the request uses up its step of the script."""
        faults = [
            f"event {arrival.event_ids[index]} was sent again after its final answer {self._final_code[key]}"
            for index, key in _keys(arrival)
            if key in self._final_code
        ]
        ended = script.used_up(arrival.event_ids)
        return faults + [f"event {event_id} was sent more often than scripted" for event_id in ended]

    def learn(self, arrival: Arrival, verdict: Verdict) -> None:
        code = verdict.code
        if code is None:
            return
        for index, key in _keys(arrival):
            is_named = index == verdict.bad_index or len(arrival.events) == 1
            if code in _FINAL_FOR_ALL or (code in _FINAL_FOR_ONE and is_named):
                self._remember(key, code)

    def clear(self) -> None:
        self._final_code.clear()

    def _remember(self, key: bytes, code: int) -> None:
        if len(self._final_code) < self._limit:
            self._final_code[key] = code


def _keys(arrival: Arrival) -> Iterator[tuple[int, bytes]]:
    for index, (name, event_id) in enumerate(zip(arrival.event_names, arrival.event_ids, strict=True)):
        if event_id:
            yield index, event_key(arrival.pixel, name, event_id)
