"""The page of development events over HTTP: raw input for administrators, if the operator has it kept."""

from html import unescape
from pathlib import Path

import pytest

from tests.integration.console.rig_activity import reading
from tests.integration.service_rig import fresh_batch
from tests.unit.mapping.batches import purchase
from tiktok_forwarder.mapping.explanation.advice import ADVICE_ON_DROPS

pytestmark = pytest.mark.slow


async def test_kept_events_are_shown_with_their_raw_input_and_what_they_became(tmp_path: Path) -> None:
    """Mapped with explained fields, or dropped with what to change; production input is not there."""
    async with reading(tmp_path, development_events_kept=10) as reader:
        connection_id = await reader.service.add_connection("Shop")
        await reader.service.add_connection("Other", environment="production")
        batch = fresh_batch("m1", environment="development", user_attributes={"nickname": "raw-nickname"})
        batch["events"].append(purchase(source_message_id="r1", product_action={"action": "refund"}))
        await reader.service.post(body=batch)
        await reader.service.post(body=fresh_batch("live-1", environment="production"))
        shown = await reader.get(f"/activity/development?connection={connection_id}")
        other = await reader.get("/activity/development?connection=Other")
    assert "purchase (commerce event)" in shown.text and "raw-nickname" in shown.text and "live-1" not in shown.text
    assert "mapped to TikTok's PlaceAnOrder, event ID m1" in shown.text
    assert "stripped, SHA-256" in shown.text and "user_identities.customer_id" in shown.text
    assert ADVICE_ON_DROPS["unsupported_event"].remedy in shown.text
    assert "Environment mismatch." in other.text


async def test_the_page_says_how_to_have_them_kept(tmp_path: Path) -> None:
    """While none is."""
    async with reading(tmp_path) as reader:
        assert "TIKTOK_FORWARDER_DEVELOPMENT_EVENTS_KEPT" in (await reader.get("/activity/development")).text
        await reader.service.add_connection("Shop")
        await reader.service.post(body=fresh_batch("m1", environment="development"))
        assert "No development events" in (await reader.get("/activity/development")).text


async def test_kept_purchase_of_an_input_without_purchases_is_shown_as_dropped(tmp_path: Path) -> None:
    """The page shows what became of the event, which its input decides too."""
    async with reading(tmp_path, development_events_kept=10) as reader:
        connection_id = await reader.service.add_connection("Shop")
        await reader.service.services.inputs.change("shop", allows_purchases=False, changed_by="test")
        await reader.service.post(body=fresh_batch("m1", environment="development"))
        shown = await reader.get(f"/activity/development?connection={connection_id}")
    assert ADVICE_ON_DROPS["purchase_not_allowed"].remedy in unescape(shown.text)
