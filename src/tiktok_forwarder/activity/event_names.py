"""The events that each connection received, by mParticle's type and name, and what became of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tiktok_forwarder.activity.records import NameCounts, NameKey
from tiktok_forwarder.domain.outcome import CONNECTION_FULL
from tiktok_forwarder.intake.accept import AdmittedEvent, DroppedEvent
from tiktok_forwarder.mapping.redaction.identities import IdentityValues, identity_values_of
from tiktok_forwarder.mapping.redaction.kept import kept_text
from tiktok_forwarder.mapping.sources import name_of
from tiktok_forwarder.mparticle.batch import Batch, Event, EventData
from tiktok_forwarder.mparticle.values import flag_text

MAX_NAMES: Final = 500
"""How many names of a connection are kept: those seen last."""
MAX_NAME_LENGTH: Final = 200
# Of one write, so that no sender fills the memory within a second.
_MAX_NEW_NAMES: Final = 1000
_MAX_REMEMBERED: Final = 2000
# What a mapping would change.
UNMAPPED_REASONS: Final = frozenset({"unsupported_event", "event_not_selected"})
OTHER_NAMES: Final = ("", "")
"""Type and name that stand for all others, when there are too many new ones at the same time."""

_TypeAndName = tuple[str, str]


class NameCounter:
    """Counts received events by connection, type and name; `take` returns the counts for writing.

    An event that becomes several events at TikTok counts once. Events without a type are malformed, and in no count.
    """

    def __init__(self) -> None:
        # By connection ID, then by type and name as they were received. What has to be redacted is in no key.
        self._counts: dict[str, dict[tuple[object, object], NameCounts]] = {}
        self._kept_counts: dict[NameKey, NameCounts] = {}
        # Type and name as they are kept, by those that were received.
        self._remembered: dict[_TypeAndName, _TypeAndName] = {}
        self._new_names = 0

    @property
    def is_empty(self) -> bool:
        return not (self._counts or self._kept_counts)

    def count_admitted(self, connection_id: str, admitted: Sequence[AdmittedEvent], at_ms: int) -> None:
        """Count one connection's mapped events of a request. Their names are those of its mappings."""
        known = self._counts.setdefault(connection_id, {})
        last: Event | None = None
        for each in admitted:
            event = each.original
            if event is last or event is None:
                continue
            last = event
            data = event.data
            if data is None:
                continue
            kind = event.event_type
            if kind == "commerce_event":
                action = data.product_action
                name = action.action if action is not None else None
            else:
                name = data.screen_name if kind == "screen_view" else data.event_name
            counts = known.get((kind, name)) if type(name) is str else None
            if counts is None and (counts := self._new_counts(connection_id, event, None, at_ms)) is None:
                continue
            counts.last_ms = at_ms
            if each.admission != CONNECTION_FULL:
                counts.mapped += 1
            else:
                counts.dropped += 1
                counts.last_reason = CONNECTION_FULL

    def count_dropped(self, drops: Iterable[DroppedEvent], at_ms: int) -> None:
        """Count the dropped events of a request."""
        last: Event | None = None
        connection_id, known = "", dict[tuple[object, object], NameCounts]()
        for each in drops:
            event = each.event
            if each.connection_id != connection_id:
                connection_id = each.connection_id
                known = self._counts.setdefault(connection_id, {})
            elif event is last:
                continue
            last = event
            if event is None or event.data is None:
                continue
            kind, name = event.event_type, _given_name(event.event_type, event.data)
            counts = known.get((kind, name)) if type(kind) is str and type(name) is str else None
            if counts is None and (counts := self._new_counts(connection_id, event, each.batch, at_ms)) is None:
                continue
            counts.last_ms = at_ms
            if each.dropped.reason in UNMAPPED_REASONS:
                counts.unmapped += 1
            else:
                counts.dropped += 1
                counts.last_reason = each.dropped.reason

    def take(self) -> dict[NameKey, NameCounts]:
        taken, self._kept_counts, self._counts, self._new_names = self._kept_counts, {}, {}, 0
        return taken

    def give_back(self, names: Mapping[NameKey, NameCounts]) -> None:
        """Take back what could not be written."""
        self._kept_counts = dict(names)

    def _new_counts(self, connection_id: str, event: Event, batch: Batch | None, at_ms: int) -> NameCounts | None:
        """Return the counts of a name that is not known since the last write.

        `batch` has the identities that must not be in the name of an event without a mapping.
        """
        given: Any = (event.event_type, _given_name(event.event_type, event.data) if event.data is not None else None)
        is_text = type(given[0]) is str and type(given[1]) is str
        kept = self._remembered.get(given) if is_text else None
        if kept is None:
            kept = kept_name(event, identity_values_of(batch) if batch is not None else None)
        if kept is None:
            return None
        key = (connection_id, *kept)
        if key not in self._kept_counts:
            self._new_names += 1
            if self._new_names > _MAX_NEW_NAMES:
                return self._kept_counts.setdefault((connection_id, *OTHER_NAMES), NameCounts(at_ms, at_ms))
            self._kept_counts[key] = NameCounts(at_ms, at_ms)
        counts = self._kept_counts[key]
        if is_text and kept == given:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[kept] = kept
            self._counts.setdefault(connection_id, {})[given] = counts
        return counts


def kept_name(event: Event, values: IdentityValues | None) -> _TypeAndName | None:
    """Return an event's type and name as they are kept, without identities; None if it has no type."""
    event_type = (flag_text(event.event_type) or "").lower()
    if not event_type or event.data is None:
        return None
    name = name_of(event_type, event.data) or ""
    return kept_text(event_type, MAX_NAME_LENGTH, values), kept_text(name, MAX_NAME_LENGTH, values)


def _given_name(event_type: object, data: EventData) -> object:
    """Return the name of an event as it was received."""
    if event_type == "commerce_event":
        return data.product_action.action if data.product_action is not None else None
    return data.screen_name if event_type == "screen_view" else data.event_name
