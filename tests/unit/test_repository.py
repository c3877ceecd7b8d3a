"""The repository keeps its own promises: locked libraries, documented packages and words, tests that say what for."""

import ast
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from tiktok_forwarder.delivery.interfaces import DeliveryCondition, VerdictKind
from tiktok_forwarder.domain.outcome import CONNECTION_FULL, RECORDED, DeadLetterReason, DropReason, MappingWarning
from tiktok_forwarder.kafka.interfaces import KafkaState, RefusedReason
from tiktok_forwarder.notices.incidents import IncidentKind
from tiktok_forwarder.store.queue import Admission

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "tiktok_forwarder"
SANDBOX = ROOT / "src" / "tiktok_sandbox"
REQUIREMENTS = ROOT / "requirements"
VENDOR = PACKAGE / "console" / "static" / "vendor" / "vendor.toml"
NPM = ROOT / "tests" / "browser"
SETS = ("runtime", "demo", "dev")
DOCUMENTS = (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))

LOCKED = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)
ENTRY_START = re.compile(r"^(?=[^\s#])", re.MULTILINE)
INDEX_ADDRESS = re.compile(r"://|--(?:extra-)?index-url|--find-links|--trusted-host| @ ")
RETURN_CODE = re.compile(r"\b(?:20001|4[01]\d{3}|5[0-2]\d{3}|60\d\d[1-9]|61\d{3})\b")
API_VERSION = re.compile(r"""["'][12]\.0["']|_[12]_0\b""")
NAMED_FILE = re.compile(r"`([\w.-]+(?:/[\w.-]+)*\.(?:py|sql|toml|md|txt))`")
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
REPLACED_WORDS = re.compile(
    r"(?i:\b(?:some|any|every|no)body\b|\bwhoever\b|\bby (?:hand|itself|themselves)\b|\bwhat waits\b|\bat once\b)"
    r"|(?i:\bmeanwhile\b|\banew\b|\bbeside\b|\bg[ai]ven? up\b|\bmend(?:s|ed)?\b|\btrouble|\b(?:at fault|fault of)\b)"
    r"|(?i:\bbooks\b|\bstand-in\b|\bmade[- ]up\b|\be-mail|\bpage address|\bcatalogue|\blicence|\bbehaviour|\bcolour)"
    r"|(?i:\b(?:organ|author|recogn)is)|\b(?:[Ee]vent|[Cc]lick|[Ee]xternal|[Cc]ustomer) ids?\b"
)


def locked(name: str) -> dict[str, str]:
    """Versions by library."""
    return dict(LOCKED.findall((REQUIREMENTS / f"{name}.txt").read_text()))


def asked_for(name: str) -> list[str]:
    """The lines of an `.in` file that name libraries."""
    return [line for line in (REQUIREMENTS / f"{name}.in").read_text().splitlines() if line and line[0] not in "#-"]


def taken_from_npm() -> set[str]:
    """The packages in the vendor directory, and those that the browser tests use."""
    vendored = {each["name"] for each in tomllib.loads(VENDOR.read_text())["package"]}
    return vendored.union(json.loads((NPM / "package.json").read_text())["devDependencies"])


def architecture_section(title: str) -> str:
    page = (ROOT / "docs" / "architecture.md").read_text()
    return page[page.index(f"\n## {title}\n") :].split("\n## ", 2)[1]


def library(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


def glossary_words() -> set[str]:
    return set(re.findall(r"^\| `?([\w -]+)`? \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE))


def written_tests(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


@pytest.mark.parametrize("name", SETS)
def test_every_locked_library_has_hashes_and_no_address(name: str) -> None:
    """A lock file says exactly what is installed, and leaves to its reader from where."""
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    _, *entries = ENTRY_START.split(text)
    assert len(entries) >= len(asked_for(name))
    assert [each for each in entries if not LOCKED.match(each) or "--hash=sha256:" not in each] == []
    assert INDEX_ADDRESS.findall(text) == []


def test_every_locked_npm_package_has_a_hash_and_no_address() -> None:
    """What the browser tests load is exact too, and comes from wherever the reader gets npm's packages."""
    packages = json.loads((NPM / "package-lock.json").read_text())["packages"]
    asked = json.loads((NPM / "package.json").read_text())["devDependencies"]
    assert packages.pop("")["devDependencies"] == asked
    assert {f"node_modules/{name}" for name in asked} <= packages.keys()
    assert [name for name, each in packages.items() if "resolved" in each or not each["integrity"]] == []


def test_the_sets_agree_on_versions() -> None:
    """Service, demo and tests run with the same versions, so that the tests are about what people run."""
    dev = locked("dev")
    for name in ("runtime", "demo"):
        assert locked(name).items() <= dev.items()


@pytest.mark.parametrize("name", SETS)
def test_every_library_asked_for_is_locked(name: str) -> None:
    """`make lock` was run after the last change of an `.in` file."""
    assert [each for each in map(library, asked_for(name)) if each not in locked(name)] == []


def test_the_package_asks_for_what_the_runtime_set_asks_for() -> None:
    """Who installs the package gets the libraries that are tested."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert sorted(project["dependencies"]) == sorted(asked_for("runtime"))


@pytest.mark.parametrize("name", SETS)
def test_every_library_has_its_reason(name: str) -> None:
    """`docs/dependencies.md` has a line for each library, and for none that is gone."""
    lines = re.findall(r"^\| ([a-z0-9@/._-]+) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    assert [each for each in map(library, asked_for(name)) if lines.count(each) != 1] == []
    everything = {library(each) for each_set in SETS for each in asked_for(each_set)} | taken_from_npm()
    assert set(lines) - {"library"} == everything


def test_every_module_says_what_it_is() -> None:
    """Each module begins with a docstring."""
    modules = PACKAGE.rglob("*.py")
    assert [str(each.relative_to(ROOT)) for each in modules if not ast.get_docstring(ast.parse(each.read_text()))] == []


def test_every_test_says_what_it_is_for() -> None:
    """Each test function has a docstring."""
    silent = [
        f"{file.relative_to(ROOT)}::{test.name}"
        for file in (ROOT / "tests").rglob("test_*.py")
        for test in written_tests(file)
        if not ast.get_docstring(test)
    ]
    assert silent == []


def test_architecture_page_names_every_package() -> None:
    """The table of packages has a row for every package, and for none that is gone."""
    rows = re.findall(r"^\| `(\w+)/` \|", architecture_section("Packages"), re.MULTILINE)
    assert sorted(rows) == sorted(package.parent.name for package in PACKAGE.glob("*/__init__.py"))


def test_architecture_page_draws_the_import_contract() -> None:
    """The layers on the page are those that `lint-imports` enforces, in the same order."""
    drawn = re.findall(r"```layers\n(.*?)```", architecture_section("Packages"), re.DOTALL)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert [layer.split(" | ") for layer in drawn[0].splitlines()] == [layer.split(" | ") for layer in layers]


def test_return_codes_of_tiktok_are_in_one_file() -> None:
    """Whatever depends on a code asks the table for its class or culprit, so that a new code is one row."""
    texts = [file for file in PACKAGE.rglob("*.*") if file.suffix in {".py", ".html", ".sql"}]
    found = {str(file.relative_to(PACKAGE)): RETURN_CODE.findall(file.read_text().replace("_", "")) for file in texts}
    assert len(found.pop("tiktok/codes.py")) > 50
    assert {file: codes for file, codes in found.items() if codes} == {}


def test_versions_of_the_events_api_are_named_in_their_own_files_only() -> None:
    """Nothing compares with a version: what differs between them is said by the wire form, one file for each."""
    texts = [file for file in PACKAGE.rglob("*.*") if file.suffix in {".py", ".html", ".sql"}]
    named = {str(file.relative_to(PACKAGE)) for file in texts if API_VERSION.search(file.read_text())}
    assert named == {"tiktok/v1_0.py", "tiktok/v2_0.py"}


def test_folders_and_files_stay_readable() -> None:
    """A folder holds at most 28 Python files, a file at most 450 lines."""
    files = [*PACKAGE.rglob("*.py"), *SANDBOX.rglob("*.py")]
    by_folder = Counter(file.parent for file in files)
    assert [str(folder) for folder, count in by_folder.items() if count > 28] == []
    assert [str(file) for file in files if len(file.read_text().splitlines()) > 450] == []


def test_nearly_all_functions_are_short() -> None:
    """95 % of the functions have at most 30 lines."""
    functions = [
        node.end_lineno - node.lineno + 1
        for file in (*PACKAGE.rglob("*.py"), *SANDBOX.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    ]
    assert sum(lines <= 30 for lines in functions) >= 0.95 * len(functions)


def test_files_named_in_the_architecture_page_are_there() -> None:
    """Whoever follows the map arrives."""
    named = set(NAMED_FILE.findall((ROOT / "docs" / "architecture.md").read_text()))
    assert len(named) > 20
    assert [each for each in sorted(named) if not ((PACKAGE / each).exists() or (ROOT / each).exists())] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Each relative link of a page leads to a file that is there."""
    targets = LINK.findall(document.read_text())
    assert [each for each in targets if not (document.parent / each).exists()] == []


def test_pages_and_deployment_files_have_no_replaced_word() -> None:
    """One term for one thing: only CONTRIBUTING, which lists the replacements, still has the words replaced."""
    pages = [page for page in DOCUMENTS if page.name != "CONTRIBUTING.md"]
    deployed = [file for file in (ROOT / "deploy").rglob("*.*") if file.is_file()]
    texts = [*pages, *deployed, ROOT / "deploy" / "Containerfile", ROOT / "Makefile", ROOT / "scripts" / "set-up"]
    found = {str(text.relative_to(ROOT)): REPLACED_WORDS.findall(text.read_text()) for text in texts}
    assert {name: words for name, words in found.items() if words} == {}


def test_the_glossary_explains_every_outcome() -> None:
    """Reasons, warnings, delivery states, verdicts and admissions are words that users meet."""
    of_kafka = (KafkaState, RefusedReason)
    closed_sets = (
        DropReason,
        MappingWarning,
        DeadLetterReason,
        DeliveryCondition,
        VerdictKind,
        IncidentKind,
        *of_kafka,
    )
    words = {CONNECTION_FULL, RECORDED}.union(*map(get_args, closed_sets))
    assert sorted(words - glossary_words()) == []
    text = (ROOT / "docs" / "glossary.md").read_text()
    assert [each for each in get_args(Admission) if f"`{each}`" not in text] == []
