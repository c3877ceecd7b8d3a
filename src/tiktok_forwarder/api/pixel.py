"""The API's endpoint that compares a pixel's events with those of this service."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tiktok_forwarder.api.endpoint import Call, Endpoint, Nothing
from tiktok_forwarder.operations.pixel_comparison import HOUR_MS, ComparedEvent, PixelEvent, compare_with_pixel

MAX_PIXEL_EVENTS: Final = 500


class PixelEventsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Events that a pixel sent, as in the requests of a browser; compared with the activity of the last `hours`."""

    events: Annotated[list[PixelEvent], Meta(max_length=MAX_PIXEL_EVENTS)]
    hours: Annotated[int, Meta(ge=1, le=168)] = 24


class PixelComparisonView(Struct, frozen=True):
    """The events in their order, each with the verdict. Nothing of them is stored."""

    events: list[ComparedEvent]


async def _compare(call: Call[Nothing, PixelEventsBody]) -> PixelComparisonView:
    services = call.services
    since_ms = services.activity.now_ms() - call.body.hours * HOUR_MS
    found = await compare_with_pixel(call.body.events, services.connections, services.activity, since_ms)
    return PixelComparisonView(found)


COMPARE_WITH_PIXEL: Final = Endpoint(
    "POST",
    "/api/pixel-comparison",
    "compare_with_pixel",
    "Compare names and IDs of a pixel's events with those of this service. Nothing is stored.",
    "read",
    _compare,
)

PIXEL_ENDPOINTS: Final = (COMPARE_WITH_PIXEL,)
