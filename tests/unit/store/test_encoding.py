"""Values as every durable store keeps them."""

import pytest

from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.store.encoding import decoded_answer, encoded_answer, packed_subjects, unpacked_subjects


@pytest.mark.parametrize("count", range(20))
def test_subjects_come_back_as_they_were_packed(count: int) -> None:
    """Eight bytes each, the most significant first, so that a search can compare bytes."""
    subjects = tuple(2**64 - 1 - number for number in range(count))
    packed = packed_subjects(subjects)
    assert packed == b"".join(subject.to_bytes(8, "big") for subject in subjects)
    assert unpacked_subjects(packed) == subjects


def test_answer_comes_back_as_it_was_encoded() -> None:
    """No answer is no bytes, and not the answer without members."""
    answer = Answer(200, 40002, "Invalid value", "r1")
    assert decoded_answer(encoded_answer(answer)) == answer
    assert encoded_answer(None) is None and decoded_answer(None) is None
