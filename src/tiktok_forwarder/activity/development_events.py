"""Events of mParticle's development environment with their raw input, for site developers. Kept in memory only.

Each node keeps what it received, and asks the others for theirs.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Struct

from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.inputs.inputs import Inputs
from tiktok_forwarder.mparticle.batch import Batch, Event
from tiktok_forwarder.mparticle.values import text_of
from tiktok_forwarder.store.nodes import Nodes

_LARGEST_BYTES: Final = 64 * 1024


class KeptEvent(Struct, frozen=True):
    """One event, in a batch that contains no other.

    `raw` is that batch as parsed: members that nothing reads are omitted. `allows_purchases`: its input was allowed to
    send purchases.
    """

    at_ms: int
    raw: bytes
    allows_purchases: bool

    @property
    def batch(self) -> Batch:
        return _BATCH.decode(self.raw)

    @property
    def event(self) -> Event | None:
        return (self.batch.events or [None])[0]


_BATCH: Final = msgspec.json.Decoder(Batch)
_KEPT: Final = msgspec.json.Decoder(list[KeptEvent])


class DevelopmentEvents:
    """The latest events of each connection. `limit` is how many; 0 keeps none. Production input is never kept."""

    def __init__(self, connections: Connections, inputs: Inputs, limit: int, nodes: Nodes) -> None:
        self._connections = connections
        self._inputs = inputs
        self._limit = limit
        self._nodes = nodes
        self._by_connection: dict[str, deque[KeptEvent]] = {}
        nodes.on_question("development_events", lambda question: msgspec.json.encode(self._own(question.decode())))
        nodes.on_question("forget_development_events", self._forgotten)

    @property
    def limit(self) -> int:
        return self._limit

    def on_request(self, input_name: str, batches: Sequence[Batch], at_ms: int) -> None:
        """Keep the development events of a request to this input."""
        if not self._limit:
            return
        sender = self._inputs.find_by_name(input_name)
        allows_purchases = sender is None or sender.allows_purchases
        of_development = [batch for batch in batches if _is_of_development(batch)]
        kept = [each for batch in of_development for each in _alone(batch, at_ms, allows_purchases=allows_purchases)]
        for mapper in self._connections.mappers_of(input_name) if kept else ():
            self._by_connection.setdefault(mapper.connection.id, deque(maxlen=self._limit)).extend(kept)

    async def get(self, connection_id: str) -> list[KeptEvent]:
        """Return the connection's events, the latest first. Events of deleted connections are dropped."""
        kept = self._own(connection_id)
        for answer in await self._nodes.ask("development_events", connection_id.encode()):
            kept += _KEPT.decode(answer)
        kept.sort(key=lambda each: -each.at_ms)
        return kept[: self._limit]

    def _own(self, connection_id: str) -> list[KeptEvent]:
        known = self._connections.connection_ids()
        self._by_connection = {key: kept for key, kept in self._by_connection.items() if key in known}
        return list(reversed(self._by_connection.get(connection_id, ())))

    async def forget_all(self) -> None:
        """Delete all events after an erasure: raw input may name a person anywhere. Keeping them is not guaranteed."""
        self._by_connection.clear()
        await self._nodes.ask("forget_development_events")

    def _forgotten(self, _: bytes) -> bytes:
        self._by_connection.clear()
        return b""


def _is_of_development(batch: Batch) -> bool:
    return (text_of(batch.environment) or "").lower() == "development"


def _alone(batch: Batch, at_ms: int, *, allows_purchases: bool) -> Iterator[KeptEvent]:
    for event in batch.events or ():
        if event is None:
            continue
        raw = msgspec.json.encode(_given(msgspec.structs.replace(batch, events=[event])))
        if len(raw) <= _LARGEST_BYTES:
            yield KeptEvent(at_ms, raw, allows_purchases)


def _given(value: object) -> object:
    """Return the value without absent members."""
    if isinstance(value, Struct):
        names = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        members = ((member_name, getattr(value, name)) for name, member_name in names)
        return {name: _given(member) for name, member in members if member is not None and member is not UNSET}
    return [_given(each) for each in value] if isinstance(value, list) else value
