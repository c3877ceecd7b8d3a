"""Paths of routes, as senders write them."""

import re
from typing import Final

_SLASHES: Final = re.compile("//+")


def without_extra_slashes(path: str) -> str:
    """Return the path with single slashes and none at its end.

    mParticle's Node SDK makes `/v2//events` of a base path that ends in a slash.
    """
    if "//" in path:
        path = _SLASHES.sub("/", path)
    return path.rstrip("/")
