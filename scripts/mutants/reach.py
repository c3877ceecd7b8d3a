"""Which quick tests run which lines of the product, measured once and kept until sources or tests change."""

import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import coverage
import msgspec
from msgspec import Struct

from scripts.mutants import processes
from scripts.mutants.reach_plugin import DIRECTORY_VARIABLE, NO_TEST, SOURCE_VARIABLE
from scripts.mutants.workspace import Workspace, quick_tests_command

_PLUGIN: Final = "scripts.mutants.reach_plugin"
_INDEX_FILE: Final = "index.json"
_EVERY_TEST_IS_SLOW: Final = re.compile(r"^pytestmark = .*\bmark\.slow\b", re.MULTILINE)

# Nothing failed, some tests failed, no test was quick.
_FINISHED: Final = (0, 1, 5)


class NotMeasured(Exception):
    """The tests could not be run, or the time ended before they did; the message says which."""


class Measurement(Struct, frozen=True):
    """One run of pytest: its figures are in `directory`, and name the source files by the path they had under `root`.

    `files` has the fingerprint of each file of tests that it ran.
    """

    directory: str
    root: str
    files: dict[str, str]


@dataclass(frozen=True)
class FileReach:
    """`tests` are the tests that run a line, `imported` the lines that run outside any test, such as at import."""

    tests: dict[int, frozenset[str]]
    imported: frozenset[int]

    @cached_property
    def all_tests(self) -> frozenset[str]:
        return frozenset[str]().union(*self.tests.values())


@dataclass(frozen=True)
class Reach:
    """`seconds` has the tests that pass; `failing` tests are left out of everything."""

    cache: Path
    measurements: tuple[Measurement, ...]
    seconds: dict[str, float]
    failing: tuple[str, ...]
    _files: dict[str, FileReach] = field(default_factory=dict)

    def of_file(self, place: str) -> FileReach:
        if place not in self._files:
            self._files[place] = self._read(place)
        return self._files[place]

    def _read(self, place: str) -> FileReach:
        tests: dict[int, set[str]] = defaultdict(set)
        imported: set[int] = set()
        for measurement in self.measurements:
            for part in (self.cache / measurement.directory).glob("*.coverage"):
                data = coverage.CoverageData(str(part))
                data.read()
                for line, contexts in data.contexts_by_lineno(str(Path(measurement.root) / place)).items():
                    tests[line].update(test for test in contexts if file_of(test) in measurement.files)
                    if NO_TEST in contexts:
                        imported.add(line)
                data.close()
        passing = self.seconds.keys()
        return FileReach({line: frozenset(passing & each) for line, each in tests.items()}, frozenset(imported))


def file_of(test: str) -> str:
    """The file that a node ID begins with."""
    return test.partition("::")[0]


def measure(workspace: Workspace, cache: Path, workers: int, seconds_left: float, say: Callable[[str], None]) -> Reach:
    """Run the quick tests of the files that changed or had a failing test since the last time, or of all files if the
    product or a helper of tests changed. Raises `NotMeasured`.
    """
    kept = cache / workspace.fingerprint(workspace.shared_files())
    if not kept.is_dir():
        shutil.rmtree(cache, ignore_errors=True)
        kept.mkdir(parents=True)
    files = {name: workspace.fingerprint([workspace.tree / name]) for name in _quick_files(workspace)}
    measurements = _still_valid(kept, files)
    missing = sorted(files.keys() - {name for measurement in measurements for name in measurement.files})
    if missing:
        say(f"measuring which lines the quick tests run, files: {len(missing):,}; kept until sources or tests change")
        fresh = workspace.directory / "reach"
        fresh.mkdir()
        _run_tests(workspace, missing, fresh, workers, seconds_left)
        name = str(len(list(kept.iterdir())))
        shutil.copytree(fresh, kept / name)
        measurements.append(Measurement(name, str(workspace.source), {name: files[name] for name in missing}))
        (kept / _INDEX_FILE).write_bytes(msgspec.json.encode(measurements))
    return _load(kept, measurements)


def _quick_files(workspace: Workspace) -> list[str]:
    paths = (workspace.tree / "tests").rglob("test_*.py")
    return [str(path.relative_to(workspace.tree)) for path in paths if not _EVERY_TEST_IS_SLOW.search(path.read_text())]


def _still_valid(directory: Path, files: dict[str, str]) -> list[Measurement]:
    """What was measured before of files that have these fingerprints. A test may have failed by chance."""
    path = directory / _INDEX_FILE
    measured = msgspec.json.decode(path.read_bytes(), type=list[Measurement]) if path.exists() else []
    failing = {file_of(test) for test in _load(directory, measured).failing}
    usable = {(name, fingerprint) for name, fingerprint in files.items() if name not in failing}
    return [Measurement(each.directory, each.root, dict(each.files.items() & usable)) for each in measured]


def _run_tests(
    workspace: Workspace, test_files: Iterable[str], directory: Path, workers: int, seconds_left: float
) -> None:
    log = workspace.directory / "reach.log"
    arguments = ["-n", str(workers), "--dist", "loadgroup"] if workers > 1 else []
    variables = {
        DIRECTORY_VARIABLE: str(directory),
        SOURCE_VARIABLE: str(workspace.source) + os.sep,
        # The other way to trace that newer Pythons have sees a line once only, not once for each test.
        "COVERAGE_CORE": "ctrace",
    }
    status = processes.run(
        quick_tests_command(_PLUGIN, *arguments, *test_files),
        seconds_left,
        directory=workspace.tree,
        environment=workspace.environment(**variables),
        log=log,
    )
    if status is None:
        raise NotMeasured("The time ended while measuring which lines each quick test runs: give more --minutes.")
    if status not in _FINISHED:
        raise NotMeasured(f"The quick tests cannot be run:\n{log.read_text(errors='replace')[-2000:]}")


def _load(cache: Path, measurements: Iterable[Measurement]) -> Reach:
    tests: dict[str, tuple[float, bool]] = {}
    for measurement in measurements:
        for part in (cache / measurement.directory).glob("*.json"):
            figures = json.loads(part.read_text())
            tests.update({test: figures[test] for test in figures if file_of(test) in measurement.files})
    passing = {test: seconds for test, (seconds, has_passed) in tests.items() if has_passed}
    return Reach(cache, tuple(measurements), passing, tuple(sorted(tests.keys() - passing.keys())))
