"""What reached the sandbox, byte by byte."""

from tiktok_sandbox.records import ReceivedEvent


class Payloads:
    """The bytes of every event the sandbox got: they never change, however often an event is sent."""

    def __init__(self) -> None:
        self._hashes: dict[str, int] = {}
        self._requests: dict[int, int] = {}
        self._last_number = 0

    @property
    def largest_request(self) -> int:
        return max(self._requests.values(), default=0)

    def look_at(self, events: list[ReceivedEvent]) -> None:
        """All that are kept, in order of arrival."""
        new = [event for event in events if event.number > self._last_number]
        if not new:
            return
        assert new[0].number == self._last_number + 1, "the sandbox has forgotten events that were not looked at"
        self._last_number = new[-1].number
        for event in new:
            assert event.event_id is not None
            assert self._hashes.setdefault(event.event_id, hash(event.payload)) == hash(event.payload), event
            self._requests[event.request_number] = self._requests.get(event.request_number, 0) + 1
