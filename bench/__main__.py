"""Runs the benchmarks: every `bench_*.py` beside this file, or those named on the command line without that prefix."""

import importlib
import pkgutil
import sys
from collections.abc import Sequence

import bench

_PREFIX = "bench_"


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
    for name in chosen or names:
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
