"""From a saved connection to its first event: the badge, the steps, and what TikTok has to do with both."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.console.console_client import NAME, PASSWORD, ConsoleClient, Shown, fields_in, running_console
from tests.integration.service_rig import fresh_batch
from tests.patience import wait_until
from tiktok_sandbox import Sandbox
from tiktok_sandbox.steps import Code, Silence

PIXEL, TOKEN, WRONG = "C9EXAMPLEPIXELID", "token-of-the-pixel-0123", "token-of-nobody-0123"
ANSWERS = {"purchase_event": "Purchase", "consent": "none"}
TITLES = ["Pixel and token", "Check", "Sender", "First event", "Go live"]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(grants={TOKEN: [PIXEL]}) as made:
        yield made


@pytest.fixture
async def client(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[ConsoleClient]:
    async with running_console(tmp_path, sandbox.url) as made:
        yield made


async def connect(client: ConsoleClient, **typed: str) -> str:
    """Save a new connection with the form; return the path of its page."""
    form = await client.get("/connections/new")
    given = {"name": "Shop", "pixel_id": PIXEL, "access_token": TOKEN, **ANSWERS, **typed}
    made = await client.post("/connections/new", *fields_in(form.html, **given))
    assert made.status == 200 and "is saved" in made.text, made.text
    return made.path


async def edit(client: ConsoleClient, path: str, **typed: str) -> Shown:
    return await client.post(f"{path}/edit", *fields_in((await client.get(f"{path}/edit")).html, **typed))


async def delivery(client: ConsoleClient) -> dict[str, Any]:
    (connection,) = (await client.api("GET", "/api/status"))["connections"]
    found: dict[str, Any] = connection["delivery"]
    return found


async def until(client: ConsoleClient, condition: str) -> dict[str, Any]:
    async def holds() -> bool:
        return bool((await delivery(client))["condition"] == condition)

    await wait_until(holds, seconds=5)
    return await delivery(client)


def badge(shown: Shown) -> str:
    found = re.search(r'<h1>[^<]*</h1> *<span class="state (\w+)">([^<]+)</span>', shown.html)
    assert found is not None and found[1].replace("_", " ") == found[2], shown.html
    return found[2]


def steps(shown: Shown) -> dict[str, str]:
    """The state of each step by its title, as a reader of the page's markup finds it."""
    section = shown.html.partition('<div id="setup">')[2].partition("</section>")[0]
    return {title: state for state, title in re.findall(r'<li class="(\w+)"[^>]*>\s*<h3>([^<]+)<', section)}


def stopped(overview: Shown) -> tuple[int, list[str]]:
    """The number beside *Connections* in the menu, and the connections that are listed as paused or refused."""
    count = re.search(r'<span class="count">(\d+)<span class="unseen"> paused or refused<', overview.html)
    listed = overview.html.partition('<h2 id="attention">')[2].partition("</ul>")[0]
    names = re.findall(r">([^<>]+)</a>[^<]*(?:Delivery is paused|TikTok refused the settings)", listed)
    return int(count[1]) if count else 0, names


async def test_wrong_token_is_refused_and_the_right_one_is_live(client: ConsoleClient, sandbox: Sandbox) -> None:
    """No one presses a button: saving asks TikTok, and its message and code are on the page."""
    path = await connect(client, access_token=WRONG)
    status = await until(client, "refused")
    assert (status["code"], status["is_paused"], status["check"]) == (40105, False, "refused")
    assert status["reason"].startswith("The access token is incorrect or has been revoked.")
    shown = await client.get(path)
    assert badge(shown) == "refused" and "(code 40105)" in shown.text
    assert "TikTok's message: Access token is incorrect or has been revoked." in shown.text
    assert steps(shown)["Check"] == "failed"

    await edit(client, path, access_token=TOKEN)
    await until(client, "live")
    shown = await client.get(path)
    assert badge(shown) == "live" and "40105" not in shown.text.partition("Change history")[0]
    assert steps(shown)["Check"] == "done"
    assert sandbox.counts().delivered == 0 and len(sandbox.requests()) == 2


async def test_wrong_pixel_is_refused_with_tiktoks_message(client: ConsoleClient) -> None:
    """It is the pixel that the page leads to."""
    path = await connect(client, pixel_id="C8EXAMPLEPIXELID")
    assert (await until(client, "refused"))["code"] == 40001
    assert f'href="{path}/edit#field-pixel_id"' in (await client.get(path)).html


async def test_test_event_code_makes_test_and_its_removal_live(client: ConsoleClient, sandbox: Sandbox) -> None:
    """One button after a page that says what it means; TikTok then counts events, and the steps are gone."""
    path = await connect(client, test_event_code="TEST42")
    await until(client, "test")
    shown = await client.get(path)
    assert badge(shown) == "test"
    assert steps(shown) == dict(zip(TITLES, ["done", "done", "done", "next", "ahead"], strict=True))
    await client.post(f"{path}/purchase", ("input", "shop"))
    await wait_until(lambda: has_delivered(client))
    assert steps(await client.get(path)) == dict(zip(TITLES, ["done"] * 4 + ["next"], strict=True))

    asked = await client.get(f"{path}/go-live")
    assert "The test event code TEST42 is removed." in asked.text and "counts every event" in asked.text
    shown = await client.post(f"{path}/go-live")
    assert shown.path == path and "TikTok counts its events now." in shown.text
    assert badge(shown) == "live" and steps(shown) == {}
    assert "test_event_code" not in (await client.api("GET", f"/api{path}"))["settings"]
    again = await client.get(f"{path}/go-live")
    assert again.path == path and "TikTok counts its events already." in again.text
    await client.service.post(body=fresh_batch("real"))
    await client.service.until_delivered(sandbox, 3)
    assert sandbox.requests()[-1].test_event_code is None


async def has_delivered(client: ConsoleClient) -> bool:
    (connection,) = (await client.api("GET", "/api/status"))["connections"]
    return bool(connection["totals"].get("delivered"))


async def test_steps_are_ticked_by_what_happens(tmp_path: Path, sandbox: Sandbox) -> None:
    """Wherever it happens: an input of the command line and an event of a sender count as those of the pages."""
    async with running_console(tmp_path, sandbox.url) as client:
        await client.service.services.inputs.remove("shop", "test")
        path = await connect(client)
        await until(client, "live")
        assert steps(await client.get(path)) == dict(
            zip(TITLES, ["done", "done", "next", "ahead", "ahead"], strict=True)
        )
        made = await client.api("POST", "/api/inputs", {"name": "web"})
        assert steps(await client.get(path))["Sender"] == "done"
        shown = await client.get(path)
        assert steps(shown)["First event"] == "next" and f"{path}/edit#field-test_event_code" in shown.html
        headers = {"Authorization": made["authorization"]}
        answer = await client.service.post("/webhook/web", fresh_batch("first"), headers)
        assert answer.status == 202
        await wait_until(lambda: has_delivered(client))
        assert steps(await client.get(path)) == {}


async def test_saving_does_not_wait_for_tiktok(client: ConsoleClient, sandbox: Sandbox) -> None:
    """The connection is saved while TikTok is silent; meanwhile it is not checked."""
    sandbox.script.for_requests(Silence())
    async with asyncio.timeout(5):
        path = await connect(client)
    shown = await client.get(path)
    assert badge(shown) == "not checked" and "has not accepted access token and pixel yet" in shown.text


async def test_connection_is_not_checked_and_shows_why_without_tiktok(tmp_path: Path) -> None:
    """It is saved; the button asks again."""
    async with running_console(tmp_path) as client:
        path = await connect(client)

        async def has_tried() -> bool:
            return (await delivery(client))["check"] is not None

        await wait_until(has_tried, seconds=5)
        status = await delivery(client)
        assert (status["condition"], status["check"]) == ("not_checked", "unknown")
        assert status["reason"].startswith("TikTok could not be reached.")
        shown = await client.get(path)
        assert badge(shown) == "not checked" and shown.text.count("TikTok could not be reached.") == 1
        assert steps(shown)["Check"] == "next" and ">Ask TikTok<" in shown.html


async def test_only_settings_of_the_check_are_checked_again(client: ConsoleClient, sandbox: Sandbox) -> None:
    """A new name needs no answer of TikTok's; a version of the Events API, a test event code and a token do."""
    path = await connect(client)
    await until(client, "live")
    await edit(client, path, name="Store")
    await asyncio.sleep(0.2)
    assert len(sandbox.requests()) == 1
    old = {"events_api": "1.0", "purchase_event": "PlaceAnOrder"}
    for number, typed in enumerate((old, {"test_event_code": "TEST42"}, {"access_token": WRONG}), 2):
        await edit(client, path, **typed)
        await wait_until(lambda: requests(sandbox, number), seconds=5)  # noqa: B023
    await until(client, "refused")
    assert len(sandbox.requests()) == 4


async def requests(sandbox: Sandbox, count: int) -> bool:
    return len(sandbox.requests()) >= count


async def test_imported_connections_are_checked(client: ConsoleClient, sandbox: Sandbox) -> None:
    """Apply asks TikTok about each that it adds or changes; the preview asks nothing."""
    text = f'name = "Shop"\npixel_id = "{PIXEL}"\naccess_token = "env:SHOP_TOKEN"\n'
    shown = await client.post("/connections/import", ("text", text))
    assert sandbox.requests() == []
    fields = [each for each in fields_in(shown.html) if each[0] not in ("text", "apply")]
    typed = [(name, TOKEN) if name.startswith("token-") else (name, value) for name, value in fields]
    done = await client.post("/connections/import", *typed, ("text", text), ("apply", "yes"))
    assert "Imported: Shop." in done.text
    await until(client, "live")


async def test_api_checks_on_request_only(client: ConsoleClient, sandbox: Sandbox) -> None:
    """A program may save many connections; it asks for the check with a parameter."""
    given = {"name": "Shop", "pixel_id": PIXEL, "access_token": TOKEN}
    made = await client.api("POST", "/api/connections", given)
    assert (await delivery(client))["condition"] == "not_checked"
    path = f"/api/connections/{made['id']}"
    await client.api("PATCH", path, {"settings": {"name": "Store"}})
    await asyncio.sleep(0.2)
    assert sandbox.requests() == []
    await client.api("PATCH", f"{path}?check=true", {"settings": {"name": "Shop"}})
    await until(client, "live")
    answer = await client.api("POST", f"{path}/check")
    assert (answer["kind"], answer["code"]) == ("good", 40002)


async def test_good_check_ends_a_pause_that_a_refusal_caused(client: ConsoleClient, sandbox: Sandbox) -> None:
    """What was wrong was fixed at TikTok: no one has to wait for the next probe."""
    path = await connect(client)
    await until(client, "live")
    sandbox.script.for_requests(Code(code=40001, times=1))
    await client.service.post(body=fresh_batch("m1"))
    status = await until(client, "refused")
    assert (status["is_paused"], status["by"], status["code"]) == (True, "service", 40001)
    shown = await client.get(path)
    assert "Delivery has been paused since" in shown.text and ">Resume<" in shown.html
    await client.post(f"{path}/check")
    await until(client, "live")
    await client.service.until_delivered(sandbox, 1)


async def test_steps_are_put_away_for_everyone_and_shown_again(client: ConsoleClient) -> None:
    """It is the connection's, not the reader's; a button brings them back."""
    path = await connect(client)
    await until(client, "live")
    shown = await client.post(f"{path}/first-steps", ("put_away", "yes"))
    assert steps(shown) == {} and ">First steps</button>" in shown.html
    (connection,) = (await client.api("GET", "/api/status"))["connections"]
    assert connection["first_steps_put_away"] is True
    shown = await client.post(f"{path}/first-steps", ("put_away", "no"))
    assert list(steps(shown)) == TITLES and ">First steps</button>" not in shown.html


async def test_viewer_sees_the_steps_without_buttons(client: ConsoleClient) -> None:
    """The state of each, and no form but the log-out."""
    path = await connect(client, test_event_code="TEST42")
    await until(client, "test")
    access = client.service.services.console_access
    await access.users.add_with_password("Other", "admin", PASSWORD, "test")
    await access.set_role(NAME, "viewer", "test")
    shown = await client.get(path)
    assert list(steps(shown)) == TITLES
    section = shown.html.partition('<div id="setup">')[2].partition("</section>")[0]
    assert "<form" not in section and "<button" not in section and 'role="button"' not in section
    assert (await client.post(f"{path}/go-live")).status == 403


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("pixel_id", "YOUR PIXEL ID", "must be the ID that TikTok Events Manager shows for your pixel"),
        ("access_token", "YOUR_ACCESS_TOKEN", "must be the token that TikTok Events Manager generated"),
    ],
)
async def test_placeholder_is_refused_at_its_field(client: ConsoleClient, field: str, value: str, message: str) -> None:
    """The form is shown again with the message, and nothing is saved."""
    form = await client.get("/connections/new")
    given = {"name": "Shop", "pixel_id": PIXEL, "access_token": TOKEN, **ANSWERS, field: value}
    shown = await client.post("/connections/new", *fields_in(form.html, **given))
    assert shown.status == 422 and message in shown.text
    assert await client.api("GET", "/api/connections") == []


async def test_recording_connection_leads_to_its_first_recorded_event(client: ConsoleClient, sandbox: Sandbox) -> None:
    """It needs no token and no answer of TikTok; the last step is to set its delivery to send."""
    path = await connect(client, access_token="", delivery="record")
    shown = await client.get(path)
    assert badge(shown) == "recording" and "This connection only records." in shown.text
    assert list(steps(shown).values()) == ["done", "done", "done", "next", "ahead"]
    await client.service.post(body=fresh_batch("e1"))

    async def is_recorded() -> bool:
        return "1 event was recorded." in (await client.get(path)).text

    await wait_until(is_recorded, seconds=5)
    shown = await client.get(path)
    assert list(steps(shown).values()) == ["done", "done", "done", "done", "next"]
    assert "set Delivery to send" in shown.text and "TikTok accepts the access token" not in shown.text
    page = f"{path.replace('/connections/', '/activity/')}/Purchase/e1"

    async def is_kept() -> bool:
        return (await client.get(page)).status == 200

    await wait_until(is_kept, seconds=5)
    event = await client.get(page)
    assert "Recorded, not sent" in event.text and "Fields that would be sent to TikTok" in event.text
    refused = await edit(client, path, delivery="send")
    assert "Access Token : is required to send events." in refused.text
    await edit(client, path, delivery="send", access_token=TOKEN)
    await until(client, "live")
    assert sandbox.counts().delivered == 0


async def test_menu_counts_the_connections_that_the_overview_lists_as_stopped(client: ConsoleClient) -> None:
    """Refused without a pause, or paused; a connection that is disabled too is in neither."""
    await connect(client, access_token=WRONG)
    await until(client, "refused")
    assert stopped(await client.get("/")) == (1, ["Shop"])
    for name in ("Paused", "Off"):
        await connect(client, name=name)
        await client.api("POST", f"/api/connections/{name}/pause", {"reason": "stocktaking"})
    await client.api("PATCH", "/api/connections/Off", {"settings": {"enabled": False}})
    assert stopped(await client.get("/")) == (2, ["Paused", "Shop"])
    attention = await client.api("GET", "/api/attention")
    assert attention == {"paused_connections": 2, "dead_letters": 0, "stopped_connections": 2}
