"""How the parts of an event that are no plain values stand in a row."""

import struct
from collections.abc import Sequence

import msgspec

from tiktok_forwarder.domain.outcome import Answer

_SUBJECT_BYTES = 8


def packed_subjects(subjects: Sequence[int]) -> bytes:
    return struct.pack(f">{len(subjects)}Q", *subjects)


def unpacked_subjects(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(packed) // _SUBJECT_BYTES}Q", packed)


def encoded_answer(answer: Answer | None) -> bytes | None:
    return None if answer is None else msgspec.json.encode(answer)


def decoded_answer(encoded: bytes | None) -> Answer | None:
    return None if encoded is None else msgspec.json.decode(encoded, type=Answer)
