"""How much of the disk the store may use, and for what."""

import os
from pathlib import Path
from typing import Final

from msgspec import Struct

PAGE_BYTES: Final = 8192
SMALLEST_STORE_BYTES: Final = 1024 * 1024

_SHARE_OF_FREE_SPACE: Final = 0.8
_LARGEST_DERIVED_BYTES: Final = 64 * 1024**3
# A log of this size is re-used again and again, which makes its syncs cheap; a larger one only makes restarts slow.
_MOST_CHECKPOINT_PAGES: Final = 4000
_LEAST_CHECKPOINT_PAGES: Final = 16
_LOG_SHARE: Final = 1 / 16
_MOST_TRANSACTION_BYTES: Final = 8 * 1024 * 1024


class StoreLimits(Struct, frozen=True):
    """Bounds that follow from one number, the largest size of the database file.

    New events are refused above `append_bytes`: the rest is the reserve, in which deliveries can still be marked and
    dead letters kept. One connection may hold up to `connection_bytes`. The write-ahead log is written back at
    `checkpoint_pages`; one transaction takes up about `transaction_bytes`. `disk_reserve_bytes` are kept from others.
    """

    max_pages: int
    append_bytes: int
    connection_bytes: int
    checkpoint_pages: int
    transaction_bytes: int

    @property
    def disk_reserve_bytes(self) -> int:
        """What a log of full size may add to the database, and a transaction to the log."""
        return self.checkpoint_pages * PAGE_BYTES + self.transaction_bytes


def store_limits(max_bytes: int, reserve_share: float) -> StoreLimits:
    append_bytes = int(max_bytes * (1 - reserve_share))
    log_pages = int(max_bytes * _LOG_SHARE) // PAGE_BYTES
    checkpoint_pages = max(_LEAST_CHECKPOINT_PAGES, min(_MOST_CHECKPOINT_PAGES, log_pages))
    return StoreLimits(
        max_pages=max_bytes // PAGE_BYTES,
        append_bytes=append_bytes,
        connection_bytes=append_bytes // 2,
        checkpoint_pages=checkpoint_pages,
        transaction_bytes=min(_MOST_TRANSACTION_BYTES, checkpoint_pages * PAGE_BYTES),
    )


def derived_max_bytes(path: Path) -> int:
    """From the free space now; what is left over is for the log and for others."""
    space = os.statvfs(path.parent)
    held = path.stat().st_size if path.exists() else 0
    return min(_LARGEST_DERIVED_BYTES, held + int(space.f_bavail * space.f_frsize * _SHARE_OF_FREE_SPACE))
