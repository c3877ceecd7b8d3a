"""The finding of a rule, and the row of the table that a rule is."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from tiktok_sandbox.event_view import EventView
from tiktok_sandbox.facts import BAD_PARAMETER, Api


class Finding(NamedTuple):
    """A field, by its path inside the event or the envelope, and its problem, without its value."""

    field: str
    problem: str
    code: int = BAD_PARAMETER


Check = Callable[[EventView], Finding | None]


class Rule(Struct, frozen=True):
    """A row of the rules' table. `number` is the rule's in docs/sandbox.md; 0 is for shapes, which have no number."""

    number: int
    check: Check
    apis: tuple[Api, ...] = ("1.0", "2.0")


class EventWarning(Struct, frozen=True, gc=False):
    """A fact that TikTok accepts silently and the client should know."""

    rule: int
    field: str
    problem: str


def rules_of(api: Api, rules: tuple[Rule, ...]) -> tuple[tuple[int, Check], ...]:
    return tuple((rule.number, rule.check) for rule in rules if api in rule.apis)
