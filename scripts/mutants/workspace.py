"""A copy of the checkout to run mutants in, so that nothing is ever changed in the checkout itself."""

import hashlib
import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_QUICK: Final = "not slow"
_LEFT_OUT_AT_TOP: Final = (".git", ".venv", "build", "data", "demo-data", "dist")
_LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "node_modules", ".*_cache", ".hypothesis", "*.egg-info")
_PLUGINS: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Workspace:
    """`directory` is temporary. The copied checkout is in `tree`, what runs write is beside it."""

    directory: Path

    @property
    def tree(self) -> Path:
        return self.directory / "tree"

    @property
    def source(self) -> Path:
        return self.tree / "src"

    def fill(self, checkout: Path) -> None:
        def left_out(folder: str, names: list[str]) -> set[str]:
            at_top = set(_LEFT_OUT_AT_TOP) if Path(folder) == checkout else set()
            return _LEFT_OUT(folder, names) | at_top

        shutil.copytree(checkout, self.tree, ignore=left_out, symlinks=True)

    def shared_files(self) -> list[Path]:
        """What every test depends on: the product, how pytest is set up, and the helpers of tests."""
        helpers = (path for path in (self.tree / "tests").rglob("*") if not path.match("test_*.py"))
        return [self.tree / "pyproject.toml", *self.source.rglob("*"), *helpers]

    def fingerprint(self, paths: Iterable[Path]) -> str:
        """Changes with the names and the content of files."""
        digest = hashlib.sha256(sys.version.encode())
        for path in sorted(path for path in paths if path.is_file() and path.suffix != ".pyc"):
            digest.update(f"{path.relative_to(self.tree)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
        return digest.hexdigest()[:20]

    def environment(self, **variables: str) -> dict[str, str]:
        """The product is imported from the copy, the plugins of this package wherever the copy has none."""
        path = os.pathsep.join([str(self.source), str(_PLUGINS)])
        own = {"PYTHONPATH": path, "TMPDIR": str(self.directory), "PYTHONDONTWRITEBYTECODE": "", **variables}
        # The tests of this tool run it within a test run, whose variables are not meant for the runs that it starts.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        return {**inherited, **own}


def quick_tests_command(plugin: str, *arguments: str) -> list[str]:
    """Runs quick tests in the current directory."""
    return [sys.executable, "-m", "pytest", "-p", plugin, "-p", "no:cacheprovider", "-m", _QUICK, *arguments]
