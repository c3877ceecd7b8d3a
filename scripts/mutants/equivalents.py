"""The reviewed mutants: those that no test can notice, and those that survive for a known reason."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from scripts.mutants.mutator import Mutant

EQUIVALENTS_FILE: Final = Path("scripts/mutants/equivalent.toml")
_KEYS: Final = ("place", "function", "change", "reason")
_KINDS: Final = ("equivalent", "known")


class Reviewed(NamedTuple):
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
    """`equivalent` mutants are not survivors. `known` ones are, with the reason why no test notices them."""

    def __init__(self, equivalent: Iterable[Reviewed] = (), known: Iterable[Reviewed] = ()) -> None:
        self.equivalent: Final = {entry[:3]: entry for entry in equivalent}
        self.known: Final = {entry[:3]: entry for entry in known}

    def find(self, mutant: Mutant) -> Reviewed | None:
        """Return the entry of an equivalent mutant."""
        return self.equivalent.get((mutant.place, mutant.function, mutant.change))

    def find_known(self, mutant: Mutant) -> Reviewed | None:
        return self.known.get((mutant.place, mutant.function, mutant.change))

    def places(self) -> set[str]:
        return {entry.place for entry in self._entries()}

    def stale(self, mutants: Iterable[Mutant]) -> list[Reviewed]:
        """The entries that are none of these mutants, which are all of the files with entries."""
        existing = {(mutant.place, mutant.function, mutant.change) for mutant in mutants}
        return [entry for entry in self._entries() if entry[:3] not in existing]

    def _entries(self) -> list[Reviewed]:
        return [*self.equivalent.values(), *self.known.values()]


def read_equivalents(path: Path) -> Equivalents:
    """None if there is no such file. Raises `InvalidEquivalents`."""
    tables = tomllib.loads(path.read_text()) if path.exists() else {}
    if unknown := sorted(tables.keys() - set(_KINDS)):
        raise InvalidEquivalents(f"{path}: {unknown[0]} is unknown; there are {' and '.join(_KINDS)}.")
    return Equivalents(*(_read_entries(path, kind, tables.get(kind, [])) for kind in _KINDS))


def _read_entries(path: Path, kind: str, entries: Iterable[dict[str, str]]) -> list[Reviewed]:
    for number, entry in enumerate(entries, 1):
        if sorted(entry) != sorted(_KEYS) or not all(entry.values()):
            raise InvalidEquivalents(f"{path}: {kind} {number} must have {', '.join(_KEYS)}, and nothing else.")
    return [Reviewed(**entry) for entry in entries]
