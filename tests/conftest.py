"""Fixtures of every test that runs the service, the choice of its store, and what holds for every property test."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import structlog
from hypothesis import settings
from scripts.docs_site.build import build

from tests.integration.service_process import add_shop
from tests.store_choice import STORES, StoreKind

# How long an example takes depends on the machine: time is measured by benchmarks.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

TESTS = Path(__file__).parent
# The tests that start a service.
SERVICE_FOLDERS = ("integration", "browser", "security")
STORE_KINDS = get_args(StoreKind)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store", choices=STORE_KINDS, default="sqlite", help="The store of the services under test.")
    parser.addoption(
        "--write-screenshots", action="store_true", help="Write the pictures of the docs: make screenshots."
    )


def pytest_configure(config: pytest.Config) -> None:
    STORES.kind = config.getoption("store")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests for which another store makes no difference, and those that are about SQLite's files."""
    if config.getoption("store") == "sqlite":
        return
    config.hook.pytest_deselected(items=[item for item in items if not _is_of_any_store(item)])
    items[:] = [item for item in items if _is_of_any_store(item)]


def _is_of_any_store(item: pytest.Item) -> bool:
    folder = item.path.relative_to(TESTS).parts[0]
    return folder in SERVICE_FOLDERS and item.get_closest_marker("sqlite_files") is None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    is_of_both = metafunc.definition.get_closest_marker("both_stores") is not None
    if is_of_both and metafunc.config.getoption("store") == "sqlite":
        metafunc.parametrize("store_kind", STORE_KINDS, indirect=True)


@pytest.fixture(autouse=True)
def store_kind(request: pytest.FixtureRequest) -> Iterator[StoreKind]:
    """The store of the services that the test starts."""
    usual, before = STORES.kind, STORES.directories()
    STORES.kind = getattr(request, "param", usual)
    yield STORES.kind
    STORES.kind = usual
    STORES.drop_others(before)


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


@pytest.fixture(autouse=True)
def errors_of_asyncio() -> Iterator[None]:
    """Fail a test if asyncio could only log an error, such as one of a task for which no one waits.

    A log that the test has opened is closed: its stream ends with the test.
    """
    errors = _Errors()
    asyncio_log, root = logging.getLogger("asyncio"), logging.getLogger()
    asyncio_log.addHandler(errors)
    yield
    asyncio_log.removeHandler(errors)
    structlog.reset_defaults()
    root.handlers[:] = [handler for handler in root.handlers if type(handler).__module__.startswith("_pytest.")]
    assert not errors.texts, "\n".join(errors.texts)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with an input and a connection, made by the command line once; without its reserve of space."""
    directory = tmp_path_factory.mktemp("prepared") / "data"
    STORES.share(directory)
    add_shop(directory)
    (directory / "events.reserve").unlink(missing_ok=True)
    return directory


@pytest.fixture
def data_dir(request: pytest.FixtureRequest, store_kind: StoreKind, tmp_path: Path) -> Path:
    """A data directory of the test's own, with an input and a connection."""
    directory = tmp_path / "data"
    if store_kind != request.config.getoption("store"):
        add_shop(directory)
        return directory
    prepared: Path = request.getfixturevalue("prepared")
    STORES.copy(prepared, directory)
    return Path(shutil.copytree(prepared, directory))


@pytest.fixture(scope="session")
def docs_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The docs site, built from this repository."""
    return build(tmp_path_factory.mktemp("docs-site") / "site").folder
