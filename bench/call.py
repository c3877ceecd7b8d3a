"""Calls a function of the benchmarks: `python -m bench.call MODULE FUNCTION`, arguments and result as JSON.

`Checkout.call` runs it with the program of the checkout that is measured.
"""

import importlib
import sys

import msgspec


def main() -> None:
    module, function = sys.argv[1:]
    arguments = msgspec.json.decode(sys.stdin.buffer.read())
    result = getattr(importlib.import_module(module), function)(*arguments)
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main()
