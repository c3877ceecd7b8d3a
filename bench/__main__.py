"""Runs the benchmarks of this folder, `bench_*.py`, that are named on the command line, without that prefix.

Without names it runs all but the long ones. With AGAINST=/path/to/another/checkout each figure is measured of both.
"""

import importlib
import pkgutil
import sys
from collections.abc import Sequence

import bench
from bench.checkouts import UnusableCheckout, checkouts

_PREFIX = "bench_"
LONG = ("backlog", "growth", "nodes", "sustained")


def main(chosen: Sequence[str]) -> int:
    names = [
        each.name.removeprefix(_PREFIX)
        for each in pkgutil.iter_modules(bench.__path__)
        if each.name.startswith(_PREFIX)
    ]
    unknown = sorted(set(chosen) - set(names))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(names)}", file=sys.stderr)
        return 2
    try:
        checkouts()
    except UnusableCheckout as error:
        print(error, file=sys.stderr)
        return 2
    for name in chosen or [name for name in names if name not in LONG]:
        print(f"== {name}")
        try:
            importlib.import_module(f"bench.{_PREFIX}{name}").run()
        except RuntimeError as error:
            print(f"the benchmark {name} stopped: {error}", file=sys.stderr)
            return 1
        print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
