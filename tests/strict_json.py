"""JSON as a strict reader takes it, to check what is sent to others."""

import json
import math
from typing import Any


def read_strictly(body: bytes) -> Any:
    """Return the value of a JSON text. Raises `ValueError` where readers differ or refuse.

    That is: bytes that are not UTF-8, NaN and infinities, numbers beyond a double, and a member that appears twice.
    """
    return json.loads(
        body.decode("utf-8"), parse_constant=_refuse, parse_float=_finite, parse_int=_whole, object_pairs_hook=_unique
    )


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is beyond a double")
    return number


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in members]
    if len(set(names)) < len(names):
        raise ValueError(f"a member appears twice: {sorted(names)}")
    return dict(members)
