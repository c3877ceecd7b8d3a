"""Recorded batches to import: cut into pieces that fit a request, each with its place in the file.

Only the ends of batches are decoded here: the service parses the rest.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

import msgspec

from tiktok_forwarder.domain.errors import UnreadableBody
from tiktok_forwarder.mparticle.parse import BUCKET_CHECK

_GZIP_MAGIC: Final = b"\x1f\x8b"
_BLANK: Final = b" \t\r\n"
MAX_BATCHES: Final = 200
MAX_BYTES: Final = 512 * 1024


class Recorded(NamedTuple):
    """One batch as in the file: its number from the start, and where it is, for people."""

    number: int
    place: str
    batch: bytes


class Piece(NamedTuple):
    """Batches that go into one request. `end` is the number of the last one: a later run can continue after it."""

    recorded: list[Recorded]

    @property
    def end(self) -> int:
        return self.recorded[-1].number

    def body(self) -> bytes:
        return b"[" + b",".join([each.batch for each in self.recorded]) + b"]"


def pieces(file: Path, start: int) -> Iterator[Piece]:
    """Yield the file's batches after number `start`. Raises `UnreadableBody` if the file itself cannot be read."""
    try:
        with _opened(file) as stream:
            first = next(line for line in stream if line.strip(_BLANK))
        if _is_bucket_check(file):
            return
    except StopIteration:
        return
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableBody(f"{file}: cannot read: {getattr(error, 'strerror', None) or error}") from None
    try:
        yield from _grouped(_lines(file) if _is_whole(first) else _documents(file), start)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableBody(f"{file}: cannot read to the end: {error}") from None


def _opened(file: Path) -> IO[bytes]:
    with file.open("rb") as probe:
        is_gzip = probe.read(2) == _GZIP_MAGIC
    return cast("IO[bytes]", gzip.open(file, "rb")) if is_gzip else file.open("rb")


def _is_bucket_check(file: Path) -> bool:
    """Return whether the file is the one by which mParticle checks that it may write to a bucket: no batch."""
    text = b""
    with _opened(file) as stream:
        for line in stream:
            text += line.translate(None, _BLANK)
            if len(text) > len(BUCKET_CHECK):
                return False
    return text == BUCKET_CHECK


def _is_whole(line: bytes) -> bool:
    """Return whether the line is complete JSON, so that the file has a batch (or a list of them) on each line."""
    try:
        msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, RecursionError):
        # A broken first line among others is reported as such; a document over several lines opens without closing.
        return line.strip(_BLANK)[-1:] in (b"}", b"]")
    return True


def _lines(file: Path) -> Iterator[Recorded]:
    number = 0
    with _opened(file) as stream:
        for line_number, line in enumerate(stream, 1):
            text = line.strip(_BLANK).removeprefix(b"\xef\xbb\xbf")
            for batch in _items(text) if text.startswith(b"[") else [text] if text else []:
                number += 1
                yield Recorded(number, f"line {line_number}", batch)


def _documents(file: Path) -> Iterator[Recorded]:
    """Yield the batches of a file that is one JSON text over several lines."""
    with _opened(file) as stream:
        text = stream.read().strip(_BLANK).removeprefix(b"\xef\xbb\xbf")
    for number, batch in enumerate(_items(text) if text.startswith(b"[") else [text], 1):
        yield Recorded(number, f"batch {number}", batch)


def _items(text: bytes) -> list[bytes]:
    """Return the elements of a list; a text that is not a list is left to the service to refuse."""
    try:
        return [bytes(item) for item in msgspec.json.decode(text, type=list[msgspec.Raw])]
    except (msgspec.DecodeError, RecursionError):
        return [text]


def _grouped(found: Iterator[Recorded], start: int) -> Iterator[Piece]:
    piece: list[Recorded] = []
    size = 0
    for each in found:
        if each.number <= start:
            continue
        if piece and (len(piece) >= MAX_BATCHES or size + len(each.batch) > MAX_BYTES):
            yield Piece(piece)
            piece, size = [], 0
        piece.append(each)
        size += len(each.batch)
    if piece:
        yield Piece(piece)
