"""The account of every event by its id: what senders know, against what the sandbox logged and what the store holds."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from tests.crash.ledger import Ledger

_TAKEN: Final = 0


class Account(Struct, frozen=True):
    """The seven numbers of Jepsen's queue test. Valid: nothing unexpected, and nothing lost but what was erased.

    `ok` are acknowledged events that were delivered or are dead letters; `recovered` were so without being
    acknowledged; `duplicated` counts the sends of events that TikTok had taken before.
    """

    attempts: int
    acknowledged: int
    ok: int
    unexpected: int
    duplicated: int
    lost: int
    recovered: int

    def table(self) -> str:
        names = [f"{name:>13}" for name in self.__struct_fields__]
        numbers = [f"{number:>13,}" for number in msgspec.structs.astuple(self)]
        return "\n".join(["".join(names), "".join(numbers)])


class Received(Struct, frozen=True):
    """What the sandbox logged: how often each event came in a request that was taken, and all that ever came."""

    taken: Counter[str]
    seen: set[str]

    @classmethod
    def from_log(cls, log: Path) -> "Received":
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        taken = Counter(line["event_id"] for line in lines if line["code"] == _TAKEN)
        return cls(taken, {line["event_id"] for line in lines})


def account(ledger: Ledger, received: Received, dead: Collection[str]) -> Account:
    """Unsupported events have no id in the store: their account is by number, in `assert_books`."""
    ended = received.taken.keys() | set(dead)
    owed = ledger.acknowledged - ledger.of_kind("unsupported")
    return Account(
        attempts=len(ledger.kinds),
        acknowledged=len(ledger.acknowledged),
        ok=len(owed & ended),
        unexpected=len((received.seen | set(dead)) - ledger.of_kind("good", "poisoned")),
        duplicated=sum(received.taken.values()) - len(received.taken),
        lost=len(owed - ended),
        recovered=len(ended - ledger.acknowledged),
    )


def assert_books(ledger: Ledger, received: Received, dead: Collection[str], books: Mapping[str, Any]) -> None:
    """The store's totals balance, and say what ledger and log say; nothing waits any more."""
    totals: Counter[str] = Counter(books["totals"])
    ended = ("delivered", "dead_lettered", "dropped", "erased")
    assert totals["accepted"] == sum(totals[counter] for counter in ended), totals
    assert totals["delivered"] == len(received.taken)
    assert totals["dead_lettered"] == len(dead) == len(set(dead))
    assert set(dead) <= ledger.of_kind("poisoned")
    assert received.taken.keys() <= ledger.of_kind("good")
    assert ledger.drops_acknowledged <= totals["dropped"] <= ledger.drops_attempted
