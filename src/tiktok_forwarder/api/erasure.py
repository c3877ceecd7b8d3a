"""The API's endpoint of erasure: deletes a person's events from the service."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tiktok_forwarder.api.endpoint import Call, Endpoint, Nothing
from tiktok_forwarder.operations.erasure import Erasure, Person

Identity = Annotated[str, Meta(max_length=1000)]


class EraseBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The person's identities, at least one; events with any of them are erased.

    64 hexadecimal digits count as a SHA-256.
    """

    email: Identity | None = None
    phone: Identity | None = None
    external_id: Identity | None = None
    mpid: Identity | None = None

    def __repr__(self) -> str:
        return "EraseBody(…)"


async def _erase(call: Call[Nothing, EraseBody]) -> Erasure:
    given = call.body
    return await call.services.person_erasure.erase(
        Person(given.email, given.phone, given.external_id, given.mpid), call.who
    )


ERASE: Final = Endpoint(
    "POST",
    "/api/erase",
    "erase",
    "Erase a person's events, waiting or dead letters, and their records in the activity.",
    "admin",
    _erase,
    can_refuse=True,
)

ERASURE_ENDPOINTS: Final = (ERASE,)
