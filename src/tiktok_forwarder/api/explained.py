"""Where the fields of a payload came from, by the settings that it was mapped by."""

from tiktok_forwarder.api.endpoint import Call
from tiktok_forwarder.mapping.explain import Explanation, explain


async def explained(call: Call, connection_id: str, revision: int, payload: bytes) -> list[Explanation]:
    """Empty where the settings of that revision are not known."""
    if not payload or not revision:
        return []
    connection = await call.parts.connections.at_revision(connection_id, revision)
    return explain(payload, connection, None) if connection is not None else []
