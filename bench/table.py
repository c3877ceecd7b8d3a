"""Tables of figures: medians of the rounds; with another checkout, a line for each and one for their ratio."""

import statistics
from collections.abc import Sequence
from typing import Final, NamedTuple

from bench.checkouts import THIS, Measured, Round

_RATIO_FORM: Final = ".2f"


class Column(NamedTuple):
    """The head of a column, its width, and how its figures are written."""

    title: str
    width: int
    form: str = ",.0f"


class Table:
    """Prints rows whose first columns are labels, and whose others are figures."""

    def __init__(self, labels: Sequence[tuple[str, int]], figures: Sequence[Column], note: str = "") -> None:
        self._labels = labels
        self._figures = figures
        self._note = note

    def print_head(self) -> None:
        titles = [*self._labels, *((column.title, column.width) for column in self._figures)]
        print(" ".join(f"{title:>{width}}" for title, width in titles) + self._note)

    def print_row(self, labels: Sequence[object], measured: Measured) -> None:
        """Print the medians; with another checkout, both and the ratio: the median of the rounds' ratios."""
        for checkout, rounds in measured.items():
            cells = [
                f"{figure:>{column.width}{column.form}}"
                for column, figure in zip(self._figures, _medians(rounds), strict=True)
            ]
            self._print_line(labels, cells, checkout.name if len(measured) > 1 else "")
        for checkout in measured.keys() - {THIS}:
            ratios = [_ratios(*pair) for pair in zip(measured[THIS], measured[checkout], strict=True)]
            cells = [
                f"{ratio:>{column.width}{_RATIO_FORM}}"
                for column, ratio in zip(self._figures, _medians(ratios), strict=True)
            ]
            self._print_line(labels, cells, "ratio")

    def _print_line(self, labels: Sequence[object], cells: Sequence[str], name: str) -> None:
        shown = [f"{_text(label):>{width}}" for label, (_, width) in zip(labels, self._labels, strict=True)]
        print(" ".join([*shown, *cells, name]).rstrip(), flush=True)


def _text(label: object) -> str:
    return f"{label:,}" if isinstance(label, int) else str(label)


def _medians(rounds: Sequence[Round]) -> list[float]:
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def _ratios(ours: Round, theirs: Round) -> list[float]:
    """Return this checkout's figures of a round divided by the other's, not a number where that is 0."""
    return [mine / other if other else float("nan") for mine, other in zip(ours, theirs, strict=True)]
