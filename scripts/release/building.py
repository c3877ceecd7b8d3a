"""Builds each part of a release from the exported files of a commit."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from scripts.release.lock import RUNTIME, read_lock
from scripts.release.materials import bill_of_materials
from scripts.release.source import NotReleasable, Source

SUMS: Final = "SHA256SUMS"
_NAME: Final = "tiktok-forwarder"
_BUILDERS: Final = ("podman", "buildah")


def build_packages(source: Path, target: Path, committed_at: int) -> Path:
    """Build source archive and wheel, and return the wheel. The same commit gives the same bytes."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", target],
        cwd=source,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(committed_at)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotReleasable(f"hatchling could not build the packages:\n{done.stdout}{done.stderr}".strip())
    (wheel,) = target.glob("*.whl")
    return wheel


def write_requirements(source: Path, target: Path, wheel: Path) -> None:
    """Write what installs exactly this wheel with the locked libraries: with their hashes, and as constraints."""
    lock = (source / RUNTIME).read_text()
    (target / "requirements.txt").write_text(f"{lock}./{wheel.name} \\\n    --hash=sha256:{sha256_of(wheel)}\n")
    libraries = read_lock(source / RUNTIME)
    (target / "constraints.txt").write_text("".join(f"{library.constraint}\n" for library in libraries))


def write_materials(source: Path, target: Path, wheel: Path, built: Source) -> None:
    """Write the bill of materials."""
    libraries = read_lock(source / RUNTIME)
    text = bill_of_materials(built.version, built.committed_at, sha256_of(wheel), libraries, source)
    (target / "sbom.cdx.json").write_text(text)


def find_image_builder() -> str | None:
    """Return the program that builds images on this machine."""
    return next((name for name in _BUILDERS if shutil.which(name)), None)


def build_image(builder: str, source: Path, target: Path, built: Source, base: str | None) -> None:
    """Build the image and write it as an OCI archive, without pushing it."""
    image = f"{_NAME}:{built.version.replace('+', '-')}"
    archive = target / f"{_NAME}-{built.version}-image.tar"
    options = ["--timestamp", str(built.committed_at), "--tag", image]
    options += ["--build-arg", f"BASE={base}"] if base else []
    _run_builder(builder, "build", "--file", "deploy/Containerfile", *options, ".", cwd=source)
    if builder == "podman":
        _run_builder(builder, "save", "--format", "oci-archive", "--output", str(archive), image, cwd=source)
    else:
        _run_builder(builder, "push", image, f"oci-archive:{archive}:{image}", cwd=source)


def write_sums(target: Path) -> None:
    """Write the sums of all files, for `sha256sum --check`."""
    lines = [f"{sha256_of(file)}  {file.name}\n" for file in sorted(target.iterdir())]
    (target / SUMS).write_text("".join(lines))


def sha256_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _run_builder(builder: str, *arguments: str, cwd: Path) -> None:
    done = subprocess.run([builder, *arguments], cwd=cwd, stdout=sys.stderr, check=False)
    if done.returncode:
        raise NotReleasable(f"{builder} {arguments[0]} failed, see above; --no-image builds everything else")
