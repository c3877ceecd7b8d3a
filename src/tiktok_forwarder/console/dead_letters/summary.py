"""Dead-letter counts for a page, by connection and reason."""

from collections.abc import Collection, Sequence
from itertools import groupby

from msgspec import Struct

from tiktok_forwarder.api.types import DeadLetterCountView
from tiktok_forwarder.console.activity.advice import AdviceCatalog, LinkedAdvice


class ReasonRow(Struct, frozen=True):
    reason: str
    advice: LinkedAdvice
    count: int
    oldest_ms: int
    newest_ms: int
    oldest_kept_until_ms: int | None


class ConnectionGroup(Struct, frozen=True):
    """Letters of one connection. If it `is_deleted`, they can be discarded but not replayed."""

    connection_id: str
    connection: str
    is_deleted: bool
    count: int
    reasons: list[ReasonRow]


def group_by_connection(
    counts: Sequence[DeadLetterCountView], catalog: AdviceCatalog, known: Collection[str]
) -> list[ConnectionGroup]:
    """Group the API's counts, which are sorted by connection; `known` are the IDs of existing connections."""
    groups = []
    for connection_id, found in groupby(counts, key=lambda each: each.connection_id):
        rows = list(found)
        reasons = [_row(each, catalog) for each in rows]
        total = sum(each.count for each in reasons)
        group = ConnectionGroup(connection_id, rows[0].connection, connection_id not in known, total, reasons)
        groups.append(group)
    return sorted(groups, key=lambda group: (group.is_deleted, group.connection.lower()))


def _row(counted: DeadLetterCountView, catalog: AdviceCatalog) -> ReasonRow:
    return ReasonRow(
        counted.reason,
        catalog.get(counted.reason),
        counted.count,
        counted.oldest_ms,
        counted.newest_ms,
        counted.oldest_kept_until_ms,
    )
