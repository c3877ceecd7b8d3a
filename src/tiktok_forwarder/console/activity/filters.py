"""Filters of the activity: the choices of the form, kept in the page's query."""

import time
from typing import Final

from msgspec import Struct, structs

from tiktok_forwarder.api.activity import ActivityQuery
from tiktok_forwarder.console.activity.advice import AdviceCatalog
from tiktok_forwarder.console.activity.labels import CONDITIONS, OUTCOMES, VERDICTS, outcome_word
from tiktok_forwarder.console.api import unchecked
from tiktok_forwarder.console.page import PageRequest
from tiktok_forwarder.console.rendering import link, wire_label

SINCE: Final = (
    ("", "any time"),
    ("900", "last 15 minutes"),
    ("3600", "last hour"),
    ("86400", "last 24 hours"),
)
Choices = list[tuple[str, str]]


class Filters(Struct, frozen=True):
    """Empty members do not filter. `since` is a number of seconds."""

    connection: str = ""
    event: str = ""
    source_name: str = ""
    event_id: str = ""
    order_id: str = ""
    outcome: str = ""
    reason: str = ""
    since: str = ""

    @classmethod
    def of(cls, request: PageRequest) -> "Filters":
        return cls(**{name: request.query(name).strip() for name in cls.__struct_fields__})

    @property
    def has_filters(self) -> bool:
        return any(structs.astuple(self))

    def api_query(self, limit: int, *, before: str = "", after: str = "") -> ActivityQuery:
        """Return the filters as a query of the API."""
        since = self.since
        since_ms = time.time_ns() // 1_000_000 - int(since) * 1000 if since.isdigit() and len(since) < 10 else None
        return ActivityQuery(
            connection=self.connection,
            event=self.event,
            source_name=self.source_name,
            event_id=self.event_id,
            order_id=self.order_id,
            outcome=unchecked(self.outcome),
            reason=self.reason,
            since_ms=since_ms,
            before=unchecked(before),
            after=unchecked(after),
            limit=limit,
        )

    def address(self, path: str, **more: object) -> str:
        return link(path, **structs.asdict(self), **more)


def outcome_choices() -> Choices:
    return [(each, outcome_word(each)) for each in OUTCOMES]


def reason_choices(catalog: AdviceCatalog) -> list[tuple[str, Choices]]:
    """Return choices in groups, by the outcome that has such reasons."""
    return [
        ("Drop reasons", [(each, wire_label(each)) for each in catalog.names("dropped")]),
        ("Dead letter reasons", [(each, wire_label(each)) for each in catalog.names("dead_letter")]),
        ("Request results", [(each, wire_label(word)) for each, (word, _) in VERDICTS.items()]),
        ("Delivery states", [(each, word) for each, (word, _) in CONDITIONS.items() if each not in VERDICTS]),
    ]
