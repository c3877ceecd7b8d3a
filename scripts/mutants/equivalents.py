"""The reviewed list of mutants that no test can notice, since they do the same in every case."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from scripts.mutants.mutator import Mutant

EQUIVALENTS_FILE: Final = Path("scripts/mutants/equivalent.toml")
_KEYS: Final = ("place", "function", "change", "reason")


class Equivalent(NamedTuple):
    """Names a mutant as the table of survivors does, but for the line, which would soon be another."""

    place: str
    function: str
    change: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}, {self.function}: {self.change}"


class InvalidEquivalents(Exception):
    """An entry lacks a key, or has one too many."""


class Equivalents:
    def __init__(self, entries: Iterable[Equivalent] = ()) -> None:
        self.entries: Final = {(entry.place, entry.function, entry.change): entry for entry in entries}

    def find(self, mutant: Mutant) -> Equivalent | None:
        return self.entries.get((mutant.place, mutant.function, mutant.change))

    def places(self) -> set[str]:
        return {entry.place for entry in self.entries.values()}

    def stale(self, mutants: Iterable[Mutant]) -> list[Equivalent]:
        """The entries that are none of these mutants, which are all of the files with entries."""
        existing = {(mutant.place, mutant.function, mutant.change) for mutant in mutants}
        return [entry for key, entry in self.entries.items() if key not in existing]


def read_equivalents(path: Path) -> Equivalents:
    """None if there is no such file. Raises `InvalidEquivalents`."""
    entries = tomllib.loads(path.read_text()).get("equivalent", []) if path.exists() else []
    for number, entry in enumerate(entries, 1):
        if sorted(entry) != sorted(_KEYS) or not all(entry.values()):
            raise InvalidEquivalents(f"{path}: entry {number} must have {', '.join(_KEYS)}, and nothing else.")
    return Equivalents(Equivalent(**entry) for entry in entries)
