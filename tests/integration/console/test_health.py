"""The console's pages of health: the API's numbers, and what to do about them."""

import json
import re
import time
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.integration.console.console_client import ConsoleClient, running_console
from tests.integration.service_rig import basic, fresh_batch
from tests.patience import wait_until
from tests.unit.mapping.batches import purchase
from tiktok_forwarder.console.rendering import wire_label
from tiktok_forwarder.domain.outcome import Dropped, DropReason, Mapped, MappingWarning
from tiktok_forwarder.intake.accept import Acceptance, AdmittedEvent, DroppedEvent
from tiktok_forwarder.mapping.explanation.advice import AdviceKind, all_advice
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.store.queue import NewEvent
from tiktok_sandbox import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ConsoleClient]:
    """With a connection that delivered two events, dropped two, and warned."""
    async with Sandbox() as sandbox, running_console(tmp_path, sandbox.url) as client:
        await client.service.add_connection("Shop <b>")
        batch = fresh_batch("e1", "e2", user_identities={"email": "ada@example.com"})
        batch["events"][0]["data"]["custom_flags"]["TikTok.Callback"] = "__CLICKID__"
        batch["events"] += [
            purchase(source_message_id="e3", custom_flags={}),
            {"event_type": "session_start", "data": {}},
        ]
        batch["events"][2]["data"]["timestamp_unixtime_ms"] = batch["events"][0]["data"]["timestamp_unixtime_ms"]
        await client.service.post(body=batch)
        await client.service.until_delivered(sandbox, 2)

        async def all_counted() -> bool:
            connections = (await client.api("GET", "/api/figures"))["connections"]
            return bool(connections) and connections[0]["total"]["match_events"] == 2

        await wait_until(all_counted)
        yield client


def shown_figures(html: str) -> dict[str, int]:
    found = re.findall(r"<dt>([^<]+)</dt><dd>([\d,]+)</dd>", html)
    return {name: int(count.replace(",", "")) for name, count in found}


@pytest.mark.parametrize("period", ["hour", "day", "week"])
async def test_the_pages_show_the_apis_numbers(client: ConsoleClient, period: str) -> None:
    """In figures, in the chart and in its table, over every period."""
    (own,) = await client.api("GET", "/api/connections")
    (figures,) = (await client.api("GET", "/api/figures"))["connections"]
    total = figures["total"]
    shown = await client.get(f"/health/{own['id']}?period={period}")
    assert shown_figures(shown.html) == {
        "Accepted": total["accepted"],
        "Mapped": total["mapped"],
        "Dropped": sum(total["dropped"].values()),
        "Delivered": total["delivered"],
        "Retries": total["retried"],
        "Dead-lettered": total["dead_lettered"],
        "Duplicates ignored": total["duplicate"],
    }
    assert (total["accepted"], total["delivered"]) == (4, 2)
    chart: dict[str, Any] = json.loads(unescape(shown.html.partition('data-chart="')[2].partition('"')[0]))
    assert [sum(series) for series in chart["values"]] == [4, 2, 2, 0]


async def test_what_is_wrong_is_explained(client: ConsoleClient) -> None:
    """Drops and warnings with their meaning and remedy, low coverage with what to do, each by its own link."""
    (own,) = await client.api("GET", "/api/connections")
    shown = await client.get(f"/health/{own['id']}")
    assert "Health of Shop <b>" in shown.text and "<b>" not in shown.html
    for told in (
        "No custom or standard mapping matches this event.",
        "Have the site set the custom flag TikTok.URL",
        "The click ID is a placeholder, such as a macro that was not filled in",
        "Send the pixel's cookie _ttp as the partner identity tiktok_cookie_id.",
        "half of the events within 1 second",
    ):
        assert told in shown.text, told
    assert f"/activity?connection={own['id']}&amp;outcome=dropped&amp;reason=unsupported_event" in shown.html
    assert f"/connections/{own['id']}/edit#field-page_url_fallback" in shown.html
    assert re.search(r"Email</td>\s*<td[^>]*>.*100%", shown.html, re.DOTALL)


async def test_health_explains_every_reason_and_warning(client: ConsoleClient) -> None:
    """Each one that the mapping can give has its row, with meaning and remedy, while it occurs."""
    (own,) = await client.api("GET", "/api/connections")
    now_ms = time.time_ns() // 1_000_000
    drops = [DroppedEvent(own["id"], Dropped(0, reason, "Detail."), None, Batch()) for reason in get_args(DropReason)]
    event = NewEvent(own["id"], 1, "2.0", "Purchase", "every-warning", b"{}", ())
    mapped = Mapped(0, "Purchase", "every-warning", b'{"event":"Purchase"}', get_args(MappingWarning), (), {})
    counts: dict[tuple[str, str], int] = {(own["id"], drop.dropped.reason): 1 for drop in drops}
    acceptance = Acceptance("shop", now_ms, {own["id"]: [AdmittedEvent(event, mapped, None)]}, drops, counts)
    client.service.services.activity.on_accepted(acceptance)

    async def all_counted() -> bool:
        (figures,) = (await client.api("GET", "/api/figures"))["connections"]
        return len(figures["total"]["warnings"]) == len(get_args(MappingWarning))

    await wait_until(all_counted)
    text = (await client.get(f"/health/{own['id']}")).text
    kinds: dict[AdviceKind, tuple[str, ...]] = {"dropped": get_args(DropReason), "warning": get_args(MappingWarning)}
    for kind, names in kinds.items():
        for name in names:
            advice = all_advice()[kind][name]
            missing = [words for words in (wire_label(name), advice.meaning, advice.remedy) if words not in text]
            assert missing == [], name


async def test_all_connections_are_side_by_side(client: ConsoleClient) -> None:
    """Also one to which nothing has happened."""
    await client.service.add_connection("Quiet")
    shown = await client.get("/health?period=day")
    rows = [re.sub(r"<[^>]+>|\s+", " ", row) for row in re.findall(r"(?s)<tr>\s*<td.*?</tr>", shown.html)]
    assert ["Shop" in rows[0], "up to 100%" in rows[0], "Quiet" in rows[1]] == [True] * 3
    quiet = next(each for each in await client.api("GET", "/api/connections") if each["settings"]["name"] == "Quiet")
    assert "No activity in this period." in (await client.get(f"/health/{quiet['id']}")).text


async def test_a_connection_that_is_not_there_is_named(client: ConsoleClient) -> None:
    """By a page, with its status."""
    shown = await client.get("/health/nobody")
    assert (shown.status, 'Connection "nobody" not found.' in shown.text) == (404, True)


async def test_quota_that_is_nearly_used_up_is_shown(tmp_path: Path) -> None:
    """On the overview, the page of all connections' health, and the connection's own page, as long as it is true."""
    async with running_console(tmp_path, max_store_bytes=1024 * 1024) as client:
        connection_id = await client.service.add_connection()
        pages = ("/", "/health", f"/connections/{connection_id}")
        await client.service.post(body=fresh_batch("e1"))
        assert [("storage quota" in (await client.get(page)).text) for page in pages] == [False] * 3
        number = 0
        while (await client.service.post(body=fresh_batch(*[f"e{number}-{n}" for n in range(20)]))).status == 202:
            number += 1
        assert [("% of the storage quota is used" in (await client.get(page)).text) for page in pages] == [True] * 3


async def test_clock_that_differs_from_tiktoks_is_shown(tmp_path: Path) -> None:
    """On the overview and on the page of all connections' health, with how much and what to do."""
    now_ahead = Sandbox(now_seconds=lambda: time.time() + 3 * 3600)
    async with now_ahead as sandbox, running_console(tmp_path, sandbox.url) as client:
        assert "clock" not in (await client.get("/health")).text
        await client.service.add_connection()

        async def shown() -> bool:
            return "This machine's clock is" in (await client.get("/health")).text

        await wait_until(shown, 30)
        for page in ("/", "/health"):
            text = (await client.get(page)).text
            assert re.search(r"clock is [23] hours behind TikTok's: .*set the clock", text), text
        metrics = await client.service.metrics()
        (difference,) = re.findall(r"^tiktok_forwarder_clock_difference_seconds (\S+)$", metrics, re.MULTILINE)
        assert -3 * 3600 - 60 < float(difference) < -3 * 3600 + 60


async def test_inputs_that_feed_no_connection_are_shown(tmp_path: Path) -> None:
    """On the overview and on the page of all connections' health, from the first request to the first connection."""
    async with running_console(tmp_path) as client:
        assert (await client.service.post(body=fresh_batch("e1"))).status == 202
        for page in ("/", "/health"):
            text = (await client.get(page)).text
            assert re.search(r'Input "shop" feeds no connection: .*add a connection', text), text
        await client.service.add_connection()
        assert [("feeds no connection" in (await client.get(page)).text) for page in ("/", "/health")] == [False] * 2


async def test_match_keys_are_compared_by_input(client: ConsoleClient) -> None:
    """A beacon and mParticle's own batches send the same events, and TikTok gets the beacon's, which arrive first."""
    inputs = client.service.services.inputs
    await inputs.add("mparticle", key="key-2", secret="secret-22", authorization=None, changed_by="test")
    (own,) = await client.api("GET", "/api/connections")
    path = f"/health/{own['id']}"
    assert "Match keys by input" not in (await client.get(path)).text
    identities = {"customer_id": "c1", "email": "ada@example.com", "mobile_number": "+14155550123"}
    again = fresh_batch("e1", user_identities=identities)
    await client.service.post("/v2/events", again, basic("key-2", "secret-22"))

    async def has_both() -> bool:
        return "Match keys by input" in (await client.get(path)).text

    await wait_until(has_both)
    text = (await client.get(path)).text.partition("Match keys by input")[2]
    assert "Key mparticle shop Email 100% 100% Phone 100% 0% External ID 100% 0%" in text
    assert "Events that arrived first 0 2 Duplicates ignored 1 0" in text
