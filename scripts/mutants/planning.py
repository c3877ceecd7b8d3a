"""Decides which tests a mutant meets, and in which order."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Final

from scripts.mutants.jobs import TEST_SECONDS, Job, PlannedTest
from scripts.mutants.mutator import Mutant
from scripts.mutants.reach import Reach, file_of
from scripts.mutants.swapping import module_name

# What it takes to import one more file of tests, about.
_IMPORT_SECONDS: Final = 0.5


class Planner:
    """Makes jobs of mutants. `tree` is the directory with `src/` and the files of tests that node IDs name."""

    def __init__(self, reach: Reach, tree: Path) -> None:
        self._reach = reach
        self._tree = tree
        self.tests = tuple(PlannedTest(name, seconds) for name, seconds in reach.seconds.items())
        self._numbers = {test.name: index for index, test in enumerate(self.tests)}
        self._of_module: dict[str, frozenset[str]] = {}

    def job_of(self, number: int, mutant: Mutant) -> Job:
        """Without tests if no quick test runs the line."""
        file = self._reach.of_file(mutant.place)
        lines = set(range(mutant.line, mutant.last_line + 1))
        # A line inside a statement is not always recorded on its own.
        if not lines & (file.tests.keys() | file.imported):
            lines = {mutant.statement_line}
        tests = frozenset[str]().union(*(file.tests.get(line, frozenset()) for line in lines))
        is_imported = bool(lines & file.imported)
        others = self._tests_of_module(mutant.place) - tests if is_imported else ()
        chosen = [*self._cheapest_first(tests), *self._cheapest_first(others)]
        return Job(number, mutant.place, mutant.edit, tuple(chosen), is_imported)

    def _cheapest_first(self, tests: Iterable[str]) -> list[int]:
        numbers = sorted(self._numbers[test] for test in tests)
        return sorted(numbers, key=lambda number: self.tests[number].seconds)

    def _tests_of_module(self, place: str) -> frozenset[str]:
        if place not in self._of_module:
            self._of_module[place] = self._find_tests_of_module(place)
        return self._of_module[place]

    def _find_tests_of_module(self, place: str) -> frozenset[str]:
        """From the files of tests that import the module, the quickest first, then from those that run most lines of it
        and of the modules that import it, as many as fit the time.
        """
        users = [each for each in self._places if module_name(place) in _imported_modules(self._tree / "src" / each)]
        by_file: dict[str, set[str]] = defaultdict(set)
        weights: dict[str, int] = defaultdict(int)
        for module in (place, *users):
            for tests in self._reach.of_file(module).tests.values():
                for test in tests:
                    by_file[file_of(test)].add(test)
                    weights[file_of(test)] += 1
        importing = {name for name in self._tests_by_file if module_name(place) in _imported_modules(self._tree / name)}
        for name in importing:
            by_file[name].update(self._tests_by_file[name])
        quickest = sorted(importing, key=lambda name: (self._seconds_of(by_file[name]), name))
        others = sorted(by_file.keys() - importing, key=lambda name: (-weights[name], name))
        return frozenset(self._within_time(by_file[name] for name in [*quickest, *others]))

    def _within_time(self, groups: Iterable[Iterable[str]]) -> Iterator[str]:
        """The first group is taken in any case."""
        seconds = 0.0
        for number, group in enumerate(map(list, groups)):
            seconds += _IMPORT_SECONDS + self._seconds_of(group)
            if number and seconds > TEST_SECONDS / 2:
                return
            yield from group

    def _seconds_of(self, tests: Iterable[str]) -> float:
        return sum(self._reach.seconds[test] for test in tests)

    @cached_property
    def _places(self) -> list[str]:
        source = self._tree / "src"
        return [str(path.relative_to(source)) for path in source.rglob("*.py")]

    @cached_property
    def _tests_by_file(self) -> dict[str, list[str]]:
        by_file: dict[str, list[str]] = defaultdict(list)
        for test in self._reach.seconds:
            by_file[file_of(test)].append(test)
        return by_file


@cache
def _imported_modules(path: Path) -> frozenset[str]:
    """Absolute imports only; a name that is imported counts as a module too, since it may be one."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            modules.update(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.update([node.module, *(f"{node.module}.{each.name}" for each in node.names)])
    return frozenset(modules)
