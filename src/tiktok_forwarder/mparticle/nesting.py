"""Bounds how deep a JSON text nests: decoders recurse, and a hostile body is all brackets.

The brackets of an ordinary body, few for its size, only need to be counted.
"""

import re
from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from tiktok_forwarder.mparticle.batch import Batch

# Ordinary bodies have one in about a hundred bytes.
_MIN_BYTES_PER_BRACKET: Final = 32
# The most that `_named` counts of one path: batch, event, data, product action, list of products, product.
_MAX_NAMED_LEVELS: Final = 6
_NOT_MARKS: Final = bytes(byte for byte in range(256) if byte not in b'{}[]"')
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
# As signed bytes.
_STEPS: Final = bytes.maketrans(b"[]", b"\x01\xff")
# Enough for what senders send; for deeper bodies one step for each bracket is quicker.
_MAX_ROUNDS: Final = 8
_STRING: Final = re.compile(rb'"[^"]*"?')


def opening_brackets(body: bytes, levels: int) -> int:
    """Count opening brackets, also those in strings, as far as `are_many` and a comparison with `levels` need it."""
    most = levels + 1 + len(body) // _MIN_BYTES_PER_BRACKET
    # Removing bytes is several times as quick as counting them.
    return len(body) - len(body.replace(b"{", b"", most).replace(b"[", b"", most))


def are_many(brackets: int, body: bytes, levels: int) -> bool:
    """Return whether measuring takes less time than decoding."""
    return brackets > levels + len(body) // _MIN_BYTES_PER_BRACKET


def may_be_deeper_than(brackets: int, batches: Sequence[Batch], levels: int) -> bool:
    """Return whether a body with so many brackets, of which the decoder made `batches`, may be deeper than `levels`.

    Never wrong when it says no: each level of an unnamed value takes a bracket, and named ones make few levels.
    """
    return brackets - _named(batches) > levels - _MAX_NAMED_LEVELS


def _named(batches: Sequence[Batch]) -> int:
    """Count objects and lists that were decoded by name: those of which a body has many, not all."""
    count = len(batches)
    for batch in batches:
        for event in batch.events or ():
            if event is None or (data := event.data) is None:
                continue
            count += 2
            if data.custom_flags is not None:
                count += 1
            if data.custom_attributes is not None:
                count += 1
            action = data.product_action
            if action is not None:
                products = action.products
                count += 1 if products is None else 2 + len(products)
    return count


def is_deeper_than(body: bytes, levels: int) -> bool:
    """Return whether a value of `body` is deeper than `levels`. Linear in the body; exact if the text is JSON."""
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
