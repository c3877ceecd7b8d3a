"""The API's endpoint of erasure: a person's events out of the service."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tiktok_forwarder.api.endpoint import Call, Endpoint
from tiktok_forwarder.operations.erasure import Erasure, Person

Identity = Annotated[str, Meta(max_length=1000)]


class EraseBody(Struct, frozen=True, forbid_unknown_fields=True):
    """At least one; events with any of them are erased. 64 hexadecimal digits are taken for a SHA-256."""

    email: Identity | None = None
    phone: Identity | None = None
    external_id: Identity | None = None
    mpid: Identity | None = None

    def __repr__(self) -> str:
        return "EraseBody(…)"


async def _erase(call: Call) -> Erasure:
    given: EraseBody = call.body
    erasure: Erasure = await call.parts.person_erasure.erase(
        Person(given.email, given.phone, given.external_id, given.mpid), call.who
    )
    return erasure


ERASURE_ENDPOINTS: Final = (
    Endpoint(
        "POST",
        "/api/erase",
        "erase",
        "Erase a person: their events, waiting or dead, and what the activity tells of them.",
        "admin",
        Erasure,
        _erase,
        body=EraseBody,
        can_refuse=True,
    ),
)
