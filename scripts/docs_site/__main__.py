"""The command of `make site`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from scripts.docs_site.build import SITE, SiteProblem, build


def main(arguments: Sequence[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="make site", description="Build the docs site.")
    parser.add_argument("folder", nargs="?", type=Path, default=SITE, help="where to build it; default: build/site")
    folder = parser.parse_args(arguments).folder
    started = monotonic()
    try:
        site = build(folder)
    except SiteProblem as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{site.page_count} pages in {site.folder}, built in {monotonic() - started:.1f} s. To view them:")
    print(f"python3 -m http.server --bind 127.0.0.1 --directory {site.folder} 8000")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
