"""`make release`: what it refuses, what it builds, and that the same commit gives the same bytes."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from scripts.release.__main__ import main
from scripts.release.lock import RUNTIME, read_lock

from tests.install.checkout import ROOT, TAG, commit, git, tagged_checkout
from tests.unit.test_repository import VENDOR, locked
from tiktok_forwarder import __version__

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.xdist_group("release")]

PARTS = (
    "SHA256SUMS",
    "constraints.txt",
    "requirements.txt",
    "sbom.cdx.json",
    f"tiktok_forwarder-{__version__}-py3-none-any.whl",
    f"tiktok_forwarder-{__version__}.tar.gz",
)
# Whose packages state none; what their repositories state is MIT.
WITHOUT_LICENSE = {"crawler-user-agents"}


def names(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.iterdir())


def test_release_has_every_part_and_its_sum(dist: Path) -> None:
    """The sums are for a reader's own `sha256sum`."""
    assert names(dist) == sorted(PARTS)
    done = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=dist, capture_output=True, check=True)
    assert done.stdout.count(b": OK\n") == len(PARTS) - 1


def test_same_commit_gives_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    """Neither the directory, the time of the build nor the umask is in what is built."""
    before = os.umask(0o077)
    try:
        assert main(["--no-image"], tagged_checkout(tmp_path)) == 0
    finally:
        os.umask(before)
    assert (tmp_path / "dist" / "SHA256SUMS").read_text() == (dist / "SHA256SUMS").read_text()


def test_what_is_not_a_version_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each problem is one line, and the release before stays in place."""
    checkout = tagged_checkout(tmp_path)
    (checkout / "dist").mkdir()
    (checkout / "dist" / "earlier").touch()
    (checkout / "src" / "stray.py").touch()
    assert main([], checkout) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("not released: the checkout has changes that are not committed")
    changelog = checkout / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace(f"## [{__version__}]", "## [Unreleased]"))
    commit(checkout)
    assert main([], checkout) == 2
    untagged, undocumented = capsys.readouterr().err.splitlines()
    assert f"the commit has no tag {TAG}" in untagged
    assert f"CHANGELOG.md has no section with a date for {__version__}" in undocumented
    git(checkout, "tag", "v9.9.9")
    assert main([], checkout) == 2
    assert f"the commit has no tag {TAG}" in capsys.readouterr().err
    assert names(checkout / "dist") == ["earlier"]


def test_directory_without_a_commit_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not a checkout has no commit to build."""
    assert main(["--trial"], tmp_path) == 2
    assert "not a git repository" in capsys.readouterr().err


def test_trial_is_marked_in_every_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit without a tag gets a local version, which package indexes refuse; changes that wait are left out.

    Without podman and buildah a line says that there is no image.
    """
    checkout = tagged_checkout(tmp_path / "checkout")
    git(checkout, "tag", "--delete", TAG)
    (checkout / "src" / "tiktok_forwarder" / "stray.py").touch()
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(programs))
    assert main(["--trial"], checkout) == 0
    revision = git(checkout, "rev-parse", "--short=9", "HEAD").strip()
    wheel = f"tiktok_forwarder-{__version__}+trial.g{revision}-py3-none-any.whl"
    assert [name for name in names(checkout / "dist") if name.endswith(".whl")] == [wheel]
    output = capsys.readouterr()
    assert "This is a trial build" in output.out
    assert output.err == "no image: neither podman nor buildah is installed here\n"
    assert b"stray.py" not in (checkout / "dist" / wheel).read_bytes()


def components(dist: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((dist / "sbom.cdx.json").read_text())["components"]
    return found


def test_bill_of_materials_follows_its_schema(dist: Path) -> None:
    """CycloneDX 1.6, strictly; it names the wheel by its hash."""
    text = (dist / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    root = json.loads(text)["metadata"]["component"]
    wheel = f"{root['hashes'][0]['content']}  tiktok_forwarder-{__version__}-py3-none-any.whl\n"
    assert (root["version"], wheel in (dist / "SHA256SUMS").read_text()) == (__version__, True)


def test_bill_of_materials_has_every_locked_library(dist: Path) -> None:
    """Each with its version, the hashes of the lock file and, where its package states one, its license."""
    found = {each["name"]: each for each in components(dist) if each["purl"].startswith("pkg:pypi/")}
    assert {name: each["version"] for name, each in found.items()} == locked("runtime")
    lock = (ROOT / RUNTIME).read_text()
    for each in found.values():
        (files,) = each["externalReferences"]
        assert all(f"--hash=sha256:{file['content']}" in lock for file in files["hashes"])
    assert sum(len(each["externalReferences"][0]["hashes"]) for each in found.values()) == lock.count("--hash=sha256:")
    assert {name for name, each in found.items() if not each.get("licenses")} <= WITHOUT_LICENSE


def test_bill_of_materials_has_the_files_of_others_in_the_package(dist: Path) -> None:
    """What the console's pages load comes from npm, and is not in the lock file."""
    found = [each for each in components(dist) if each["purl"].startswith("pkg:npm/")]
    assert len(found) == 4 and all(each["licenses"] for each in found)
    for file in (file for each in found for file in each["components"]):
        assert f'"{file["name"]}" = ' in VENDOR.read_text() and file["hashes"][0]["content"] in VENDOR.read_text()


def test_bill_of_materials_shows_who_needs_a_library() -> None:
    """Those that nothing needs would be in the lock file for no reason."""
    libraries = read_lock(ROOT / RUNTIME)
    known = {library.name for library in libraries}
    assert len(known) == len(locked("runtime"))
    assert [library.name for library in libraries if not library.is_direct and not known & {*library.needed_by}] == []
    assert next(library for library in libraries if library.name == "yarl").needed_by == ["aiohttp"]
