"""`python -m scripts.flame_graph`: draw the samples of `make flame`, thread by thread.

A frame is as wide as the share of its thread's samples in which its function was on the stack, and is below its caller.
How the thread began, which all its samples have in common, is left out, and so are frames too narrow to be seen.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from scripts.svg import document, text

SAMPLES_FOLDER: Final = Path("build")
CHARTS_FOLDER: Final = Path("docs/images")
LEAST_SHARE: Final = 0.003
_WIDTH: Final = 520
_MARGIN: Final = 6
_ROW: Final = 17
_HEAD: Final = 24
_FONT: Final = 13
_LETTER: Final = 8
_OURS: Final = "#b9d7f2"
_OTHERS: Final = "#e3e3e3"
# A single sample at the thread's start or end does not count.
_START_SHARE: Final = 0.995
# The profiler counts a thread that waits for a lock as one that runs.
_WAITING: Final = ("tiktok_forwarder.database.thread: DatabaseThread._next_jobs",)
_LEAST_THREAD_SHARE: Final = 0.01
_THREAD: Final = re.compile(r"^thread \(\S+\)(?:: )?")
_FRAME: Final = re.compile(r"^(.*) \(([^()]*?)(?::\d+)?\)$")
# What is before the module in the path of a file: a checkout, or a Python and its libraries.
_FOLDERS: Final = re.compile(r"^.*/(?:site-packages|src|lib-dynload|python3\.\d+)/")


class UnusableSamples(Exception):
    """The file has no samples of the profiler; the text is for a person."""


class Frame(Struct):
    """A function on the stacks below one caller, and in how many samples it was there."""

    name: str
    samples: int = 0
    callees: dict[str, "Frame"] = field(default_factory=dict)

    def add(self, stack: Iterable[str], samples: int) -> None:
        """Count the samples for this frame and each function of the stack, the caller first."""
        frame = self
        frame.samples += samples
        for name in stack:
            frame = frame.callees.setdefault(name, Frame(name))
            frame.samples += samples

    def depth(self, least: float) -> int:
        """Return how many rows the frames below take that are in at least so many samples."""
        return max((1 + each.depth(least) for each in self.callees.values() if each.samples >= least), default=0)

    def without_start(self) -> "Frame":
        """Return the thread with the last function that all its samples have in common as the first one called."""
        frame = self
        while starts := [each for each in frame.callees.values() if each.samples >= self.samples * _START_SHARE]:
            (frame,) = starts
        return self if frame is self else Frame(self.name, self.samples, {frame.name: frame})


def readable_frame(frame: str) -> str:
    """Return `module: function` of a profiler's `function (file:line)`, with no path of the machine.

    >>> readable_frame("Front.__call__ (/home/me/src/tiktok_forwarder/web/front.py:47)")
    'tiktok_forwarder.web.front: Front.__call__'
    """
    found = _FRAME.match(frame)
    if found is None:
        return frame
    function, file = found.groups()
    file = _FOLDERS.sub("", file)
    if file.startswith("/"):
        file = file.rpartition("/")[2]
    module = re.sub(r"\.\w+$", "", file).replace("/__init__", "").replace("/", ".")
    return f"{module}: {function}"


def read_threads(file: Path) -> list[Frame]:
    """Return the threads with their stacks, the one with most samples first. Raises `UnusableSamples`."""
    threads: dict[str, Frame] = {}
    try:
        for line in file.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            thread, *frames = stack.split(";")
            name = _THREAD.sub("", thread) or "a thread without a name"
            functions = [readable_frame(frame) for frame in frames]
            if not functions or functions[-1] not in _WAITING:
                threads.setdefault(name, Frame(name)).add(functions, int(count))
    except (OSError, ValueError) as error:
        raise UnusableSamples(f"{file}: {type(error).__name__}: {error}; run make flame first") from None
    if not threads:
        raise UnusableSamples(f"{file}: there are no samples; run make flame first")
    return sorted(threads.values(), key=lambda thread: -thread.samples)


def draw(threads: Sequence[Frame], title: str) -> str:
    """Return the graph as SVG, without threads that have hardly a sample."""
    total = sum(thread.samples for thread in threads)
    lines = [text(_MARGIN, 17, title)]
    top = _HEAD
    for thread in (each.without_start() for each in threads if each.samples >= total * _LEAST_THREAD_SHARE):
        lines += [text(_MARGIN, top + 17, f"{thread.name}: {thread.samples / total:.0%} of all samples")]
        lines += _rows(thread, _MARGIN, top + _HEAD, thread.samples)
        top += _HEAD + thread.depth(thread.samples * LEAST_SHARE) * _ROW + _MARGIN
    return document(_WIDTH, top, lines, title=title, font_size=_FONT)


def _rows(caller: Frame, left: float, top: float, total: int) -> Iterator[str]:
    """Yield the frames that a frame calls, from the left with the widest first, each with those below it."""
    for frame in sorted(caller.callees.values(), key=lambda each: (-each.samples, each.name)):
        share = frame.samples / total
        if share < LEAST_SHARE:
            continue
        width = share * (_WIDTH - 2 * _MARGIN)
        yield _box(frame.name, share, left, top, width)
        yield from _rows(frame, left, top + _ROW, total)
        left += width


def _box(name: str, share: float, left: float, top: float, width: float) -> str:
    module, _, function = name.rpartition(": ")
    color = _OURS if module.startswith("tiktok_forwarder") else _OTHERS
    label = _shortened(function, int((width - 4) / _LETTER))
    shown = f'<text x="{left + 2:.1f}" y="{top + 13:.0f}">{escape(label)}</text>' if label else ""
    return (
        f"<g><title>{escape(name)}: {share:.1%}</title>"
        f'<rect x="{left:.1f}" y="{top:.0f}" width="{max(width - 0.5, 0.5):.1f}" height="{_ROW - 1}" fill="{color}"/>'
        f"{shown}</g>"
    )


def _shortened(function: str, letters: int) -> str:
    """Return as much of the name as fits: the whole, without its class, or its beginning; nothing if that is little."""
    for name in (function, function.rpartition(".")[2]):
        if len(name) <= letters:
            return name
    return f"{name[: letters - 1]}…" if letters >= 5 else ""


def main(arguments: Sequence[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="make flame", description="Draw the samples of make flame as flame graphs.")
    parser.add_argument("samples", nargs="*", type=Path, help="files of py-spy in its raw format")
    parser.add_argument("--folder", type=Path, default=CHARTS_FOLDER)
    given = parser.parse_args(arguments)
    try:
        for file in given.samples or sorted(SAMPLES_FOLDER.glob("flame-*.txt")):
            chart = given.folder / f"{file.stem}.svg"
            chart.write_text(draw(read_threads(file), _title(file)))
            print(f"drawn: {chart}")
    except UnusableSamples as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _title(file: Path) -> str:
    """Return the graph's title; the name of the file is `flame-EVENTSxCONNECTIONS`."""
    events, _, connections = file.stem.removeprefix("flame-").partition("x")
    each = "1 event" if events == "1" else f"{events} events"
    return f"Requests of {each} over {connections} connections"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
