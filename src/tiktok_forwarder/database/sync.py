"""What is to outlive a power failure is synced: a file for its content, a directory for the names in it."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Of a file or a directory. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
