"""A checkout of this project as it is now, committed and tagged, from which a release can be built."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tiktok_forwarder import __version__

ROOT: Final = Path(__file__).parents[2]
TAG: Final = f"v{__version__}"
_COMMITTED_AT: Final = "2026-01-02T03:04:05Z"


def git(checkout: Path, *arguments: str) -> str:
    """Run git without the user's settings, so that commits are the same everywhere."""
    identity = {
        f"GIT_{role}_{key}": f"{role}@example.com" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")
    }
    dates = {"GIT_AUTHOR_DATE": _COMMITTED_AT, "GIT_COMMITTER_DATE": _COMMITTED_AT}
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    environment = {**os.environ, **identity, **dates, **settings}
    command = ["git", "-C", str(checkout), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def tagged_checkout(target: Path) -> Path:
    """Copy every file of the project that is not ignored, with a changelog that has a section for the version."""
    names = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    changelog = target / "CHANGELOG.md"
    if f"## [{__version__}]" not in changelog.read_text():
        section = f"## [{__version__}] - 2026-01-02"
        changelog.write_text(re.sub(r"^## \[Unreleased\]$", section, changelog.read_text(), flags=re.MULTILINE))
    git(target, "init", "--quiet", "--initial-branch=main")
    commit(target)
    git(target, "tag", TAG)
    return target


def commit(checkout: Path) -> None:
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message=As it is now")
