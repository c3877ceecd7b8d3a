"""Measures how deep a JSON text nests, without decoding it: decoders recurse, and a hostile body is all brackets."""

import re
from array import array
from itertools import accumulate
from typing import Final

_ONE_BATCH_BYTES: Final = 16 * 1024
_NOT_MARKS: Final = bytes(byte for byte in range(256) if byte not in b'{}[]"')
_NOT_OPENING: Final = bytes(byte for byte in range(256) if byte not in b"{[")
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
# As signed bytes.
_STEPS: Final = bytes.maketrans(b"[]", b"\x01\xff")
# Enough for what senders send; for deeper bodies one step for each bracket is quicker.
_MAX_ROUNDS: Final = 8
_STRING: Final = re.compile(rb'"[^"]*"?')


def is_deeper_than(body: bytes, levels: int) -> bool:
    """Return whether a value of `body` is deeper than `levels`. Linear in the body; exact if the text is JSON."""
    # Counting is the quicker check of one batch; a bulk body has more brackets than that anyway.
    if len(body) < _ONE_BATCH_BYTES and len(body.translate(None, _NOT_OPENING)) <= levels:
        return False
    if b"\\" in body:
        # From the left, so what is left of an odd number of backslashes escapes what follows.
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    # Without brackets in strings, only pairs of quotes remain. Removing an adjacent pair never moves a bracket into or
    # out of a string.
    marks = body.translate(_ONE_KIND, _NOT_MARKS).replace(b'""', b"")
    marks = _STRING.sub(b"", marks)
    rounds = min(levels, _MAX_ROUNDS)
    for _ in range(rounds):
        if not marks:
            return False
        # One round removes the innermost pairs, so one level, from every branch.
        marks = marks.replace(b"[]", b"")
    steps = array("b", marks.translate(_STEPS))
    return max(accumulate(steps), default=0) > levels - rounds
