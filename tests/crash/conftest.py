"""Fixtures of the crash tests: how much is done, and the seed of what is random."""

import os
import random
import sys
from collections.abc import Callable
from typing import Final, Literal, TypeVar

import msgspec
import pytest
from msgspec import Struct

from tests.crash.accounting import Account

Amount = TypeVar("Amount", int, float)
Show = Callable[[str, Account], None]
PrintAtEnd = Callable[[str], None]
SOAK_VARIABLE = "SOAK"
SEED_VARIABLE = "CRASH_SEED"
_PRINTED: Final = "printed at the end"


class Soak(Struct, frozen=True):
    """How much is done: `make test` asks for the short form, `make soak` for more, `make soak SOAK=long` for most."""

    level: Literal["", "1", "long"]

    @property
    def is_on(self) -> bool:
        return self.level != ""

    def choose(self, short: Amount, soak: Amount, long: Amount) -> Amount:
        """Return what this level asks for."""
        return {"": short, "1": soak, "long": long}[self.level]


@pytest.fixture(scope="session")
def soak() -> Soak:
    return msgspec.convert({"level": os.environ.get(SOAK_VARIABLE, "")}, Soak)


@pytest.fixture
def seed() -> int:
    """Another one each time, printed where a test fails; `CRASH_SEED` repeats it."""
    chosen = int(os.environ.get(SEED_VARIABLE) or random.randrange(2**32))
    sys.stdout.write(f"{SEED_VARIABLE}={chosen}\n")
    return chosen


@pytest.fixture
def print_at_end(seed: int, record_property: Callable[[str, object], None]) -> PrintAtEnd:
    """Has a text printed at the end of the run, also by a test that ran in a process of its own."""

    def kept(text: str) -> None:
        record_property(_PRINTED, f"{text}\n{SEED_VARIABLE}={seed}")

    return kept


@pytest.fixture
def show(print_at_end: PrintAtEnd) -> Show:
    return lambda what, account: print_at_end(f"{what}\n{account.table()}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests found, each with the seed that repeats it."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    texts = [text for report in reports for name, text in report.user_properties if name == _PRINTED]
    if texts:
        terminalreporter.section("account of every event")
        terminalreporter.write_line("\n\n".join(texts))
