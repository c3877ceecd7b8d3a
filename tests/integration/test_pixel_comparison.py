"""A pixel's events compared with those of a real service, over its API."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_rig import Service, fresh_batch, running_service
from tests.patience import wait_until
from tests.unit.mapping.batches import batch_of, purchase
from tiktok_forwarder.activity.records import RecordFilter
from tiktok_forwarder.api.pixel import MAX_PIXEL_EVENTS
from tiktok_forwarder.operations.pixel_comparison import PixelEvent, compare_with_pixel

pytestmark = pytest.mark.slow

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def of_pixel(event: str, event_id: str = "", at_ms: int | None = None, pixel_id: str = "PIXELSHOP") -> dict[str, Any]:
    return {"pixel_id": pixel_id, "event": event, "event_id": event_id, "at_ms": at_ms or now_ms()}


async def received(service: Service, *event_ids: str) -> None:
    """Send purchases with these IDs, and wait until the activity has them."""
    assert (await service.post(body=fresh_batch(*event_ids))).status == 202

    async def is_known() -> bool:
        return len(await service.services.activity.recent(RecordFilter(outcome="accepted"))) >= len(event_ids)

    await wait_until(is_known)


async def compared(service: Service, *events: dict[str, Any]) -> list[tuple[str, str | None]]:
    """The verdict on each event, and the ID of the service's own that it was compared with."""
    services = service.services
    given = [PixelEvent(**each) for each in events]
    found = await compare_with_pixel(given, services.connections, services.activity, now_ms() - HOUR_MS)
    return [(each.verdict, each.own.event_id if each.own else None) for each in found]


@pytest.mark.both_stores
async def test_verdicts_on_a_pixels_events(data_dir: Path) -> None:
    """Pixel, name and ID must be the same; names and IDs are compared letter by letter."""
    async with running_service(data_dir, log_level="error") as service:
        await received(service, "order-1", "order-2")
        assert await compared(
            service,
            of_pixel("PlaceAnOrder", "order-1"),
            of_pixel("Purchase", "order-2"),
            of_pixel("placeanorder", "order-2"),
            of_pixel("PlaceAnOrder", "order-1", pixel_id="PIXELOTHER"),
            of_pixel("PageView", "order-1"),
            of_pixel("AddToCart", "cart-1"),
        ) == [
            ("agrees", "order-1"),
            ("name_differs", "order-2"),
            ("name_differs", "order-2"),
            ("unknown_pixel", None),
            ("page_view", None),
            ("only_pixel", None),
        ]


async def test_other_id_is_found_by_name_and_time(data_dir: Path) -> None:
    """Only near in time, and never an event that the pixel has too; names of purchases are alike."""
    async with running_service(data_dir, log_level="error") as service:
        await received(service, "order-1", "order-2")
        same = of_pixel("PlaceAnOrder", "order-2")
        assert await compared(service, of_pixel("PlaceAnOrder", "Order-1"), same) == [
            ("id_differs", "order-1"),
            ("agrees", "order-2"),
        ]
        assert await compared(service, of_pixel("CompletePayment", "Order-1"), same) == [
            ("id_differs", "order-1"),
            ("agrees", "order-2"),
        ]
        early = of_pixel("PlaceAnOrder", "Order-1", now_ms() - 16 * MINUTE_MS)
        untimed = {**of_pixel("PlaceAnOrder", "Order-1"), "at_ms": None}
        assert await compared(service, early, untimed) == [("only_pixel", None), ("only_pixel", None)]
        assert (await compared(service, of_pixel("PlaceAnOrder"), same))[0] == ("no_event_id", "order-1")
        assert await compared(service, of_pixel("AddToCart")) == [("no_event_id", None)]


async def test_event_that_was_dropped_is_no_disagreement(data_dir: Path) -> None:
    """Its ID is the same, and its reason is what a person has to know."""
    async with running_service(data_dir, log_level="error") as service:
        sources = {"event_id": [{"field": "transaction_id"}]}
        await service.add_connection("Orders", sources=sources)
        nowhere = purchase(timestamp_unixtime_ms=now_ms(), custom_flags=None)
        assert (await service.post(body=batch_of(nowhere, user_identities={"customer_id": "cust-1"}))).status == 202
        order = nowhere["data"]["product_action"]["transaction_id"]
        assert await compared(service, of_pixel("PlaceAnOrder", order, pixel_id="PIXELORDERS")) == [("dropped", order)]


async def test_connection_that_sends_the_event_counts_among_several_of_a_pixel(data_dir: Path) -> None:
    """Two connections may have one pixel, and custom mappings may make several events of one."""
    async with running_service(data_dir, log_level="error") as service:
        await service.add_connection("Other", pixel_id="PIXELSHOP", purchase_event="CompletePayment")
        await received(service, "order-1")
        assert await compared(service, of_pixel("PlaceAnOrder", "order-1"), of_pixel("CompletePayment", "order-1")) == [
            ("agrees", "order-1"),
            ("agrees", "order-1"),
        ]


async def test_number_of_compared_events_is_bounded(data_dir: Path) -> None:
    """One question looks for each of them."""
    async with running_service(data_dir, log_level="error") as service:
        key = (await service.services.api_keys.make("reader", "read", "test")).key
        for count, status in ((MAX_PIXEL_EVENTS, 200), (MAX_PIXEL_EVENTS + 1, 400)):
            body = {"events": [of_pixel("Lead", f"l-{number}") for number in range(count)]}
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            answer = await service.request("POST", "/api/pixel-comparison", json.dumps(body).encode(), headers)
            assert answer.status == status
