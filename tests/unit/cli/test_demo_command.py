"""What `demo` says without the packages that only it needs."""

import sys
from pathlib import Path

import pytest

from tests.unit.cli.running import Run


def test_missing_package_is_installed_by_its_own_name(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """This program is in no package index: a package of its name there would be another's."""
    monkeypatch.setitem(sys.modules, "mparticle", None)
    status, printed, problems = run("demo", "--folder", tmp_path / "demo", "--seconds", 1)
    assert (status, printed) == (2, "")
    assert problems.endswith(
        "the demo needs the package mparticle: run make demo in a checkout, or install it with "
        f"{sys.executable} -m pip install mparticle\n"
    )
