"""Explains where the fields of a payload came from, by the settings that mapped it."""

from tiktok_forwarder.api.services import Services
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.explanation.explain import Explanation, explain
from tiktok_forwarder.store.dead_letters import DeadLetter


async def explained(
    services: Services, connection_id: str, revision: int, payload: bytes, sources: FieldSources | None
) -> list[Explanation]:
    """Return an explanation of each field; empty if the settings of that revision are unknown.

    `sources` is that of `explain`.
    """
    if not payload or not revision:
        return []
    connection = await services.connections.at_revision(connection_id, revision)
    return explain(payload, connection, sources) if connection is not None else []


async def explained_dead_letter(services: Services, letter: DeadLetter) -> list[Explanation]:
    """Explain a dead letter by the sources in the activity, if it is in the sample and still kept."""
    try:
        way = await services.activity.way(letter.connection_id, letter.event_name, letter.event_id)
    except StoreUnavailable:
        # The activity guarantees nothing: a dead letter can be viewed without it.
        way = ()
    kept = [each.record for each in way if each.record.payload == letter.payload]
    sources = next((record.facts.field_sources for record in kept if record.facts.field_sources is not None), None)
    return await explained(services, letter.connection_id, letter.connection_revision, letter.payload, sources)
