"""The stored forms that every durable store shares, so that contents can be moved between them."""

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from struct import Struct
from typing import Final

import msgspec

from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.store.queue import NewEvent

EVENT_KEY_BYTES: Final = 16
_SUBJECT_BYTES: Final = 8


def event_key(event: NewEvent) -> bytes:
    """Return the event's de-duplication key. Lengths separate its parts, since any character may occur in them."""
    connection_id, event_name = event.connection_id, event.event_name
    named = f"{len(connection_id)}:{connection_id}{len(event_name)}:{event_name}{event.event_id}"
    return blake2b(named.encode(), digest_size=EVENT_KEY_BYTES).digest()


@cache
def _subjects(count: int) -> Struct:
    return Struct(f">{count}Q")


def packed_subjects(subjects: Sequence[int]) -> bytes:
    return _subjects(len(subjects)).pack(*subjects)


def unpacked_subjects(packed: bytes) -> tuple[int, ...]:
    return _subjects(len(packed) // _SUBJECT_BYTES).unpack(packed)


def encoded_answer(answer: Answer | None) -> bytes | None:
    return None if answer is None else msgspec.json.encode(answer)


def decoded_answer(encoded: bytes | None) -> Answer | None:
    return None if encoded is None else msgspec.json.decode(encoded, type=Answer)
