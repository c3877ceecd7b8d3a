"""Which mutants `make mutants` makes, which tests they meet, and what its report says of them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scripts.mutants import running
from scripts.mutants.equivalents import Equivalents, InvalidEquivalents, Reviewed, read_equivalents
from scripts.mutants.jobs import CONTROL, Job, PlannedTest, Result
from scripts.mutants.mutator import Edit, Mutant, find_mutants
from scripts.mutants.planning import Planner
from scripts.mutants.reach import FileReach, Reach
from scripts.mutants.report import Report, Verdict, judge
from scripts.mutants.selection import InvalidSelection, find_places

PLACE = "shop/prices.py"
ROOT = Path(__file__).parents[2]

# --- which tests a mutant meets --------------------------------------------------------------------------------------

QUICK, SLOWER, OTHER = "tests/test_a.py::q", "tests/test_a.py::s", "tests/test_a.py::o"
OF_CONSTANT, OF_USER, LONG = "tests/test_b.py::c", "tests/test_c.py::u", "tests/test_d.py::l"
USER = "shop/till.py"


def reach() -> Reach:
    """Lines 3 and 4 of the module are in functions, line 1 runs at import, line 9 nowhere."""
    seconds = {LONG: 30.0, OF_USER: 0.5, OTHER: 0.3, SLOWER: 0.2, QUICK: 0.1, OF_CONSTANT: 0.4}
    lines = {1: frozenset[str](), 3: frozenset({SLOWER, QUICK}), 4: frozenset({OTHER})}
    lines_of_user = {2: frozenset({OF_USER}), 3: frozenset({LONG, OF_USER}), 4: frozenset({OF_USER})}
    files = {PLACE: FileReach(lines, frozenset({1})), USER: FileReach(lines_of_user, frozenset())}
    return Reach(Path(), (), seconds, (), files)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The tests of B import the module for its constant; what they run is nowhere recorded."""
    for name in ("a", "c", "d"):
        write(tmp_path / f"tests/test_{name}.py", "from shop import till")
    write(tmp_path / "tests/test_b.py", "from shop.prices import LIMIT")
    write(tmp_path / "src" / PLACE, "LIMIT = 3")
    write(tmp_path / "src" / USER, "from shop import prices")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def mutant(line: int, statement_line: int | None = None) -> Mutant:
    return Mutant(PLACE, line, line, statement_line or line, "f", "a → b", Edit(0, 1, "b"))


@pytest.mark.parametrize(
    ("line", "statement_line", "is_imported", "tests"),
    [
        (3, 3, False, [QUICK, SLOWER]),
        (9, 9, False, []),
        (9, 3, False, [QUICK, SLOWER]),
        (1, 1, True, [QUICK, SLOWER, OTHER, OF_CONSTANT, OF_USER]),
    ],
    ids=["line", "nowhere", "inside a statement", "import"],
)
def test_mutant_meets_the_tests_that_run_its_line(
    line: int, statement_line: int, is_imported: bool, tests: list[str], tree: Path
) -> None:
    """The cheapest comes first; what runs at import meets the tests of the module and of its users, as time permits."""
    planner = Planner(reach(), tree)
    job = planner.job_of(0, mutant(line, statement_line))
    assert job.is_imported == is_imported
    assert [planner.tests[index].name for index in job.tests] == tests


def test_quick_files_that_import_a_module_come_before_a_slow_one(tree: Path) -> None:
    """A constant is tested where its module is imported: one file that takes long must not leave out all the others."""
    for name in ("b", "d"):
        write(tree / f"tests/test_{name}.py", "from shop.prices import LIMIT")
    planner = Planner(reach(), tree)
    tests = [planner.tests[index].name for index in planner.job_of(0, mutant(1)).tests]
    assert OF_CONSTANT in tests and LONG not in tests


def test_test_that_hangs_kills_the_mutant_even_if_it_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task of the program can swallow the timeout, and the test then goes on as if nothing had happened."""
    clock: Any = SimpleNamespace(seconds=0.0, monotonic=lambda: clock.seconds)
    monkeypatch.setattr(running, "time", clock)

    def protocol_of(seconds: float) -> Any:
        def protocol(**_: object) -> None:
            clock.seconds += seconds

        return SimpleNamespace(
            add_marker=lambda *_, **__: None,
            config=SimpleNamespace(hook=SimpleNamespace(pytest_runtest_protocol=protocol)),
        )

    tests = [PlannedTest(QUICK, 0.1), PlannedTest(SLOWER, 0.2)]
    session: Any = SimpleNamespace(testsfailed=0)
    items = {QUICK: protocol_of(9.0), SLOWER: protocol_of(10.0)}
    assert running.run_tests(session, 1, tests, items) == Result(1, "killed", ran=2, by=SLOWER)
    assert running.run_tests(session, 1, tests[:1], items) == Result(1, "alive", ran=1)


# --- the report ------------------------------------------------------------------------------------------------------


def job(number: int, *tests: int) -> Job:
    return Job(number, PLACE, Edit(0, 1, "b"), tests, is_imported=False)


def outcomes(jobs: list[Job], *results: Result) -> list[str]:
    mutants = [mutant(line) for line in range(1, len(jobs) + 1)]
    return [each.outcome for each in judge(mutants, {each.number: each for each in jobs}, results)]


def test_mutant_without_tests_counts_up_to_the_last_that_was_tried() -> None:
    """The shares stay those of a fair sample when the time ends, though mutants without tests cost none."""
    jobs = [job(0), job(1, 0), job(2), job(3, 0), job(4)]
    killed = [Result(1, "killed", 1, QUICK), Result(3, "alive", 1)]
    assert outcomes(jobs, killed[0]) == ["not reached", "killed"]
    assert outcomes(jobs, *killed) == ["not reached", "killed", "not reached", "alive", "not reached"]
    assert outcomes([job(0)]) == ["not reached"]


def test_mutant_is_not_judged_by_a_test_that_fails_without_it() -> None:
    """A test that fails in these surroundings anyway notices nothing; what the other tests then say of it counts."""
    control = Result(CONTROL, "killed", 1, QUICK)
    results = [Result(0, "killed", 1, QUICK), Result(1, "killed", 2, SLOWER), control, Result(2, "alive", ran=0)]
    assert outcomes([job(0, 0), job(1, 0, 1), job(2, 0)], *results) == ["not judged", "killed", "not judged"]
    assert outcomes([job(0, 0, 1)], results[0], control, Result(0, "alive", 1)) == ["alive"]


def report(*verdicts: Verdict, equivalents: Equivalents | None = None) -> Report:
    known = equivalents or Equivalents()
    return Report(verdicts, 20, 7, known, known.stale(each.mutant for each in verdicts), failing=[LONG])


def test_report_lists_survivors_by_place() -> None:
    """The table says for each how much it was tested, and is Markdown also with a vertical bar in the change."""
    alive = Verdict(mutant(3)._replace(change="a | b → b"), "alive", ran=2, tests=5)
    text = report(alive, Verdict(mutant(2), "killed"), Verdict(mutant(1), "not reached")).table()
    assert text.splitlines()[2:] == [
        "| shop/prices.py:1 | f | `a` → `b` | no quick test runs it |  |",
        "| shop/prices.py:3 | f | `a \\| b` → `b` | 2 of 5, no time for more |  |",
    ]


def test_report_counts_outcomes() -> None:
    """The shares are of the mutants that were tried; tests that were left out are named."""
    verdicts = [Verdict(mutant(1), "killed"), Verdict(mutant(2), "alive"), Verdict(mutant(3), "not reached")]
    assert report(*verdicts, Verdict(mutant(4), "killed")).summary().splitlines() == [
        "4 of 20 mutants tried (seed 7): 2 killed (50%), 1 alive (25%), 1 not reached by a quick test (25%).",
        f"Left out, since they fail without a mutant: {LONG}.",
    ]


def test_report_subtracts_equivalent_mutants() -> None:
    """What is known to be no gap is not shown again; entries about nothing, or about a killed mutant, are."""
    known = mutant(1)._replace(change="known")
    killed = mutant(2)._replace(change="killed")
    equivalents = Equivalents(Reviewed(PLACE, "f", change, "why") for change in ("known", "killed", "gone"))
    summarized = report(
        Verdict(known, "alive"), Verdict(killed, "killed"), Verdict(mutant(3), "alive"), equivalents=equivalents
    )
    assert [each.mutant.line for each in summarized.survivors()] == [3]
    lines = summarized.summary().splitlines()
    assert "Without the 1 known to be equivalent 1 survived (33%)." in lines
    assert f"Stale entry in scripts/mutants/equivalent.toml: {PLACE}, f: gone." in lines
    assert any(line.startswith("Killed, though ") and line.endswith(f"{PLACE}, f: killed.") for line in lines)


def test_report_shows_known_reasons() -> None:
    """A survivor that was reviewed stays in the table and in the count, with its reason; a killed one is named."""
    known, killed = mutant(1)._replace(change="known"), mutant(2)._replace(change="killed")
    reviewed = Equivalents(known=[Reviewed(PLACE, "f", change, "It only logs.") for change in ("known", "killed")])
    found = report(
        Verdict(known, "alive", 2, 2),
        Verdict(killed, "killed"),
        Verdict(mutant(3), "alive", 1, 1),
        equivalents=reviewed,
    )
    assert found.table().splitlines()[2:] == [
        "| shop/prices.py:1 | f | `known` | 2 | It only logs. |",
        "| shop/prices.py:3 | f | `a` → `b` | 1 |  |",
    ]
    assert found.summary().splitlines() == [
        "3 of 20 mutants tried (seed 7): 1 killed (33%), 2 alive (67%), 0 not reached by a quick test (0%).",
        "1 of them has a known reason.",
        f"Left out, since they fail without a mutant: {LONG}.",
        f"Killed, though scripts/mutants/equivalent.toml says that it is known to survive: {PLACE}, f: killed.",
    ]


@pytest.mark.parametrize("kind", ["equivalent", "known"])
def test_reviewed_mutants_are_read_with_their_reasons(kind: str, tmp_path: Path) -> None:
    """An entry without a reason was not reviewed."""
    file = tmp_path / "equivalent.toml"
    assert not read_equivalents(file).equivalent and not read_equivalents(file).known
    file.write_text(f"[[{kind}]]\nplace = 'p'\nfunction = 'f'\nchange = 'c'\nreason = 'r'\n")
    found, entries = read_equivalents(file), [Reviewed("p", "f", "c", "r")]
    assert list(found.equivalent.values()) == (entries if kind == "equivalent" else [])
    assert list(found.known.values()) == (entries if kind == "known" else [])
    file.write_text(f"[[{kind}]]\nplace = 'p'\nfunction = 'f'\nchange = 'c'\n")
    with pytest.raises(InvalidEquivalents, match=f"{kind} 1 must have place, function, change, reason"):
        read_equivalents(file)


def test_misspelt_kind_of_reviewed_mutant_is_refused(tmp_path: Path) -> None:
    """Its entries would be ignored in silence."""
    file = tmp_path / "equivalent.toml"
    file.write_text("[[equivalents]]\nplace = 'p'\n")
    with pytest.raises(InvalidEquivalents, match="equivalents is unknown"):
        read_equivalents(file)


def test_equivalents_of_the_product_exist() -> None:
    """A changed function takes its entries along, so that none hides another mutant later."""
    equivalents = read_equivalents(ROOT / "scripts" / "mutants" / "equivalent.toml")
    source = ROOT / "src"
    mutants = [each for place in equivalents.places() for each in find_mutants(place, (source / place).read_bytes())]
    assert equivalents.stale(mutants) == []


# --- which files are meant -------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("src/shop/__init__.py", "src/shop/prices.py", "src/shop/till/__init__.py", "tests/test_a.py"):
        write(tmp_path / name, "")
    return tmp_path


@pytest.mark.parametrize(
    ("targets", "places"),
    [
        ([], ["shop/__init__.py", "shop/prices.py", "shop/till/__init__.py"]),
        (["src/shop/prices.py"], ["shop/prices.py"]),
        (["src/shop/till"], ["shop/till/__init__.py"]),
        (["shop.till"], ["shop/till/__init__.py"]),
        (["shop.prices", "shop/prices.py"], ["shop/prices.py"]),
    ],
    ids=["everything", "file", "folder", "package", "module"],
)
def test_target_can_be_a_file_a_folder_or_a_package(targets: list[str], places: list[str], checkout: Path) -> None:
    """Whatever form of the name is at hand will do, and naming a file twice counts once."""
    assert find_places(checkout, targets, since=None) == places


@pytest.mark.parametrize("target", ["tests/test_a.py", "src/shop/gone.py", "shop.gone", ".."])
def test_target_outside_the_sources_is_refused(target: str, checkout: Path) -> None:
    """A misspelt name does not end as an empty table."""
    with pytest.raises(InvalidSelection, match="is not a Python file, folder or package of src/"):
        find_places(checkout, [target], since=None)
