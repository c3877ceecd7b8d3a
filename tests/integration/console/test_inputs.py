"""The pages of the inputs, and of who sends to a connection: what they show works for a real sender."""

import json
import re
import shlex
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest

from tests.integration.console.console_client import ConsoleClient, Shown, running_console
from tests.integration.service_rig import AUTHORIZATION, BASIC, SECRET, basic, fresh_batch
from tests.patience import wait_until
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


# --- browser inputs --------------------------------------------------------------------------------------------------

SHOP = "https://shop.example.com"
BROWSER = (("name", "web"), ("kind", "browser"))


async def post_event(client: ConsoleClient, key: str, event_id: str) -> int:
    """The status for a page of the shop that sends a purchase with this key."""
    path = f"/v3/JS/{key}/events"
    return (await client.service.post(path, fresh_batch(event_id), {"Origin": SHOP})).status


async def test_settings_shown_for_a_browser_input_let_its_pages_send(client: ConsoleClient) -> None:
    """The key, the beacon's URL and the script's tag; there is no secret, so nothing is shown only once."""
    await client.service.add_connection()
    made = await client.post("/inputs", *BROWSER, ("origins", f"{SHOP}\r\n\r\n https://m.example.com \r\n"))
    assert made.status == 200 and "secret" not in made.text.lower().partition("sender settings")[2]
    key = copied(made, "key")
    assert copied(made, "events") == f"{client.service.url}/v3/JS/{key}/events"
    assert f'navigator.sendBeacon("{client.service.url}/v3/JS/{key}/events"' in copied(made, "beacon")
    script = re.search(r'src="([^"]+)"', copied(made, "script"))
    assert script is not None
    served = await client.service.request("GET", script[1].removeprefix(client.service.url))
    assert served.status == 200 and b"tiktokForwarder" in served.body
    assert "TikTok keeps the first to arrive" in made.text and "compare match keys by input" in made.text
    assert await post_event(client, key, "one") == 202
    (found,) = [each for each in await client.api("GET", "/api/inputs") if each["name"] == "web"]
    assert (found["kind"], found["origins"], found["webhook_path"]) == (
        "browser",
        [SHOP, "https://m.example.com"],
        None,
    )
    listed = (await client.get("/inputs")).text
    assert f"web Browser {key} {SHOP}" in listed


@pytest.mark.parametrize(("origins", "told"), [("", "needs at least one"), ("shop.example.com", "must be a scheme")])
async def test_browser_input_needs_origins_that_browsers_send(client: ConsoleClient, origins: str, told: str) -> None:
    """The form keeps what was typed."""
    shown = await client.post("/inputs", *BROWSER, ("origins", origins), ("drops_purchases", "yes"))
    assert shown.status == 422 and "Origins: " in shown.text and told in shown.text
    form = shown.html.partition('class="new-input"')[2]
    assert 'value="web"' in form and 'value="browser" checked' in form and 'value="yes" checked' in form
    assert origins in form
    assert len(await client.api("GET", "/api/inputs")) == 1


async def test_origins_and_purchases_of_an_input_are_changed(client: ConsoleClient) -> None:
    """A purchase is dropped from then on, and the input's figures show it."""
    await client.service.add_connection()
    made = await client.post("/inputs", *BROWSER, ("origins", SHOP))
    revision = ("revision", "1")
    saved = await client.post(
        "/inputs/web/change", revision, ("origins", f"{SHOP}\nhttps://m.example.com"), ("drops_purchases", "yes")
    )
    assert "settings are saved" in saved.text and "Purchases from this input are dropped." in saved.text
    assert await post_event(client, copied(made, "key"), "one") == 202

    async def counted() -> bool:
        return "Purchases not allowed 1" in (await client.get("/inputs/web?period=day")).text

    await wait_until(counted)
    assert "web Browser" in (await client.get("/inputs")).text and "no purchases" in (await client.get("/inputs")).text
    late = await client.post("/inputs/web/change", revision, ("origins", SHOP))
    assert late.status == 422 and (await client.api("GET", "/api/inputs"))[1]["allows_purchases"] is False
    wrong = await client.post("/inputs/web/change", ("revision", "2"), ("origins", "https://shop.example.com/cart"))
    assert wrong.status == 422 and "must end after the host or port" in wrong.text
    assert "https://shop.example.com/cart</textarea>" in wrong.html


async def test_purchases_of_a_server_are_switched_off(client: ConsoleClient) -> None:
    """Its form has no origins."""
    assert 'name="origins"' not in (await client.get("/inputs/shop")).html
    await client.post("/inputs/shop/change", ("revision", "1"), ("drops_purchases", "yes"))
    assert (await client.api("GET", "/api/inputs"))[0]["allows_purchases"] is False
    await client.post("/inputs/shop/change", ("revision", "2"))
    assert (await client.api("GET", "/api/inputs"))[0]["allows_purchases"] is True
    assert (await client.post("/inputs/other/change", ("revision", "1"))).status == 404


async def test_key_of_a_browser_input_is_rotated_without_refusing_a_page(client: ConsoleClient) -> None:
    """Both keys are valid until the old one is retired."""
    old = copied(await client.post("/inputs", *BROWSER, ("origins", SHOP)), "key")
    rotated = await client.post("/inputs/web/rotate")
    new = copied(rotated, "key")
    assert new != old and f"The old key {old} is still valid." in rotated.text
    assert [await post_event(client, key, key) for key in (old, new)] == [202, 202]
    twice = await client.post("/inputs/web/rotate")
    assert twice.status == 422 and "two keys are already valid" in twice.text
    assert "Only the newest key is valid now." in (await client.post("/inputs/web/retire")).text
    assert [await post_event(client, key, key) for key in (old, new)] == [403, 202]


async def test_refused_requests_show_at_their_input(client: ConsoleClient) -> None:
    """A page of a foreign origin that uses the key, and a server's broken body, each with the reason."""
    key = copied(await client.post("/inputs", *BROWSER, ("origins", SHOP)), "key")
    await client.service.post(f"/v3/JS/{key}/events", fresh_batch("one"), {"Origin": "https://evil.example"})
    await client.service.post(body=b"{broken")

    async def counted() -> bool:
        shown = [(await client.get(f"/inputs/{name}")).text for name in ("web", "shop")]
        return (
            all("Requests refused 1" in text for text in shown)
            and "Page of another origin 1" in shown[0]
            and "Body unreadable 1" in shown[1]
        )

    await wait_until(counted)


async def test_browser_input_made_for_a_connection_feeds_it(client: ConsoleClient) -> None:
    """The step that adds senders offers it like a server."""
    connection_id = await client.service.add_connection(inputs=["shop"])
    made = await client.post(f"/connections/{connection_id}/senders", *BROWSER, ("origins", SHOP))
    assert await post_event(client, copied(made, "key"), "one") == 202
    assert await client.service.waiting() == 1
    removal = await client.get("/inputs/web/remove")
    assert "Pages do not retry rejected events" in removal.text and "/webhook/" not in removal.text


async def test_kafka_input_is_added_with_a_form_and_has_no_settings_for_a_sender(client: ConsoleClient) -> None:
    """The pages that show senders' settings lead to its consumers; its password is in none of them."""
    connection_id = await client.service.add_connection()
    password = "password-of-the-consumer"
    made = await client.post(
        "/inputs",
        ("name", "events"),
        ("kind", "kafka"),
        ("servers", "127.0.0.1:9\r\n127.0.0.2:9\r\n"),
        ("topics", "a\r\nb"),
        ("security", "plaintext"),
        ("sasl_mechanism", "PLAIN"),
        ("user_name", "forwarder"),
        ("password", password),
    )
    assert made.status == 200, made.text
    (_, found) = await client.api("GET", "/api/inputs")
    kafka = found["kafka"]
    assert (kafka["servers"], kafka["topics"]) == (["127.0.0.1:9", "127.0.0.2:9"], ["a", "b"])
    assert kafka["has_password"] and not kafka["ca_certificate"]
    for path in ("/inputs", "/inputs/events", f"/connections/{connection_id}/senders", "/inputs/events/remove"):
        shown = await client.get(path)
        assert shown.status == 200 and password not in shown.html
    senders = await client.get(f"/connections/{connection_id}/senders")
    assert "in the consumer group tiktok-forwarder-events" in senders.text
    removed = await client.post("/inputs/events/remove")
    assert "events is removed. Its events are no longer received." in removed.text
