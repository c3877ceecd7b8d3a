"""Batches in files or on standard input, in any form that mParticle sends."""

import gzip
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tiktok_forwarder.domain.errors import UnreadableBody
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.mparticle.parse import Bounds, parse_lines

_GZIP_MAGIC: Final = b"\x1f\x8b"
STANDARD_INPUT: Final = Path("-")


def read_batches(files: Sequence[Path]) -> Iterator[Batch | UnreadableBody]:
    """Yield the batches of the files, plain or gzip. A file or line that cannot be read is an error in its place."""
    for file in files:
        name = "standard input" if file == STANDARD_INPUT else str(file)
        try:
            body = sys.stdin.buffer.read() if file == STANDARD_INPUT else file.read_bytes()
            body = gzip.decompress(body) if body.startswith(_GZIP_MAGIC) else body
        except (OSError, EOFError, zlib.error) as error:
            yield UnreadableBody(f"{name}: cannot read: {getattr(error, 'strerror', None) or error}")
            continue
        for found in parse_lines(body, Bounds()):
            yield UnreadableBody(f"{name}, {found}") if isinstance(found, UnreadableBody) else found
