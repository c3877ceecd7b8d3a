"""The release that the tests of this folder share."""

from pathlib import Path

import pytest
from scripts.release.__main__ import main

from tests.install.checkout import tagged_checkout


@pytest.fixture(scope="session")
def released_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tagged checkout after `make release`, without the image."""
    checkout = tagged_checkout(tmp_path_factory.mktemp("checkout"))
    assert main(["--no-image"], checkout) == 0
    return checkout


@pytest.fixture(scope="session")
def dist(released_checkout: Path) -> Path:
    return released_checkout / "dist"
