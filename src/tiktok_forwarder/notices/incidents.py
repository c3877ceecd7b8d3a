"""What notices are about: the kinds of incidents, what is found of one, and how it is kept while it is open."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

from msgspec import Struct

IncidentKind = Literal[
    "connection_paused",
    "dead_letters",
    "store_problem",
    "input_silent",
    "purchases_fell",
    "match_keys_fell",
    "test_code_on",
]
INCIDENT_KINDS: Final[tuple[IncidentKind, ...]] = get_args(IncidentKind)

LABELS: Final[Mapping[IncidentKind, str]] = {
    "connection_paused": "Connection paused or refused",
    "dead_letters": "New dead letters",
    "store_problem": "Store full or not writable",
    "input_silent": "Input silent",
    "purchases_fell": "Purchases fell",
    "match_keys_fell": "Match keys fell",
    "test_code_on": "Test event code set for a day",
}

IncidentKey = tuple[IncidentKind, str]
"""Kind and subject: the ID of a connection or input, or the name of a store problem."""


Facts = dict[str, int | str | dict[str, int]]


class Finding(Struct, frozen=True):
    """An incident as it is found at a moment. `name` is the subject's, for people.

    `facts` are numbers and words of this program: never a value of an event, and never a text of TikTok's.
    """

    kind: IncidentKind
    subject: str
    name: str
    facts: Facts = {}

    def number(self, fact: str) -> int:
        value = self.facts[fact]
        return value if isinstance(value, int) else 0

    def counts(self, fact: str) -> dict[str, int]:
        value = self.facts[fact]
        return value if isinstance(value, dict) else {}

    @property
    def key(self) -> IncidentKey:
        return self.kind, self.subject


class IncidentBody(Struct, frozen=True):
    """What is stored of an open incident besides its key: what was found, and which recipients got a notice."""

    finding: Finding
    recipient_ids: tuple[str, ...] = ()


class Findings(Struct, frozen=True):
    """What was found of some kinds. Incidents of other kinds are not known to be there, nor to be away."""

    kinds: Sequence[IncidentKind]
    found: Sequence[Finding] = ()
