"""`python -m scripts.release`: the command line of `make release`."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scripts.release.building import (
    build_image,
    build_packages,
    find_image_builder,
    write_materials,
    write_requirements,
    write_sums,
)
from scripts.release.source import NotReleasable, Source, export, tagged_source, trial_source

_CHECKOUT: Final = Path(__file__).parents[2]


def main(arguments: Sequence[str], checkout: Path = _CHECKOUT) -> int:
    """Return the exit status: 2 if the checkout cannot be released. `dist` changes only if everything was built."""
    options = _read_options(arguments)
    try:
        source = trial_source(checkout) if options.trial else tagged_source(checkout)
        with tempfile.TemporaryDirectory(prefix="release-") as room:
            built = _build(source, Path(room), with_image=not options.no_image, base=options.base)
            _replace(checkout / "dist", built)
    except NotReleasable as error:
        print(f"not released: {error}".replace("\n", "\nnot released: "), file=sys.stderr)
        return 2
    for file in sorted((checkout / "dist").iterdir()):
        print(f"dist/{file.name}  {file.stat().st_size:,} bytes")
    print(f"Built {source.version}. Nothing was published.")
    if options.trial:
        print("This is a trial build of the last commit: its version is marked, and no package index accepts it.")
    return 0


def _read_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make release",
        description="Build wheel, source archive, requirements, bill of materials and image of a tagged commit.",
    )
    parser.add_argument(
        "--trial", action="store_true", help="build the last commit without a tag, and mark its version"
    )
    parser.add_argument("--no-image", action="store_true", help="leave out the image")
    parser.add_argument("--base", metavar="IMAGE", help="base of the image; by default the one of deploy/Containerfile")
    return parser.parse_args(arguments)


def _build(source: Source, room: Path, *, with_image: bool, base: str | None) -> Path:
    """Build everything in `room` and return the directory of the results."""
    files, target = room / "source", room / "dist"
    export(source, files)
    target.mkdir()
    wheel = build_packages(files, target, source.committed_at)
    write_requirements(files, target, wheel)
    write_materials(files, target, wheel, source)
    builder = find_image_builder()
    if with_image and builder is not None:
        build_image(builder, files, target, source, base)
    elif with_image:
        print("no image: neither podman nor buildah is installed here", file=sys.stderr)
    write_sums(target)
    return target


def _replace(dist: Path, built: Path) -> None:
    shutil.rmtree(dist, ignore_errors=True)
    shutil.copytree(built, dist)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
