"""Fixtures of every test that runs the service as a process, and what holds for every property test."""

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from tests.integration.service_process import add_shop

# How long an example takes depends on the machine: time is measured by benchmarks.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with an input and a connection, made by the command line once; without its reserve of space."""
    directory = tmp_path_factory.mktemp("prepared") / "data"
    add_shop(directory)
    (directory / "events.reserve").unlink()
    return directory


@pytest.fixture
def data_dir(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "data"))
