"""The commit that is built, and what must be true of it."""

import io
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Final

from msgspec import Struct

_VERSION_FILE: Final = "src/tiktok_forwarder/__init__.py"
_CHANGELOG: Final = "CHANGELOG.md"
_VERSION: Final = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


class NotReleasable(Exception):
    """The checkout cannot be built; each line of the text is a problem for a person."""


class Source(Struct, frozen=True):
    """A commit. `committed_at` is in seconds; every file that is built has it as its time."""

    checkout: Path
    version: str
    committed_at: int


def tagged_source(checkout: Path) -> Source:
    """Return the commit that is checked out. Raises `NotReleasable` unless it is a version, tagged and documented."""
    source = _head(checkout)
    tag = f"v{source.version}"
    problems = []
    if _git(checkout, "status", "--porcelain"):
        problems.append("the checkout has changes that are not committed: commit or remove them (git status)")
    if tag not in _git(checkout, "tag", "--points-at", "HEAD").split():
        problems.append(f"the commit has no tag {tag}, which its version {source.version} needs: git tag {tag}")
    if not re.search(rf"^## \[{re.escape(source.version)}\] - \d{{4}}-\d\d-\d\d$", _show(checkout, _CHANGELOG), re.M):
        problems.append(f"{_CHANGELOG} has no section with a date for {source.version}: ## [{source.version}] - DATE")
    if problems:
        raise NotReleasable("\n".join(problems))
    return source


def trial_source(checkout: Path) -> Source:
    """Return the commit that is checked out, whatever it is, under a version that no index accepts."""
    source = _head(checkout)
    commit = _git(checkout, "rev-parse", "--short=9", "HEAD").strip()
    return Source(checkout, f"{source.version}+trial.g{commit}", source.committed_at)


def export(source: Source, target: Path) -> None:
    """Write the files of the commit to `target`, with the version that is built, and nothing else of the checkout."""
    archive = subprocess.run(
        ["git", "-C", source.checkout, "archive", "--format=tar", "HEAD"], capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(target, filter="data")
    file = target / _VERSION_FILE
    file.write_text(_VERSION.sub(f'__version__ = "{source.version}"', file.read_text()))


def _head(checkout: Path) -> Source:
    found = _VERSION.search(_show(checkout, _VERSION_FILE))
    if found is None:
        raise NotReleasable(f'{_VERSION_FILE} has no line __version__ = "…"')
    return Source(checkout, found[1], int(_git(checkout, "log", "-1", "--format=%ct")))


def _show(checkout: Path, file: str) -> str:
    return _git(checkout, "show", f"HEAD:{file}")


def _git(checkout: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", checkout, *arguments], capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise NotReleasable("git is missing: a release is built from a commit") from error
    except subprocess.CalledProcessError as error:
        raise NotReleasable(f"git {' '.join(arguments)}: {error.stderr.strip()}") from error
    return done.stdout
