"""What the processes that run mutants are given, and what they answer."""

from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from scripts.mutants.mutator import Edit

PLAN_VARIABLE: Final = "MUTANTS_PLAN"

# After this time a mutant gets no further test: it counts as alive, with the number of tests that ran.
TEST_SECONDS: Final = 40.0

# A test that takes so much longer than without a mutant hangs.
_HANG_FACTOR: Final = 5
_SHORTEST_HANG_SECONDS: Final = 10.0

# The number of a control's job.
CONTROL: Final = -1

State = Literal["killed", "alive", "elsewhere"]


class PlannedTest(Struct, frozen=True):
    name: str
    seconds: float

    @property
    def hang_seconds(self) -> float:
        return min(TEST_SECONDS, max(_SHORTEST_HANG_SECONDS, _HANG_FACTOR * self.seconds))


class Job(Struct, frozen=True):
    """One mutant and the tests it meets, in this order, as indexes of the plan's.

    `is_imported` says that the changed line runs at import, so that the product must be imported again. A job without
    an edit is a control: it shows whether its test passes without a mutant, in the same surroundings.
    """

    number: int
    place: str
    edit: Edit | None
    tests: tuple[int, ...]
    is_imported: bool


class Plan(Struct, frozen=True):
    """The jobs of a run, which ends at `ends_at` in seconds of `time.time`, and the file that the results go to."""

    source: str
    results: str
    ends_at: float
    workers: int
    tests: tuple[PlannedTest, ...]
    jobs: tuple[Job, ...]

    def number_of(self, test: str) -> int:
        return next(number for number, each in enumerate(self.tests) if each.name == test)

    def tests_of(self, job: Job) -> list[PlannedTest]:
        return [self.tests[index] for index in job.tests]


class Result(Struct, frozen=True):
    """What became of a job. `ran` counts the tests that ran. `by` is the test that failed, or the first of the job if
    no test failed but the process ended or hung. `elsewhere` asks for a process that imports the product again.
    """

    number: int
    state: State
    ran: int = 0
    by: str = ""

    @property
    def is_control(self) -> bool:
        return self.number == CONTROL


def read_plan(path: str | Path) -> Plan:
    return msgspec.json.decode(Path(path).read_bytes(), type=Plan)
