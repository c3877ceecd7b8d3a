"""`python -m scripts.soak_chart`: draw the samples of `make soak` as a small chart, a panel for each figure."""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Final

from msgspec import Struct

from scripts.svg import document, text

SAMPLES_FILE: Final = Path("build/soak.csv")
CHART_FILE: Final = Path("docs/images/soak.svg")
_WIDTH: Final = 760
_LEFT: Final = 60
_RIGHT: Final = 20
_PANEL_HEIGHT: Final = 100
_PLOT_HEIGHT: Final = 60
_TITLE_HEIGHT: Final = 24
_MAX_POINTS: Final = 300


class Panel(Struct, frozen=True):
    """A column of the samples, its title, and how its numbers are written."""

    column: str
    title: str
    digits: int


PANELS: Final = (
    Panel("memory_mib", "Memory (MiB)", 0),
    Panel("descriptors", "Open descriptors", 0),
    Panel("loop_delay_ms", "Mean delay of the event loop (ms)", 1),
)


class UnusableSamples(Exception):
    """The file has no samples of a soak; the text is for a person."""


def read_samples(file: Path) -> list[dict[str, float]]:
    """Return the samples by column. Raises `UnusableSamples`."""
    needed = {"seconds", *(panel.column for panel in PANELS)}
    try:
        with file.open(newline="") as stream:
            samples = [{name: float(row[name]) for name in needed} for row in csv.DictReader(stream)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UnusableSamples(f"{file}: {type(error).__name__}: {error}; run make soak first") from None
    if not samples:
        raise UnusableSamples(f"{file}: there are no samples; run make soak first")
    return samples


def draw(samples: Sequence[dict[str, float]]) -> str:
    """Return the chart as SVG. Of many samples, means of neighbors are drawn."""
    size = -(-len(samples) // _MAX_POINTS)
    groups = [samples[start : start + size] for start in range(0, len(samples), size)]
    points = [{name: mean(sample[name] for sample in group) for name in group[0]} for group in groups]
    height = len(PANELS) * _PANEL_HEIGHT + 30
    lines: list[str] = []
    last_seconds = samples[-1]["seconds"]
    for number, panel in enumerate(PANELS):
        lines += _panel(panel, number * _PANEL_HEIGHT, samples, points, last_seconds)
    lines += _time_axis(last_seconds, height)
    return document(_WIDTH, height, lines)


def _panel(
    panel: Panel,
    top: int,
    samples: Sequence[dict[str, float]],
    points: Sequence[dict[str, float]],
    last_seconds: float,
) -> list[str]:
    values = [sample[panel.column] for sample in samples]
    highest = max([10**-panel.digits, *(point[panel.column] for point in points)])
    bottom = top + _TITLE_HEIGHT + _PLOT_HEIGHT
    line = " ".join(
        f"{_x(point['seconds'], last_seconds):.1f},{bottom - point[panel.column] / highest * _PLOT_HEIGHT:.1f}"
        for point in points
    )
    spread = f"lowest {min(values):,.{panel.digits}f}, highest {max(values):,.{panel.digits}f}"
    right = _WIDTH - _RIGHT
    return [
        text(_LEFT, top + 16, f"{panel.title}: {spread}"),
        f'<path d="M{_LEFT} {bottom}H{right}M{_LEFT} {bottom - _PLOT_HEIGHT}H{right}" stroke="#ddd"/>',
        text(_LEFT - 6, bottom, "0", "end"),
        text(_LEFT - 6, bottom - _PLOT_HEIGHT + 4, f"{highest:,.{panel.digits}f}", "end"),
        f'<polyline points="{line}" fill="none" stroke="#1668b8" stroke-width="1.2"/>',
    ]


def _time_axis(last_seconds: float, height: int) -> list[str]:
    minutes = last_seconds / 60
    marks = [minutes * part / 3 for part in range(4)]
    return [text(_x(mark * 60, last_seconds), height - 10, f"{mark:.3g} min", "middle") for mark in marks]


def _x(seconds: float, last_seconds: float) -> float:
    return _LEFT + seconds / max(last_seconds, 1.0) * (_WIDTH - _LEFT - _RIGHT)


def main(arguments: Sequence[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="make chart", description="Draw the samples of make soak as a chart.")
    parser.add_argument("samples", nargs="?", type=Path, default=SAMPLES_FILE)
    parser.add_argument("chart", nargs="?", type=Path, default=CHART_FILE)
    given = parser.parse_args(arguments)
    try:
        chart = draw(read_samples(given.samples))
    except UnusableSamples as error:
        print(error, file=sys.stderr)
        return 2
    given.chart.write_text(chart)
    print(f"drawn: {given.chart}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
