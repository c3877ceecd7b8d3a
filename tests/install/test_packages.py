"""Wheel and source archive: what is in them, and what they say of themselves."""

import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from scripts.release.building import build_packages

from tests.install.checkout import ROOT, git
from tiktok_forwarder import __version__

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.xdist_group("release")]

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
INFO = f"tiktok_forwarder-{__version__}.dist-info"
LICENSES = (
    "LICENSE",
    *(f"src/tiktok_forwarder/console/static/vendor/{name}.LICENSE" for name in ("htmx", "pico", "sse", "uPlot")),
)


@pytest.fixture
def wheel(dist: Path) -> Path:
    (file,) = dist.glob("*.whl")
    return file


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as files:
        return Parser().parsestr(files.read(f"{INFO}/METADATA").decode())


def test_wheel_has_the_files_of_the_packages_and_no_others(released_checkout: Path, wheel: Path) -> None:
    """Templates, scripts, styles, SQL, licenses and type marker are package files; tests and benchmarks are not."""
    source = {name.removeprefix("src/") for name in git(released_checkout, "ls-files", "src").split()}
    info = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", *(f"licenses/{name}" for name in LICENSES)}
    with zipfile.ZipFile(wheel) as files:
        assert set(files.namelist()) == source | {f"{INFO}/{name}" for name in info}
    kinds = {Path(name).suffix for name in source}
    assert kinds == {".py", ".html", ".css", ".js", ".svg", ".sql", ".toml", ".typed", ".LICENSE"}
    assert {name.partition("/")[0] for name in source} == {"tiktok_forwarder", "tiktok_sandbox"}


def test_wheel_describes_itself(wheel: Path) -> None:
    """Name, version, license and the versions of Python that are tested."""
    metadata = metadata_of(wheel)
    assert (metadata["Name"], metadata["Version"]) == ("tiktok-forwarder", __version__)
    assert metadata["License-Expression"] == "Apache-2.0 AND 0BSD AND MIT"
    assert sorted(metadata.get_all("License-File", [])) == sorted(LICENSES)
    assert metadata["Requires-Python"] == ">=3.11"
    versions = [each for each in metadata.get_all("Classifier", []) if "Python :: 3." in each]
    assert versions == [f"Programming Language :: Python :: 3.{minor}" for minor in range(11, 15)]
    needed = [each for each in metadata.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert sorted(needed) == sorted(PROJECT["dependencies"])
    # There is no public page to link to.
    assert metadata.get_all("Project-URL") is None


def test_wheel_has_one_command(wheel: Path) -> None:
    """The name that every page uses."""
    with zipfile.ZipFile(wheel) as files:
        entries = files.read(f"{INFO}/entry_points.txt").decode()
    assert entries == "[console_scripts]\ntiktok-forwarder = tiktok_forwarder.cli.main:main\n"


def test_source_archive_builds_the_same_wheel(released_checkout: Path, dist: Path, wheel: Path, tmp_path: Path) -> None:
    """It has all that a build needs, and the tests."""
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        files.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert (source / "tests" / "install" / Path(__file__).name).is_file()
    (tmp_path / "built").mkdir()
    built = build_packages(source, tmp_path / "built", int(git(released_checkout, "log", "-1", "--format=%ct")))
    assert built.read_bytes() == wheel.read_bytes()
