"""The locked libraries can be installed with every supported Python, on the usual machines, without a compiler."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest
from scripts.release.lock import RUNTIME, read_lock

from tests.install.checkout import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSIONS: Final = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
PLATFORMS: Final = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28")


def test_first_supported_version_is_the_oldest_that_is_named() -> None:
    """The classifiers begin where `requires-python` does, and leave out no version in between."""
    minors = [int(version.partition(".")[2]) for version in VERSIONS]
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert PROJECT["requires-python"] == f">={VERSIONS[0]}"


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_locked_library_has_a_wheel(version: str, platform: str, tmp_path: Path) -> None:
    """With the locked hashes: what only a compiler could install would fail where there is none."""
    command = [
        str(Path(sys.executable).with_name("uv")),
        *("pip", "install", "--dry-run", "--only-binary", ":all:", "--require-hashes"),
        *("--python-version", version, "--python-platform", platform, "--target", str(tmp_path)),
        *("-r", str(ROOT / RUNTIME)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"^ \+ ([\w.-]+)==(\S+)$", done.stderr, re.MULTILINE))
    assert found == {library.name: library.version for library in read_lock(ROOT / RUNTIME)}
