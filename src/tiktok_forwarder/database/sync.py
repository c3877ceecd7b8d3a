"""Syncs what must outlive a power failure: a file for its content, a directory for the names in it."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Sync a file or a directory to disk. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
