"""Where the fields of a payload came from, by the settings that it was mapped with."""

import msgspec

from tiktok_forwarder.api.endpoint import Call
from tiktok_forwarder.mapping.explain import Explanation
from tiktok_forwarder.mapping.explain_payload import explain_payload


async def explained(
    call: Call, connection_id: str, revision: int, payload: bytes, source: str = ""
) -> list[Explanation]:
    """Empty where the settings of that revision are not known. `source` is that of `explain_payload`."""
    if not payload or not revision:
        return []
    connection = await call.parts.connections.at_revision(connection_id, revision)
    if connection is None:
        return []
    return explain_payload(msgspec.json.decode(payload), connection, source)
