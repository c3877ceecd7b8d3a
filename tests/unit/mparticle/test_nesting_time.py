"""Measuring how deep a body nests takes time linear in the body, whatever its brackets are."""

from time import process_time

import pytest

from tiktok_forwarder.mparticle.nesting import is_deeper_than

DEEP = b"[" * 199 + b"]" * 199


@pytest.mark.parametrize("piece", [DEEP, b"[", b"]", b"[]", b"]" * 100 + b"[" * 100, b'"', b'\\"', b"\\\\"])
def test_measuring_takes_one_step_a_bracket(piece: bytes) -> None:
    """A body of nested brackets takes a few times as long as one of pairs, not a hundred times."""

    def least(body: bytes) -> float:
        times = []
        for _ in range(3):
            begun = process_time()
            is_deeper_than(body, 200)
            times.append(process_time() - begun)
        return min(times)

    plain = max(least(b"[]" * 500_000), 0.002)
    assert any(least(piece * (1_000_000 // len(piece))) < 25 * plain for _ in range(8))


@pytest.mark.parametrize("levels", [0, 1, 7, 8, 9, 10, 198, 199])
def test_depth_is_measured_exactly_at_every_level(levels: int) -> None:
    """Up to eight levels are removed as pairs, deeper ones are counted."""
    padding = b" " * 20_000
    for deepest in (b"[" * (levels + 1) + b"]" * (levels + 1), b'{"[": ' * (levels + 1) + b"1" + b"}" * (levels + 1)):
        body = b"[1," + deepest[1:-1] + b"]" + padding if levels else deepest + padding
        assert is_deeper_than(body, levels)
        assert not is_deeper_than(body, levels + 1)
