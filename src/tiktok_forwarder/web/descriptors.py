"""File descriptors: how many connections the process can have, with some always kept for its other work."""

import errno
import os
import resource
from typing import Final

# For deliveries, the store's files, the command line's socket and everything else that is not a sender's connection.
_KEPT_DESCRIPTORS: Final = 256
_OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE)


def connections_within_descriptors(wanted: int) -> int:
    """Raise the process's soft limit of descriptors as far as `wanted` connections need; return how many it allows.

    Under a low hard limit at least half of the descriptors are kept for other work.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _KEPT_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, max(soft - _KEPT_DESCRIPTORS, soft // 2)))


def are_descriptors_used_up() -> bool:
    """Return whether the process cannot open a file now."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in _OUT_OF_DESCRIPTORS
    return False
