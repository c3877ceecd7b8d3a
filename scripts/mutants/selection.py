"""Which source files the mutants are made of, and which of the mutants are tried."""

import random
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scripts.mutants.mutator import Mutant, choose_per_line, find_mutants

_SOURCE: Final = "src"


class InvalidSelection(Exception):
    """The message says what is wrong with what was asked for."""


def find_places(checkout: Path, targets: Sequence[str], since: str | None) -> list[str]:
    """The Python files of the targets (files, folders or packages) that changed since a commit, as paths inside src/.

    Without targets every file is meant, without a commit it need not have changed. Raises `InvalidSelection`.
    """
    source = checkout / _SOURCE
    paths = {path for target in targets or [_SOURCE] for path in _python_files(checkout, target)}
    if since is not None:
        paths &= _changed_files(checkout, since)
    return sorted(str(path.relative_to(source)) for path in paths)


def sample_mutants(source: Path, places: Sequence[str], seed: int, size: int | None) -> list[Mutant]:
    """In an order that the seed decides, so that any beginning of it is a fair sample."""
    found = [mutant for place in places for mutant in find_mutants(place, (source / place).read_bytes())]
    chosen = choose_per_line(found, seed)
    random.Random(seed).shuffle(chosen)
    return chosen[:size]


def _python_files(checkout: Path, target: str) -> list[Path]:
    source = checkout / _SOURCE
    names = target.split(".")
    package = source.joinpath(*names) if all(map(str.isidentifier, names)) else source / target
    for path in (checkout / target, source / target, package):
        for candidate in (path, path.with_name(f"{path.name}.py")):
            if not candidate.resolve().is_relative_to(source.resolve()):
                continue
            if candidate.is_file() and candidate.suffix == ".py":
                return [candidate]
            if candidate.is_dir():
                return sorted(candidate.rglob("*.py"))
    raise InvalidSelection(f"{target} is not a Python file, folder or package of {_SOURCE}/.")


def _changed_files(checkout: Path, since: str) -> set[Path]:
    changed = _git(checkout, "diff", "--name-only", "--relative", "--diff-filter=d", since, "--", _SOURCE)
    untracked = _git(checkout, "ls-files", "--others", "--exclude-standard", "--", _SOURCE)
    return {checkout / line for line in [*changed, *untracked]}


def _git(checkout: Path, *arguments: str) -> list[str]:
    run = subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise InvalidSelection(f"git {arguments[0]} failed: {run.stderr.strip()}")
    return run.stdout.splitlines()
