"""`make mutants` on a small project of its own, with weak tests."""

import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from scripts.mutants.campaign import Campaign, Options
from scripts.mutants.reach import Reach, measure
from scripts.mutants.selection import InvalidSelection, find_places
from scripts.mutants.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]

PRODUCT = """
LIMIT = 3


def buy(basket: list[str], log: list[str]) -> None:
    basket.clear()
    log.append("bought")


def pay(log: list[int]) -> None:
    log.clear()


def sort(basket: list[str]) -> None:
    basket.sort()
"""
WEAK_TESTS = """
import pytest
from shop import prices


@pytest.mark.parametrize("size", [1, 2])
def test_buying_clears_the_basket(size: int) -> None:
    basket = ["thing"] * size
    prices.buy(basket, [])
    assert basket == []


def test_limit() -> None:
    assert prices.LIMIT == 3


@pytest.mark.slow
def test_sorting() -> None:
    basket = ["b", "a"]
    prices.sort(basket)
    assert basket == ["a", "b"]


before = []


def test_before() -> None:
    before.append(1)


def test_that_needs_the_one_before() -> None:
    prices.pay([])
    assert before


def test_that_fails_anyway() -> None:
    prices.buy([], [])
    raise AssertionError
"""
# Endless once the clearing is removed.
ENDLESS = """
def buy(basket: list[str]) -> None:
    while basket:
        basket.clear()
"""
TEST_OF_ENDLESS = """
from shop import prices


def test_buying_clears_the_basket() -> None:
    basket = ["thing"]
    prices.buy(basket)
    assert basket == []
"""
# Has one mutant, under which the test below reports that it runs, and then never ends.
ONE_EFFECT = """
def buy(basket: list[str]) -> None:
    basket.clear()
"""
# Every process that has imported these tests keeps the pipe open until it ends.
TEST_THAT_WAITS = """
import os
import signal
from shop import prices

PIPE = os.open("{pipe}", os.O_WRONLY)


def test_buying_clears_the_basket() -> None:
    basket = ["thing"]
    prices.buy(basket)
    if basket:
        signal.alarm(0)
        os.write(PIPE, b"running")
        signal.pause()
"""


def project(directory: Path, product: str, tests: str) -> Path:
    for name, text in {
        "pyproject.toml": '[tool.pytest.ini_options]\nmarkers = ["slow"]\n',
        "src/shop/__init__.py": "",
        "src/shop/prices.py": product,
        "tests/test_prices.py": tests,
    }.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def git(directory: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=shop", "-c", "user.email=shop@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=directory, check=True, capture_output=True)


def contents(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file() and "build" not in path.parts}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a run puts its copy. Its processes start more quickly without the plugins of other libraries."""
    directory = tmp_path / "t"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_timeout,xdist.plugin")
    monkeypatch.setattr(tempfile, "tempdir", None)
    return directory


def test_run_reports_exactly_what_no_quick_test_notices(tmp_path: Path, temporary: Path) -> None:
    """A removed effect that no test looks at survives, also one that only slow tests see; the rest is killed, constants
    at module level too. Tests that fail without a mutant judge none, and nothing is left in the checkout or beside it.
    """
    checkout = project(tmp_path / "project", PRODUCT, WEAK_TESTS)
    before = contents(checkout)
    report = Campaign(checkout, Options(workers=1)).run()
    assert [(each.mutant.line, each.mutant.change, each.outcome, each.ran) for each in report.survivors()] == [
        (7, """log.append("bought") → log.append('boughtXX')""", "alive", 2),
        (7, 'log.append("bought") → pass', "alive", 2),
        (15, "basket.sort() → pass", "not reached", 0),
    ]
    assert sorted(each.mutant.line for each in report.verdicts if each.outcome == "killed") == [2, 2, 6]
    assert [each.mutant.line for each in report.verdicts if each.outcome == "not judged"] == [11]
    assert report.failing == ("tests/test_prices.py::test_that_fails_anyway",)
    assert report.unreliable == ["tests/test_prices.py::test_that_needs_the_one_before"]
    assert contents(checkout) == before
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_leaves_nothing_behind(number: int, tmp_path: Path, temporary: Path) -> None:
    """Ctrl-C while a mutant runs leaves no process, no copy and an unchanged checkout; what was found until then is
    reported, and the exit status says that the run is not complete.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    checkout = project(tmp_path / "project", ONE_EFFECT, TEST_THAT_WAITS.format(pipe=pipe))
    before = contents(checkout)
    from_tests = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    kept_open = os.open(pipe, os.O_WRONLY)
    # What a shell starts in the background ignores Ctrl-C, and so does what this starts.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from pathlib import Path; from scripts.mutants.__main__ import main; "
    )
    run = subprocess.Popen(
        [sys.executable, "-c", program + "sys.exit(main(sys.argv[2:], Path(sys.argv[1])))", str(checkout)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    run_ends = os.pidfd_open(run.pid)
    ready, _, _ = select.select([from_tests, run_ends], [], [])
    assert ready == [from_tests], run.communicate()
    run.send_signal(number)
    output, errors = run.communicate()
    assert run.returncode == 130, errors
    assert b"0 of 1 mutants tried (seed 1): " in output
    os.close(kept_open)
    os.close(run_ends)
    os.set_blocking(from_tests, True)
    with os.fdopen(from_tests, "rb") as said:
        # Its end comes once no process of the run is left.
        assert said.read() == b"running"
    assert list(temporary.iterdir()) == []
    assert contents(checkout) == before


def test_reach_is_measured_again_for_changed_files_only(tmp_path: Path, temporary: Path) -> None:
    """Whoever writes a test and tries again waits for that test alone; a changed product is measured as a whole."""
    checkout = project(tmp_path / "project", PRODUCT, TEST_OF_ENDLESS.replace("basket)", "basket, [])"))
    (checkout / "tests/test_other.py").write_text("def test_nothing() -> None:\n    pass\n")
    measured = []

    def reach() -> Reach:
        workspace = Workspace(temporary / str(len(list(temporary.iterdir()))))
        workspace.fill(checkout)
        said: list[str] = []
        found = measure(workspace, tmp_path / "cache", workers=1, seconds_left=60, say=said.append)
        measured.append(int(said[0].partition("files: ")[2].partition(";")[0]) if said else 0)
        return found

    for path in ("tests/test_prices.py", "tests/test_other.py", "src/shop/prices.py"):
        assert reach() == reach()
        (checkout / path).write_text((checkout / path).read_text() + "\n")
    lines = reach().of_file("shop/prices.py")
    assert lines.tests[6] == {"tests/test_prices.py::test_buying_clears_the_basket"}
    assert lines.imported >= {2, 5} and 6 not in lines.imported
    assert measured == [2, 0, 1, 0, 1, 0, 2]


def test_changed_files_are_those_since_a_commit(tmp_path: Path) -> None:
    """What is not committed counts, and new files do; an unknown commit is named."""
    checkout = project(tmp_path / "project", PRODUCT, WEAK_TESTS)
    git(checkout, "init")
    git(checkout, "add", ".")
    git(checkout, "commit", "-m", "Start")
    assert find_places(checkout, [], since="HEAD") == []
    (checkout / "src/shop/prices.py").write_text(ENDLESS)
    (checkout / "src/shop/new.py").touch()
    assert find_places(checkout, [], since="HEAD") == ["shop/new.py", "shop/prices.py"]
    assert find_places(checkout, ["shop.prices"], since="HEAD") == ["shop/prices.py"]
    with pytest.raises(InvalidSelection, match=r"git diff failed: .*gone"):
        find_places(checkout, [], since="gone")
