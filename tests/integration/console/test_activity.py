"""The activity's pages over HTTP: what happened is found, and told so that a reader knows what to change."""

import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.console.console_client import Shown
from tests.integration.console.rig_activity import Reader, links_in, reading
from tests.integration.service_rig import fresh_batch
from tests.patience import wait_until
from tests.unit.mapping.batches import purchase
from tiktok_forwarder.activity.records import RecordFilter
from tiktok_forwarder.mapping.explanation.advice import ADVICE_ON_DEAD_LETTERS, ADVICE_ON_DROPS
from tiktok_sandbox import Code, Sandbox

pytestmark = pytest.mark.slow

ROW = re.compile(r'<tr id="r(\d+)".*?</tr>', re.DOTALL)


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    """TikTok is out of reach."""
    async with reading(tmp_path) as made:
        yield made


async def happened(reader: Reader, count: int, **conditions: Any) -> None:
    """Wait until the activity holds so many records."""

    async def kept() -> bool:
        which = RecordFilter(limit=1000, **conditions)
        return len(await reader.service.services.activity.recent(which)) >= count

    await wait_until(kept)


def rows_of(shown: Shown) -> list[str]:
    return [found[0] for found in ROW.finditer(shown.html)]


def numbers_of(shown: Shown) -> list[int]:
    return [int(found[1]) for found in ROW.finditer(shown.html)]


def fresh(**data: Any) -> Any:
    """A purchase that happens now."""
    return purchase(**{"timestamp_unixtime_ms": time.time_ns() // 1_000_000, **data})


DROPPED: dict[str, Callable[[], Any]] = {
    "unsupported_event": lambda: fresh(product_action={"action": "refund"}),
    "missing_page_url": lambda: fresh(custom_flags=None),
    "invalid_page_url": lambda: fresh(custom_flags={"TikTok.URL": "shop.example.com"}),
    "malformed_event": lambda: 7,
    "event_too_old": lambda: fresh(timestamp_unixtime_ms=1_000_000_000_000),
}


@pytest.mark.parametrize("reason", DROPPED)
async def test_three_clicks_lead_from_the_front_page_to_why_and_what_to_change(reader: Reader, reason: str) -> None:
    """The reason on the front page, a row of the list, then the sentences, with a link to the setting that decides."""
    connection_id = await reader.service.add_connection("Shop")
    batch = fresh_batch("sound")
    batch["events"].append(DROPPED[reason]())
    await reader.service.post(body=batch)
    await happened(reader, 1, outcome="dropped")
    front = await reader.get("/")
    [to_reason] = [each for each in links_in(front.html) if f"reason={reason}" in each]
    listed = await reader.get(to_reason)
    [row] = rows_of(listed)
    told = await reader.get(links_in(row)[0])
    advice = ADVICE_ON_DROPS[reason]
    assert told.status == 200 and f"How to fix it: {advice.remedy}" in told.text
    assert "Dropped: " in told.text
    edit = f"/connections/{connection_id}/edit#field-{advice.setting}"
    where = {"": None, "custom_mappings": f"/connections/{connection_id}/mappings"}.get(advice.setting, edit)
    assert where is None or where in links_in(told.html)


async def test_filters_narrow_the_list_and_stay_chosen(reader: Reader) -> None:
    """Each by itself and together; the form stands as it was sent; what fits nothing is said so."""
    one = await reader.service.add_connection("One")
    await reader.service.add_connection("Two")
    batch = fresh_batch("m1")
    batch["events"].append(purchase(source_message_id="r1", product_action={"action": "refund"}))
    await reader.service.post(body=batch)
    await happened(reader, 2, outcome="accepted")
    assert len(rows_of(await reader.get("/activity?outcome=accepted"))) == 2
    assert len(rows_of(await reader.get("/activity?outcome=dropped"))) == 2
    assert len(rows_of(await reader.get("/activity?event=PlaceAnOrder&outcome=accepted"))) == 2
    assert len(rows_of(await reader.get("/activity?event_id=r1"))) == 2
    assert len(rows_of(await reader.get("/activity?reason=unsupported_event&since=900"))) == 2
    narrow = await reader.get(f"/activity?connection={one}&outcome=dropped&reason=unsupported_event")
    assert len(rows_of(narrow)) == 1
    for chosen in (one, "dropped", "unsupported_event"):
        assert f'value="{chosen}" selected' in narrow.html
    none = await reader.get(f"/activity?connection={one}&reason=missing_ip")
    assert rows_of(none) == [] and "No records match these filters." in none.text


async def test_an_empty_activity_says_so(reader: Reader) -> None:
    """Instead of an empty table."""
    assert "Events appear here as they arrive." in (await reader.get("/activity")).text


async def test_older_pages_lead_to_the_end(reader: Reader) -> None:
    """Every record once, newest first, with the filters kept; the last page has no further one."""
    await reader.service.add_connection("Shop")
    batch = fresh_batch()
    batch["events"] = [fresh(source_message_id=f"r{n}", custom_flags=None) for n in range(120)]
    await reader.service.post(body=batch)
    await happened(reader, 120)
    found: list[int] = []
    path = "/activity?outcome=dropped"
    while path:
        shown = await reader.get(path)
        found += numbers_of(shown)
        path = next((each for each in links_in(shown.html) if "before=" in each), "")
    assert len(found) == 120 and found == sorted(set(found), reverse=True)


async def test_an_events_page_tells_its_way_and_its_fields(tmp_path: Path) -> None:
    """Received, mapped, sent with others and taken, with TikTok's answer; digests are shortened, whole on demand."""
    async with Sandbox() as sandbox, reading(tmp_path, sandbox.url) as reader:
        connection_id = await reader.service.add_connection("Shop")
        other_id = await reader.service.add_connection("Other")
        flags = {"TikTok.URL": "https://shop.example.com/thanks", "TikTok.Callback": "__CLICKID__"}
        batch = fresh_batch("m1", "m2")
        for event in batch["events"]:
            event["data"]["custom_flags"] = flags
        await reader.service.post(body=batch)
        await reader.service.until_delivered(sandbox, 4)
        await happened(reader, 8)
        shown = await reader.get(f"/activity/{connection_id}/PlaceAnOrder/m1")
        [record] = (await reader.api("GET", f"/api/activity?connection={connection_id}&event_id=m1&outcome=delivered"))[
            "records"
        ]
        payload = (await reader.api("GET", f"/api/activity/{connection_id}/PlaceAnOrder/m1"))[0]["payload"]
    assert (
        shown.text.index("Received and mapped")
        < shown.text.index("Delivered")
        < shown.text.index("Fields sent to TikTok")
    )
    assert record["answer"]["request_id"] in shown.text and "The request contained 2 events." in shown.text
    assert "Ttclid" not in shown.text and "Click ID placeholder omitted" in shown.text
    assert f"/activity/{other_id}/PlaceAnOrder/m1" in links_in(shown.html)
    digest = payload["user"]["external_id"]
    assert f"{digest[:12]}…" in shown.text and f"<code>{digest}</code>" in shown.html
    assert "properties.value 12.5" in shown.text and "stripped, SHA-256" in shown.text
    assert "mParticle's purchase (commerce event) became TikTok's PlaceAnOrder, by revision 1" in shown.text


async def test_event_page_names_the_sources_that_were_chosen(reader: Reader) -> None:
    """Of the places that a field may come from, an event's page names the one that its value was taken from."""
    connection_id = await reader.service.add_connection("Shop")
    batch = fresh_batch(
        "m1",
        user_identities=[
            {"identity_type": "email", "identity": " "},
            {"identity_type": "email", "identity": "ada@example.com"},
        ],
        partner_identities=[
            {"identity_type": "tiktok_cookie_id", "identity": "b" * 64, "encoding": "sha256"},
            {"identity_type": "tiktok_cookie_id", "identity": "the-cookie"},
        ],
    )
    products = {"action": "purchase", "products": [{"id": "a", "price": 2, "quantity": 3}]}
    batch["events"].append(fresh(source_message_id="m2", product_action=products))
    await reader.service.post(body=batch)
    await happened(reader, 2, outcome="accepted")
    total = await reader.get(f"/activity/{connection_id}/PlaceAnOrder/m1")
    assert "properties.value 12.5 data.product_action.total_amount as a number" in total.text
    assert "the sum of the products" not in total.text
    assert "user.ttp the-cookie partner_identities[1].identity unchanged, not hashed" in total.text
    assert "partner_identities[0]" not in total.text and "partner_identities.tiktok_cookie_id" not in total.text
    assert " user_identities[1].identity stripped, lower case, SHA-256 " in total.text
    assert "user_identities.email" not in total.text
    summed = await reader.get(f"/activity/{connection_id}/PlaceAnOrder/m2")
    product = "data.product_action.products[0]"
    assert f"properties.value 6 {product}.price {product}.quantity setting" in summed.text
    assert "the sum of the products, rounded to 4 decimals" in summed.text and "total_amount" not in summed.text


async def test_a_dead_letters_way_names_tiktoks_answer_and_what_to_do(tmp_path: Path) -> None:
    """And a request that failed has a page of its own, which says how many events it held."""
    async with Sandbox() as sandbox, reading(tmp_path, sandbox.url) as reader:
        connection_id = await reader.service.add_connection("Shop")
        sandbox.script.poison("bad")
        await reader.service.post(body=fresh_batch("m1", "bad"))
        await happened(reader, 1, outcome="dead_letter")
        shown = await reader.get(f"/activity/{connection_id}/PlaceAnOrder/bad")
        [request] = rows_of(await reader.get("/activity?outcome=attempted&reason=bad_event&event_id="))[-1:]
        told = await reader.get(next(each for each in links_in(request)))
    assert "Moved to dead letters: Refused" in shown.text and "40002" in shown.text
    assert f"How to fix it: {ADVICE_ON_DEAD_LETTERS['refused'].remedy}" in shown.text
    assert f"/dead-letters/list?connection={connection_id}&reason=refused" in links_in(shown.html)
    assert "TikTok rejected the request because of one event in it." in told.text


async def test_what_waits_is_said_to_wait(reader: Reader) -> None:
    """An event that was tried in vain says when it is tried again, and that it is still on its way."""
    connection_id = await reader.service.add_connection("Shop")
    await reader.service.post(body=fresh_batch("m1"))
    await happened(reader, 1, outcome="retry")
    shown = await reader.get(f"/activity/{connection_id}/PlaceAnOrder/m1")
    assert "Attempt failed; retry scheduled" in shown.text and "In progress" in shown.text
    assert "Next attempt:" in shown.text and "No answer was read." in shown.text


async def test_pauses_and_their_end_stand_in_the_list(tmp_path: Path) -> None:
    """As conditions of the delivery, with the reason."""
    async with Sandbox() as sandbox, reading(tmp_path, sandbox.url) as reader:
        await reader.service.add_connection("Shop")
        sandbox.script.for_requests(Code(code=40105, times=1))
        await reader.service.post(body=fresh_batch("m1"))
        await happened(reader, 1, outcome="condition")
        [row] = rows_of(await reader.get("/activity?outcome=condition"))
        assert "Delivery state" in row and "refused" in row and "revoked" in row
        told = await reader.get(links_in(row)[0])
        assert "Delivery state: refused" in told.text


async def test_an_event_that_is_not_kept_gets_a_kind_sentence(reader: Reader) -> None:
    """With where the same event id is known."""
    await reader.service.add_connection("Shop")
    await reader.service.post(body=fresh_batch("m1"))
    await happened(reader, 1, event_id="m1")
    shown = await reader.get("/activity/nobody/PlaceAnOrder/m1")
    assert shown.status == 404 and "It never arrived, is too old, or was not sampled." in shown.text
    assert "PlaceAnOrder in Shop" in shown.text
    gone = await reader.get("/activity/record/999999")
    assert gone.status == 404 and "it is too old, or was erased" in gone.text


@pytest.mark.parametrize("event_id", ["a/b", "..", ".", "50 %", "ä?#&", '"><script>', "x" * 190])
async def test_any_event_id_leads_to_its_page(reader: Reader, event_id: str) -> None:
    """Whatever a sender writes: the row's link opens the page that tells of it."""
    await reader.service.add_connection("Shop")
    event = fresh(source_message_id=event_id, custom_flags=None)
    batch = fresh_batch()
    batch["events"] = [event]
    await reader.service.post(body=batch)
    await happened(reader, 1)
    [row] = rows_of(await reader.get("/activity"))
    told = await reader.get(links_in(row)[0])
    assert told.status == 200 and "Dropped: Missing page URL" in told.text
    assert f"Event ID {event_id}" in told.text
