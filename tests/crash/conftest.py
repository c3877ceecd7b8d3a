"""Fixtures of the crash tests: how much is done, and the seed of what is random."""

import os
import random
import sys
from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec
import pytest
from msgspec import Struct

from tests.crash.accounting import Account

Amount = TypeVar("Amount", int, float)
Show = Callable[[str, Account], None]
SOAK_VARIABLE = "SOAK"
SEED_VARIABLE = "CRASH_SEED"


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
def show(seed: int, capsys: pytest.CaptureFixture[str]) -> Show:
    """Prints an account, also where the output of tests is kept back."""

    def shown(what: str, account: Account) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{what}, {SEED_VARIABLE}={seed}\n{account.table()}\n")

    return shown
