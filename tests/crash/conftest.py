"""Fixtures of the crash tests: how much is done, and the seed of what is random."""

import os
import random
import sys
from collections.abc import Callable

import pytest

from tests.crash.accounting import Account

Show = Callable[[str, Account], None]
SOAK_VARIABLE = "SOAK"
SEED_VARIABLE = "CRASH_SEED"


@pytest.fixture(scope="session")
def is_soak() -> bool:
    """Whether `make soak` asks for the long run."""
    return os.environ.get(SOAK_VARIABLE) == "1"


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
