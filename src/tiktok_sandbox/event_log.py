"""The log: one JSON line for each event received, on disk before the request is answered."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from tiktok_sandbox.records import ReceivedEvent

_ENCODER: Final = msgspec.json.Encoder()


class _Line(Struct, frozen=True, gc=False):
    path: str
    event_source_id: str | None
    event: str | None
    event_id: str | None
    code: int | None
    duplicate: bool


class EventLog:
    """Appends to a file. Written means passed to the operating system: it outlives the process, not the machine."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises OSError."""
        self._file = path.open("ab")

    def write(self, events: Iterable[ReceivedEvent]) -> None:
        """Append the events. Raises OSError."""
        lines = (
            _Line(each.path, each.event_source_id, each.event, each.event_id, each.code, each.duplicate)
            for each in events
        )
        self._file.write(_ENCODER.encode_lines(lines))
        self._file.flush()

    def close(self) -> None:
        self._file.close()
