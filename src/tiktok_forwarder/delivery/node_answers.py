"""Delivery statuses as one node answers them to another, which may run the version before."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from tiktok_forwarder.delivery.interfaces import DeliveryStatus

# Version 0.1.0 can do without: until then, nodes with these four conditions may share the database.
_HEALTHY: Final = ("not_checked", "test", "live")
_NOW: Final = "condition_now"


def encode_statuses(statuses: Iterable[DeliveryStatus]) -> bytes:
    """Return the statuses with the condition that the version before knows, and the present one beside it."""
    return msgspec.json.encode(
        [
            {**msgspec.to_builtins(each), "condition": _earlier_condition(each), _NOW: each.condition}
            for each in statuses
        ]
    )


def decode_statuses(answer: bytes) -> Iterator[DeliveryStatus]:
    """Yield the statuses of an answer, but none from the version before: what it says of conditions is too little."""
    entries: list[dict[str, Any]] = msgspec.json.decode(answer)
    for entry in entries:
        if _NOW in entry:
            yield msgspec.convert({**entry, "condition": entry[_NOW]}, DeliveryStatus)


def _earlier_condition(status: DeliveryStatus) -> str:
    if status.is_paused:
        return "paused"
    return "healthy" if status.condition in _HEALTHY or status.condition == "refused" else status.condition
