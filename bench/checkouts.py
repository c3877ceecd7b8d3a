"""The checkouts whose program is measured: this one, and with `AGAINST=/path/to/another` the other one in turn.

The benchmarks are always this checkout's; the interpreter with its libraries, and `src`, are those of the checkout that
is measured. So a directory of data is made by the program that will use it.
"""

import contextlib
import os
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

Result = TypeVar("Result")

ROOT: Final = Path(__file__).parents[1]


class UnusableCheckout(Exception):
    """The checkout that AGAINST names cannot be measured; the text is for a person."""


class Checkout(NamedTuple):
    """A copy of the repository, and the Python that has the libraries of its lock file."""

    name: str
    folder: Path
    python: str

    def command(self, *arguments: str) -> list[str]:
        return [self.python, *arguments]

    def variables(self) -> dict[str, str]:
        """Return the environment in which this checkout's program and the running benchmarks are imported."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIKTOK_FORWARDER_")}
        return inherited | {"PYTHONPATH": os.pathsep.join((str(self.folder / "src"), str(ROOT)))}

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run Python with these arguments to its end; return what it printed. Raises `RuntimeError` if it fails."""
        done = subprocess.run(
            self.command(*arguments), env=self.variables(), cwd=ROOT, input=stdin, capture_output=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{self.folder}: {' '.join(arguments)} failed: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def call(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Call a function of the benchmarks in a process of its own, with this checkout's program.

        Arguments and result pass as JSON. Raises `RuntimeError` if the function does.
        """
        place = (function.__module__, function.__name__)
        said = self.run("-m", "bench.call", *place, stdin=msgspec.json.encode(arguments))
        result: Result = msgspec.json.decode(said, type=typing.get_type_hints(function)["return"])
        return result


THIS: Final = Checkout("this", ROOT, sys.executable)


@cache
def checkouts() -> Sequence[Checkout]:
    """Return this checkout, and the one that AGAINST names. Raises `UnusableCheckout`."""
    against = os.environ.get("AGAINST", "")
    if not against:
        return (THIS,)
    other = Checkout("other", Path(against).resolve(), str(Path(against).resolve() / ".venv" / "bin" / "python"))
    if not (Path(other.python).exists() and (other.folder / "src" / "tiktok_forwarder").is_dir()):
        raise UnusableCheckout(f"AGAINST={against} is not a checkout with a .venv: run scripts/set-up dev in it first")
    return (THIS, other)


Round = Sequence[float]
"""The figures of one round."""
Measured = Mapping[Checkout, Sequence[Round]]
"""The rounds of each checkout."""


@contextlib.contextmanager
def for_each(open_one: Callable[[Checkout], AbstractContextManager[Result]]) -> Iterator[Mapping[Checkout, Result]]:
    """Open a context for each checkout, such as a service, so that they can be measured in turn."""
    with contextlib.ExitStack() as stack:
        yield {checkout: stack.enter_context(open_one(checkout)) for checkout in checkouts()}


def in_turn(rounds: int, measure: Callable[[Checkout, int], Result]) -> Mapping[Checkout, Sequence[Result]]:
    """Call `measure` once a round for each checkout, in the opposite order every other round.

    The machine's speed drifts; what one round of both meets is nearly the same. The number of the round counts from 1.
    """
    measured: dict[Checkout, list[Result]] = {checkout: [] for checkout in checkouts()}
    for number in range(1, rounds + 1):
        for checkout in checkouts() if number % 2 else reversed(checkouts()):
            measured[checkout].append(measure(checkout, number))
    return measured
