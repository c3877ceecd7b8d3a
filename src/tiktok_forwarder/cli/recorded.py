"""Recorded batches on their way into an import: cut into pieces that fit a request, each with its place in the file.

Nothing is decoded here but what must be to find where a batch ends: the service parses.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

import msgspec

from tiktok_forwarder.domain.errors import UnreadableBody

_GZIP_MAGIC: Final = b"\x1f\x8b"
_BLANK: Final = b" \t\r\n"
MOST_BATCHES: Final = 200
MOST_BYTES: Final = 512 * 1024


class Piece(NamedTuple):
    """Batches as they stand in the file, from line `first` on (from the first batch on, where the file is one list).

    `end` is the place after the last of them: a later run can go on there.
    """

    batches: list[bytes]
    first: int
    end: int

    def body(self) -> bytes:
        return b"[" + b",".join(self.batches) + b"]"


def pieces(file: Path, start: int) -> Iterator[Piece]:
    """The file's batches from place `start` on. Raises `UnreadableBody` if the file itself cannot be read."""
    try:
        with _opened(file) as stream:
            first = next(line for line in stream if line.strip(_BLANK))
    except StopIteration:
        return
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableBody(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        yield from _grouped(_lines(file) if _is_whole(first) else _documents(file), start)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableBody(f"{file}: cannot be read to its end: {error}") from None


def _opened(file: Path) -> IO[bytes]:
    with file.open("rb") as probe:
        is_gzip = probe.read(2) == _GZIP_MAGIC
    return cast("IO[bytes]", gzip.open(file, "rb")) if is_gzip else file.open("rb")


def _is_whole(line: bytes) -> bool:
    """Whether the line is JSON by itself, so that the file has a batch (or a list of them) on each."""
    try:
        msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, RecursionError):
        # A broken first line among others is told as such; a document over several lines opens without closing.
        return line.strip(_BLANK)[-1:] in (b"}", b"]")
    return True


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    with _opened(file) as stream:
        for number, line in enumerate(stream, 1):
            stripped = line.strip(_BLANK)
            if stripped:
                yield number, stripped


def _documents(file: Path) -> Iterator[tuple[int, bytes]]:
    """The batches of a file that is one JSON text over several lines."""
    with _opened(file) as stream:
        content = io.BytesIO(stream.read()).getvalue().strip(_BLANK).removeprefix(b"\xef\xbb\xbf")
    if not content.startswith(b"["):
        yield 1, content
        return
    try:
        items = msgspec.json.decode(content, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableBody(f"{file}: is not JSON: {error}") from None
    for number, item in enumerate(items, 1):
        yield number, bytes(item)


def _grouped(numbered: Iterator[tuple[int, bytes]], start: int) -> Iterator[Piece]:
    batches: list[bytes] = []
    first = end = size = 0
    for number, batch in numbered:
        if number <= start:
            continue
        if batches and (len(batches) >= MOST_BATCHES or size + len(batch) > MOST_BYTES):
            yield Piece(batches, first, end)
            batches, size = [], 0
        if not batches:
            first = number
        batches.append(batch)
        size += len(batch)
        end = number
    if batches:
        yield Piece(batches, first, end)
