"""`make mutants` on a small project of its own, with weak tests."""

import subprocess
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
