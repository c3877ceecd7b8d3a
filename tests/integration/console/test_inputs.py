"""The pages of the inputs, and of who sends to a connection: what they show works for a real sender."""

import json
import re
import shlex
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest

from tests.integration.console.console_client import ConsoleClient, Shown, running_console
from tests.integration.service_rig import AUTHORIZATION, BASIC, SECRET, basic, fresh_batch, wait_until
from tiktok_sandbox import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ConsoleClient]:
    async with running_console(tmp_path) as made:
        yield made


def copied(shown: Shown, what: str) -> str:
    """What the Copy button beside it would take."""
    found = re.search(rf'<pre id="for-[^"]+-{what}">(.*?)</pre>', shown.html, re.DOTALL)
    assert found is not None, shown.text
    return unescape(found[1])


async def test_the_settings_shown_for_a_new_input_let_its_sender_in(client: ConsoleClient) -> None:
    """Key and secret, the webhook's Authorization value, and the command for a terminal."""
    await client.service.add_connection()
    made = await client.post("/inputs", ("name", "web"))
    assert "Copy these secrets now. They are not shown again." in made.text
    assert copied(made, "sdk") == f"{client.service.url}/v2"
    sender = basic(copied(made, "key"), copied(made, "secret"))
    assert (await client.service.post("/v2/events", fresh_batch("one"), sender)).status == 202
    assert copied(made, "webhook") == f"{client.service.url}/webhook/web"
    hook = {"Authorization": copied(made, "authorization")}
    assert (await client.service.post("/webhook/web", fresh_batch("two"), hook)).status == 202
    command = shlex.split(copied(made, "curl"))
    key, _, secret = command[command.index("--user") + 1].partition(":")
    batch = json.loads(command[command.index("--data") + 1])
    assert command[4] == f"{client.service.url}/v2/events"
    assert (await client.service.post("/v2/events", batch, basic(key, secret))).status == 202
    assert await client.service.waiting() == 3


async def test_secrets_are_shown_once(client: ConsoleClient) -> None:
    """Later words stand in their place, on every page."""
    made = await client.post("/inputs", ("name", "web"))
    secrets = [copied(made, what) for what in ("secret", "authorization")]
    connection_id = await client.service.add_connection()
    for path in ("/inputs", "/inputs/web", "/inputs/shop", f"/connections/{connection_id}/senders"):
        shown = await client.get(path)
        assert shown.status == 200
        assert not any(secret in shown.html for secret in (*secrets, SECRET, AUTHORIZATION)), path
    assert copied(await client.get("/inputs/web"), "secret") == "THE-SECRET-OF-THIS-INPUT"


async def test_the_list_says_what_each_input_feeds(client: ConsoleClient) -> None:
    """Connections that name no input are fed by all."""
    await client.post("/inputs", ("name", "app"))
    await client.service.add_connection("All")
    await client.service.add_connection("Apps", inputs=["APP"])
    rows = re.findall(r"(?s)<tr>.*?</tr>", (await client.get("/inputs")).html)
    told = {name: Shown(200, "", row).text for row in rows for name in ("shop", "app") if f"/inputs/{name}" in row}
    assert "All active" in told["shop"] and "All , Apps active" in told["app"]


@pytest.mark.parametrize("name", ["", "Shop", "a/b", "<b>"])
async def test_a_name_that_cannot_be_used_is_told(client: ConsoleClient, name: str) -> None:
    """In the API's sentence, with what was typed."""
    told = await client.post("/inputs", ("name", name))
    assert told.status == 422
    assert "Name: " in told.text and "<b>" not in told.html.partition("<main")[2].replace("<b>0", "")
    assert len(await client.api("GET", "/api/inputs")) == 1


async def test_secrets_are_rotated_without_refusing_anybody(client: ConsoleClient) -> None:
    """Old and new are valid until the old ones are retired."""
    rotated = await client.post("/inputs/shop/rotate")
    new = basic(copied(rotated, "key"), copied(rotated, "secret"))
    empty: dict[str, object] = {"events": []}
    assert [(await client.service.post("/v2/events", empty, each)).status for each in (BASIC, new)] == [202, 202]
    assert "rotating" in (await client.get("/inputs")).text
    twice = await client.post("/inputs/shop/rotate")
    assert twice.status == 422 and "finish the last rotation first" in twice.text
    assert "Only the newest secrets are valid now." in (await client.post("/inputs/shop/retire")).text
    assert [(await client.service.post("/v2/events", empty, each)).status for each in (BASIC, new)] == [403, 202]


async def test_removing_says_who_will_be_refused(client: ConsoleClient) -> None:
    """The key, the webhook's address, and the connections that name the input; then they are refused."""
    await client.service.add_connection("Named", inputs=["shop"])
    asked = await client.get("/inputs/shop/remove")
    assert "key-of-the-shop" in asked.text and "/webhook/shop" in asked.text
    assert "Named names this input in the settings" in asked.text
    removed = await client.post("/inputs/shop/remove")
    assert removed.path == "/inputs" and "shop is removed." in removed.text
    assert (await client.service.post("/v2/events", {"events": []})).status == 403
    assert (await client.get("/inputs/shop")).status == 404


async def test_an_input_made_for_a_connection_feeds_it(client: ConsoleClient) -> None:
    """Also one that names its inputs."""
    connection_id = await client.service.add_connection(inputs=["shop"])
    path = f"/connections/{connection_id}/senders"
    made = await client.post(path, ("name", "web"))
    assert "Copy these secrets now. They are not shown again." in made.text
    sender = basic(copied(made, "key"), copied(made, "secret"))
    assert (await client.service.post("/v2/events", fresh_batch("one"), sender)).status == 202
    assert await client.service.waiting() == 1
    refused = await client.post(path, ("name", "web"))
    assert refused.status == 422 and 'an input named "web" already exists' in refused.text


async def test_a_test_purchase_goes_the_whole_way_for_this_connection_only(tmp_path: Path) -> None:
    """As a test at TikTok; the page shows its way, and the other connection of the input gets nothing."""
    async with Sandbox() as sandbox, running_console(tmp_path, sandbox.url) as client:
        tested = await client.service.add_connection("Tested", test_event_code="TEST12345")
        await client.service.add_connection("Live")
        sent = await client.post(f"/connections/{tested}/purchase", ("input", "shop"))

        async def delivered() -> bool:
            return "TikTok accepted it (code 0)." in (await client.get(sent.path)).text

        await wait_until(delivered)
        assert "will be sent as TikTok's PlaceAnOrder" in (await client.get(sent.path)).text
        status = await client.service.status()
        assert [each["totals"].get("accepted", 0) for each in status["connections"]] == [1, 0]


async def test_no_test_purchase_is_sent_where_tiktok_would_count_it_as_real(client: ConsoleClient) -> None:
    """Without a test event code it is refused, and no page offers it."""
    connection_id = await client.service.add_connection()
    told = await client.post(f"/connections/{connection_id}/purchase", ("input", "shop"))
    assert told.status == 422 and "TikTok would count a test purchase as a real one" in told.text
    assert "Send a test purchase" not in told.text
    assert await client.service.waiting() == 0


async def test_a_purchase_that_is_dropped_says_why(client: ConsoleClient) -> None:
    """The page ends with the reason."""
    settings = {"test_event_code": "TEST12345", "environment": "production"}
    connection_id = await client.service.add_connection(**settings)
    sent = await client.post(f"/connections/{connection_id}/purchase", ("input", "shop"))

    async def dropped() -> bool:
        return "Not sent to TikTok:" in (await client.get(sent.path)).text

    await wait_until(dropped)
    part = await client.get(sent.path, **{"HX-Request": "true"})
    assert "hx-trigger" not in part.html and "<h1>" not in part.html
