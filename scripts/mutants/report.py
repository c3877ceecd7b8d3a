"""What a run found, as Markdown: a table of the mutants that survived, and a summary."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from scripts.mutants.equivalents import EQUIVALENTS_FILE, Equivalents, Reviewed
from scripts.mutants.jobs import Job, Result
from scripts.mutants.mutator import Mutant

Outcome = Literal["killed", "alive", "not reached", "not judged"]

_COUNTED: Final[dict[Outcome, str]] = {
    "killed": "killed",
    "alive": "alive",
    "not reached": "not reached by a quick test",
}
_HEADER: Final = ("place", "function", "change", "tests that ran the line and passed", "known reason")


class Verdict(NamedTuple):
    """`tests` is the number of tests there are for the mutant, `ran` how many of them there was time for."""

    mutant: Mutant
    outcome: Outcome
    ran: int = 0
    tests: int = 0


@dataclass(frozen=True)
class Report:
    """`total` mutants could have been tried. `unreliable` tests failed without a mutant too. An interrupted run has the
    verdicts found until then.
    """

    verdicts: Sequence[Verdict]
    total: int
    seed: int
    equivalents: Equivalents
    stale: Sequence[Reviewed] = ()
    failing: Sequence[str] = ()
    unreliable: Sequence[str] = ()
    was_interrupted: bool = False

    def survivors(self) -> list[Verdict]:
        """Sorted by place, without those that are known to be equivalent."""
        survived = [each for each in self.verdicts if each.outcome in ("alive", "not reached")]
        unknown = [each for each in survived if self.equivalents.find(each.mutant) is None]
        return sorted(unknown, key=lambda verdict: (verdict.mutant.place, verdict.mutant.line, verdict.mutant.change))

    def table(self) -> str:
        rows = [
            (*_place_and_change(each.mutant), _tests_cell(each), self._known_reason(each.mutant))
            for each in self.survivors()
        ]
        lines = [_HEADER, tuple("---" for _ in _HEADER), *rows]
        return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)

    def _known_reason(self, mutant: Mutant) -> str:
        entry = self.equivalents.find_known(mutant)
        return entry.reason if entry is not None else ""

    def summary(self) -> str:
        return "".join(f"{line}\n" for line in self._summary_lines())

    def _summary_lines(self) -> Iterator[str]:
        count, size = self._count, len(self.verdicts)
        counts = (f"{count(each):,} {words} ({_percent(count(each), size)})" for each, words in _COUNTED.items())
        yield f"{size:,} of {self.total:,} mutants tried (seed {self.seed}): {', '.join(counts)}."
        survived = count("alive") + count("not reached")
        left = len(self.survivors())
        if left < survived:
            yield f"Without the {survived - left:,} known to be equivalent {left:,} survived ({_percent(left, size)})."
        reasons = sum(1 for each in self.survivors() if self._known_reason(each.mutant))
        if reasons:
            yield f"{reasons:,} of them {'has' if reasons == 1 else 'have'} a known reason."
        if self.unreliable:
            tests = ", ".join(self.unreliable)
            yield f"{count('not judged'):,} not judged: the tests that noticed also fail without a mutant: {tests}."
        if self.failing:
            yield f"Left out, since they fail without a mutant: {', '.join(self.failing)}."
        yield from (f"Stale entry in {EQUIVALENTS_FILE}: {entry}." for entry in self.stale)
        for verdict in self.verdicts:
            entry = self.equivalents.find(verdict.mutant)
            if entry is not None and verdict.outcome == "killed":
                yield f"Killed, though {EQUIVALENTS_FILE} says that it is equivalent: {entry}."
            known = self.equivalents.find_known(verdict.mutant)
            if known is not None and verdict.outcome == "killed":
                yield f"Killed, though {EQUIVALENTS_FILE} says that it is known to survive: {known}."

    def _count(self, outcome: str) -> int:
        return sum(verdict.outcome == outcome for verdict in self.verdicts)


def judge(mutants: Sequence[Mutant], jobs: Mapping[int, Job], results: Sequence[Result]) -> list[Verdict]:
    """The verdicts on the mutants that were tried. Jobs and results name a mutant by its number in the sequence.

    A mutant without tests counts as tried if a later one was, so that the mix is that of a fair sample.
    """
    unreliable = {result.by for result in results if result.is_control and result.state == "killed"}
    by_number = {result.number: result for result in results if not result.is_control}
    has_tests = [number for number in jobs if jobs[number].tests]
    last = len(mutants) if len(by_number) == len(has_tests) else max(by_number, default=-1)
    verdicts = []
    for number, mutant in enumerate(mutants[: last + 1]):
        result, tests = by_number.get(number), len(jobs[number].tests)
        if not tests:
            verdicts.append(Verdict(mutant, "not reached"))
        elif result is not None:
            verdicts.append(Verdict(mutant, _outcome_of(result, unreliable), result.ran, tests))
    return verdicts


def _outcome_of(result: Result, unreliable: Container[str]) -> Outcome:
    if result.state == "killed":
        return "not judged" if result.by in unreliable else "killed"
    return "alive" if result.ran else "not judged"


def _place_and_change(mutant: Mutant) -> tuple[str, str, str]:
    change = " → ".join(f"`{each.replace('`', chr(39))}`" for each in mutant.change.split(" → "))
    return f"{mutant.place}:{mutant.line}", mutant.function, change


def _tests_cell(verdict: Verdict) -> str:
    if verdict.outcome == "not reached":
        return "no quick test runs it"
    return (
        f"{verdict.ran:,}"
        if verdict.ran == verdict.tests
        else f"{verdict.ran:,} of {verdict.tests:,}, no time for more"
    )


def _percent(part: int, whole: int) -> str:
    return f"{round(100 * part / whole) if whole else 0}%"
