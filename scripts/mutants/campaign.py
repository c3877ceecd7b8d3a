"""One run: copies the checkout, makes mutants, lets the tests meet them within the time, and reports."""

import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from scripts.mutants import processes
from scripts.mutants.equivalents import EQUIVALENTS_FILE, read_equivalents
from scripts.mutants.jobs import PLAN_VARIABLE, Job, Plan, Result
from scripts.mutants.mutator import Mutant, find_mutants
from scripts.mutants.planning import Planner
from scripts.mutants.reach import file_of, measure
from scripts.mutants.report import Report, judge
from scripts.mutants.selection import InvalidSelection, find_places, sample_mutants
from scripts.mutants.workspace import Workspace, quick_tests_command

_SERVER_PLUGIN: Final = "scripts.mutants.server_plugin"
_CACHE: Final = Path("build/mutants")
_WORKERS: Final = 2
_ENDING_SECONDS: Final = 10.0
_TELL_SECONDS: Final = 15.0


class CampaignFailed(Exception):
    """The mutants could not be run; the message has the end of what pytest wrote."""


@dataclass(frozen=True)
class Options:
    """`targets` are files, folders or packages, none for all of src/. `sample` is None for what fits the time."""

    targets: tuple[str, ...] = ()
    since: str | None = None
    minutes: float = 10.0
    seed: int = 1
    sample: int | None = None
    workers: int = _WORKERS


class Campaign:
    def __init__(self, checkout: Path, options: Options) -> None:
        self._checkout = checkout
        self._options = options
        self._ends_at = time.time() + options.minutes * 60 - _ENDING_SECONDS

    def run(self) -> Report:
        """Nothing of it is left when it ends or is interrupted, but the measured reach of the tests.

        Raises `InvalidSelection`, `InvalidEquivalents`, `NotMeasured` and `CampaignFailed`.
        """
        places = find_places(self._checkout, self._options.targets, self._options.since)
        if not places:
            raise InvalidSelection("No Python file of src/ is meant: nothing has changed there since that commit.")
        with interruptible(), tempfile.TemporaryDirectory(prefix="mut-", ignore_cleanup_errors=True) as directory:
            workspace = Workspace(Path(directory))
            workspace.fill(self._checkout)
            return self._run_in(workspace, places)

    def _run_in(self, workspace: Workspace, places: Sequence[str]) -> Report:
        options = self._options
        equivalents = read_equivalents(workspace.tree / EQUIVALENTS_FILE)
        everything = sample_mutants(workspace.source, places, options.seed, None)
        mutants = everything[: options.sample]
        reach = measure(workspace, self._checkout / _CACHE, options.workers, self._seconds_left(), say)
        planner = Planner(reach, workspace.tree)
        jobs = {number: planner.job_of(number, mutant) for number, mutant in enumerate(mutants)}
        results, was_interrupted = self._results_of(workspace, planner, jobs)
        return Report(
            verdicts=judge(mutants, jobs, results),
            total=len(everything),
            seed=options.seed,
            equivalents=equivalents,
            stale=equivalents.stale(_all_mutants(workspace.source, equivalents.places())),
            failing=reach.failing,
            unreliable=sorted({result.by for result in results if result.is_control and result.state == "killed"}),
            was_interrupted=was_interrupted,
        )

    def _results_of(self, workspace: Workspace, planner: Planner, jobs: Mapping[int, Job]) -> tuple[list[Result], bool]:
        """Return what was found until all was done or the time ended, and whether the user interrupted it before."""
        directory = workspace.directory / "j"
        directory.mkdir()
        with_tests = tuple(job for job in jobs.values() if job.tests)
        plan = Plan(
            source=str(workspace.source),
            results=str(directory / "results"),
            ends_at=self._ends_at,
            workers=self._options.workers,
            tests=planner.tests,
            jobs=with_tests,
        )
        say(f"{len(jobs):,} mutants in random order, {len(jobs) - len(with_tests):,} of them reached by no quick test")
        was_interrupted = False
        try:
            if with_tests:
                self._serve(workspace, plan)
        except KeyboardInterrupt:
            was_interrupted = True
        return _read_results(Path(plan.results)), was_interrupted

    def _serve(self, workspace: Workspace, plan: Plan) -> None:
        plan_file, log = workspace.directory / "plan", workspace.directory / "server.log"
        plan_file.write_bytes(msgspec.json.encode(plan))
        files = sorted({file_of(test.name) for job in plan.jobs for test in plan.tests_of(job)})
        status = processes.run(
            quick_tests_command(_SERVER_PLUGIN, "--capture=no", *files),
            self._seconds_left() + _ENDING_SECONDS / 2,
            directory=workspace.tree,
            environment=workspace.environment(**{PLAN_VARIABLE: str(plan_file)}),
            log=log,
            poll=_Progress(Path(plan.results), self._ends_at).show,
        )
        if status not in (0, None):
            raise CampaignFailed(f"The mutants could not be run:\n{log.read_text(errors='replace')[-2000:]}")

    def _seconds_left(self) -> float:
        return max(0.0, self._ends_at - time.time())


class _Progress:
    def __init__(self, results: Path, ends_at: float) -> None:
        self._results = results
        self._ends_at = ends_at
        self._shown_at = time.monotonic()

    def show(self) -> None:
        if time.monotonic() < self._shown_at + _TELL_SECONDS:
            return
        self._shown_at = time.monotonic()
        states = [result.state for result in _read_results(self._results) if not result.is_control]
        left = max(0, round(self._ends_at - time.time()))
        say(f"{states.count('killed'):,} killed, {states.count('alive'):,} alive; {left // 60}:{left % 60:02} left")


def _read_results(path: Path) -> list[Result]:
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [msgspec.json.decode(line, type=Result) for line in lines]


def _all_mutants(source: Path, places: set[str]) -> Iterator[Mutant]:
    for place in sorted(places):
        if (source / place).is_file():
            yield from find_mutants(place, (source / place).read_bytes())


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def interruptible() -> Iterator[None]:
    """Being terminated ends a run as tidily as Ctrl-C does."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
