"""The pages of the connections: made, looked at, changed, checked, paused and deleted over HTTP."""

import re
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.console.console_client import NAME, PASSWORD, ConsoleClient, fields_in, running_console
from tests.integration.service_rig import TOKEN, fresh_batch
from tests.patience import wait_until
from tiktok_forwarder.console.setting_words import label_of
from tiktok_forwarder.mapping.connection import read_connection
from tiktok_forwarder.mapping.fields import FIELDS
from tiktok_sandbox import Sandbox
from tiktok_sandbox.steps import Code

pytestmark = pytest.mark.slow

OTHER_TOKEN = "another-access-token-9876543210"
ANSWERS = {"purchase_event": "PlaceAnOrder", "consent": "none"}
MAPPING = {"event": "Subscribe", "event_type": "custom_event", "event_name": "Signed up", "properties": {}}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ConsoleClient]:
    """TikTok is out of reach."""
    async with running_console(tmp_path) as made:
        yield made


async def test_a_connection_is_made_with_three_fields_and_two_answers(client: ConsoleClient) -> None:
    """All else stands at the defaults that the fields declare; the token is on no page."""
    assert "No connections yet" in (await client.get("/connections")).text
    form = await client.get("/connections/new")
    made = await client.post(
        "/connections/new", *fields_in(form.html, name="Shop/50 %", pixel_id="C9", access_token=TOKEN, **ANSWERS)
    )
    [connection] = await client.api("GET", "/api/connections")
    assert made.path == f"/connections/{connection['id']}"
    assert "Shop/50 % is saved" in made.text and "To the first event" in made.text
    settings = connection["settings"]
    assert read_connection(settings, needs_token=False) == read_connection(
        {"name": "Shop/50 %", "pixel_id": "C9"}, needs_token=False
    )
    for path in ("/connections", made.path, f"{made.path}/edit", f"{made.path}/export"):
        assert TOKEN not in (await client.get(path)).html


async def test_the_form_has_every_field_with_its_label_and_help(client: ConsoleClient) -> None:
    """But for custom mappings, which have pages of their own."""
    form = await client.get("/connections/new")
    for field in FIELDS:
        assert (f'id="field-{field.name}"' in form.html) == (field.name != "custom_mappings"), field.name
        if field.name != "custom_mappings":
            assert label_of(field.name) in form.text and field.help[1:] in form.text, field.name


async def test_what_is_refused_is_told_at_its_field_and_kept(client: ConsoleClient) -> None:
    """The API's sentence stands at the field; the token alone must be typed again."""
    form = await client.get("/connections/new")
    wrong = {
        **ANSWERS,
        "name": "Shop",
        "pixel_id": "",
        "access_token": TOKEN,
        "default_phone_region": "ZZ",
        "sample_percent": "nan",
    }
    refused = await client.post("/connections/new", *fields_in(form.html, **wrong))
    assert refused.status == 422
    for sentence in (
        "Pixel ID : is required.",
        "Default phone region : must be a country code of two letters, such as US, not 'ZZ'.",
        "Sample of users : must be a number from 0 to 100, not 'nan'.",
        "Type the Access Token again: pages never show it.",
    ):
        assert sentence in refused.text
    assert 'value="ZZ"' in refused.html and 'value="Shop"' in refused.html
    assert TOKEN not in refused.html
    assert await client.api("GET", "/api/connections") == []


async def test_an_empty_token_keeps_the_present_one(client: ConsoleClient) -> None:
    """Other settings are changed; one emptied goes back to its default."""
    connection_id = await client.service.add_connection(default_currency="USD")
    path = f"/connections/{connection_id}"
    form = await client.get(f"{path}/edit")
    assert 'value="USD"' in form.html
    saved = await client.post(f"{path}/edit", *fields_in(form.html, default_currency="", content_type="product_group"))
    assert saved.path == path and "Shop is saved." in saved.text
    view = await client.api("GET", f"/api/connections/{connection_id}")
    assert (view["settings"].get("default_currency"), view["settings"]["content_type"]) == (None, "product_group")
    assert client.service.services.connections.access_token(connection_id) == TOKEN
    await client.post(f"{path}/edit", *fields_in((await client.get(f"{path}/edit")).html, access_token=OTHER_TOKEN))
    assert client.service.services.connections.access_token(connection_id) == OTHER_TOKEN


async def test_saving_what_is_there_makes_no_revision(client: ConsoleClient) -> None:
    """The history tells changes only."""
    connection_id = await client.service.add_connection(sample_percent=12.5, inputs=["shop"])
    path = f"/connections/{connection_id}"
    saved = await client.post(f"{path}/edit", *fields_in((await client.get(f"{path}/edit")).html))
    assert "Nothing changed." in saved.text
    assert (await client.api("GET", f"/api{path}"))["revision"] == 1


async def test_a_change_of_somebody_else_is_told_and_nothing_typed_is_lost(client: ConsoleClient) -> None:
    """Both values stand side by side; saving again puts the reader's in place."""
    connection_id = await client.service.add_connection()
    path = f"/connections/{connection_id}"
    mine = fields_in((await client.get(f"{path}/edit")).html, platforms="any")
    await client.api("PATCH", f"/api{path}", {"settings": {"content_type": "product_group"}})
    told = await client.post(f"{path}/edit", *mine)
    assert told.status == 409
    assert "This connection was changed elsewhere while you were editing." in told.text
    assert "Content Type product_group product" in told.text and "Platforms web any" in told.text
    assert (await client.api("GET", f"/api{path}"))["settings"]["platforms"] == "web"
    assert (await client.post(f"{path}/edit", *fields_in(told.html))).path == path
    settings = (await client.api("GET", f"/api{path}"))["settings"]
    assert (settings["platforms"], settings["content_type"]) == ("any", "product")


@pytest.mark.parametrize("revision", ["", "x", "-1", "9" * 30])
async def test_a_form_without_a_sound_revision_changes_nothing(client: ConsoleClient, revision: str) -> None:
    """It counts as one made before somebody's change."""
    connection_id = await client.service.add_connection()
    path = f"/connections/{connection_id}"
    form = await client.get(f"{path}/edit")
    told = await client.post(f"{path}/edit", *fields_in(form.html, platforms="any", revision=revision))
    assert told.status == 409
    assert (await client.api("GET", f"/api{path}"))["revision"] == 1


async def test_a_duplicate_lacks_name_and_token_only(client: ConsoleClient) -> None:
    """Custom mappings are copied too."""
    source = await client.service.add_connection(platforms="any", custom_mappings=[MAPPING])
    form = await client.get(f"/connections/new?from={source}")
    assert "1 custom mapping is copied too" in form.text
    assert dict(fields_in(form.html))["name"] == ""
    made = await client.post("/connections/new", *fields_in(form.html, name="Copy", access_token=OTHER_TOKEN))
    copy, original = [await client.api("GET", f"/api{path}") for path in (made.path, f"/connections/{source}")]
    assert {**copy["settings"], "name": "Shop"} == original["settings"]


async def test_the_check_tells_token_pixel_and_network_apart(tmp_path: Path) -> None:
    """In the API's sentences; as a part of the page for a script, as the whole page without one."""
    async with Sandbox(grants={TOKEN: ["C9"]}) as sandbox, running_console(tmp_path, sandbox.url) as client:
        ids = [
            await client.service.add_connection("Good", pixel_id="C9"),
            await client.service.add_connection("Token", pixel_id="C9", access_token=OTHER_TOKEN),
            await client.service.add_connection("Pixel", pixel_id="C8"),
        ]
        told = [await client.post(f"/connections/{each}/check") for each in ids]
        assert "Access token and pixel are valid." in told[0].text
        assert "TikTok rejected the access token. The access token is incorrect" in told[1].text
        assert "There is a problem with the pixel. The access token has no permission for this pixel." in told[2].text
        assert all("<h1>" in each.html for each in told)
        part = await client.post(f"/connections/{ids[0]}/check", headers={"HX-Request": "true"})
        assert "Access token and pixel are valid." in part.html and "<h1>" not in part.html
    async with running_console(tmp_path / "offline") as client:
        connection_id = await client.service.add_connection()
        told = [await client.post(f"/connections/{connection_id}/check")]
        assert "Network problem. TikTok could not be reached" in told[0].text


@pytest.mark.parametrize(
    ("code", "title", "sentence", "setting"),
    [
        (40130, "TikTok rejected the access token.", "lacks the scope to report events", "access_token"),
        (40131, "TikTok rejected the access token.", "authorization by a TikTok user failed", "access_token"),
        (40199, "TikTok rejected the access token.", "refuses the authorization with code 40199", "access_token"),
        (40006, "There is a problem with the URL of TikTok's API.", "Check the setting tiktok_base_url", None),
        (40124, "There is a problem with the developer app of the access token.", "not approved", "access_token"),
        (41000, "Network problem.", "refuses this server's IP address", None),
    ],
)
async def test_check_names_what_a_return_code_blames(
    tmp_path: Path, code: int, title: str, sentence: str, setting: str | None
) -> None:
    """The page leads to the setting that is wrong, and to none if it is not one of the connection's."""
    async with Sandbox() as sandbox, running_console(tmp_path, sandbox.url) as client:
        path = f"/connections/{await client.service.add_connection(test_event_code='TEST42')}"
        sandbox.script.for_requests(Code(code=code))
        shown = await client.post(f"{path}/check")
    assert f"{title} " in shown.text and sentence in shown.text
    assert set(re.findall(r'/edit#field-(\w+)"', shown.html)) == ({setting} if setting else set())


async def test_a_pause_says_by_whom_and_why_until_it_is_resumed(client: ConsoleClient) -> None:
    """On the connection's page and in the list."""
    path = f"/connections/{await client.service.add_connection()}"
    assert "New events are still received, and wait." in (await client.get(f"{path}/pause")).text
    paused = await client.post(f"{path}/pause", ("reason", "the shop <moves>"))
    assert "Paused by user anna: the shop <moves>. Since" in paused.text
    assert "Paused by user anna: the shop <moves>" in (await client.get("/connections")).text
    resumed = await client.post(f"{path}/resume")
    assert "Waiting events are sent now." in resumed.text and "the shop" not in resumed.text


async def test_deleting_says_first_what_waits(client: ConsoleClient) -> None:
    """The number of events that become dead letters; afterwards the connection is gone."""
    path = f"/connections/{await client.service.add_connection()}"
    await client.post(f"{path}/pause")
    assert (await client.service.post(body=fresh_batch("one", "two", "three"))).status == 202
    asked = await client.get(f"{path}/delete")
    assert "3 events are waiting and will become dead letters" in asked.text
    assert await client.api("GET", "/api/connections") != []
    deleted = await client.post(f"{path}/delete")
    assert deleted.path == "/connections"
    assert "Shop is deleted. 3 waiting events became dead letters." in deleted.text
    assert (await client.get(path)).status == 404
    again = await client.post(f"{path}/delete")
    assert "The connection was already deleted." in again.text


async def test_totals_on_the_page_are_those_of_the_status(tmp_path: Path) -> None:
    """accepted = waiting + delivered + dead-lettered + dropped + erased, with the reasons of the drops."""
    async with Sandbox() as sandbox, running_console(tmp_path, sandbox.url) as client:
        connection_id = await client.service.add_connection()
        await client.service.post(body=fresh_batch("one", "two"))
        await client.service.post(body=fresh_batch("three", ip=None))
        await client.service.until_delivered(sandbox, 2)
        shown = await client.get(f"/connections/{connection_id}")
        assert "3 accepted = 0 waiting + 2 delivered + 0 dead-lettered + 1 dropped + 0 erased" in shown.text
        assert "Missing IP address 1" in shown.text
        assert "TikTok accepted the request (code 0)." in shown.text
        assert "Send your first event" not in shown.text


async def test_a_pause_of_the_services_says_what_to_do(tmp_path: Path) -> None:
    """The reason names the remedy, and a changed token begins delivery again."""
    async with Sandbox(grants={OTHER_TOKEN: None}) as sandbox, running_console(tmp_path, sandbox.url) as client:
        connection_id = await client.service.add_connection()
        path = f"/connections/{connection_id}"
        await client.service.post(body=fresh_batch("one"))

        async def paused() -> bool:
            return "Delivery has been paused since" in (await client.get(path)).text

        await wait_until(paused)
        told = (await client.get(path)).text
        assert "Generate a new access token in TikTok Events Manager and set it on the connection. (code 40105)" in told
        assert "It resumes when you save a changed setting" in told
        assert "Events are kept. Change Access Token" in told
        form = await client.get(f"{path}/edit")
        await client.post(f"{path}/edit", *fields_in(form.html, access_token=OTHER_TOKEN))
        await client.service.until_delivered(sandbox, 1)


async def test_the_history_tells_changes_without_secrets(client: ConsoleClient) -> None:
    """Newest first: who, what it was and what it became, in the words of the settings."""
    connection_id = await client.service.add_connection()
    path = f"/connections/{connection_id}"
    form = await client.get(f"{path}/edit")
    changes = {"access_token": OTHER_TOKEN, "email_identity_type": "other_id_2", "require_ip_and_user_agent": "yes"}
    shown = await client.post(f"{path}/edit", *fields_in(form.html, **changes))
    history = shown.text.partition("Change history")[2]
    assert history.index("Email Identity Type: Email → Other 2") < history.index("created")
    assert "Access Token: replaced" in history and "user anna" in history
    assert OTHER_TOKEN not in shown.html


async def test_an_export_imports_without_a_difference(client: ConsoleClient) -> None:
    """Of one connection and of all; the token stands in it as a reference."""
    connection_id = await client.service.add_connection("Shop / Europe", custom_mappings=[MAPPING])
    await client.service.add_connection("Other")
    one, both = [await client.get(path) for path in (f"/connections/{connection_id}/export", "/connections/export")]
    [table] = tomllib.loads(one.html)["connections"]
    assert table["access_token"] == "env:SHOP_EUROPE_ACCESS_TOKEN"
    assert len(tomllib.loads(both.html)["connections"]) == 2
    looked = await client.post("/connections/import", ("text", both.html))
    assert "0 of 2 would change" in looked.text and "Apply" not in looked.text


async def test_a_name_of_any_kind_is_shown_as_text_and_found_by_its_id(client: ConsoleClient) -> None:
    """Markup in it is not the page's."""
    name = "<script>alert(1)</script>/../{{ 7 * 7 }}"
    path = f"/connections/{await client.service.add_connection(name)}"
    for page in ("/connections", path, f"{path}/edit", f"{path}/delete", f"{path}/pause", f"{path}/senders"):
        shown = await client.get(page)
        assert shown.status == 200 and "<script>alert" not in shown.html, page
        assert name in shown.text or name in dict(fields_in(shown.html)).values(), page


async def test_who_may_only_look_sees_no_way_to_change(client: ConsoleClient) -> None:
    """All of it is there but the forms; the only one is for logging out, and pages that change are refused."""
    connection_id = await client.service.add_connection()
    path = f"/connections/{connection_id}"
    access = client.service.services.console_access
    await access.users.add_with_password("Other", "admin", PASSWORD, "test")
    await access.set_role(NAME, "viewer", "test")
    for page in ("/connections", path, f"{path}/senders", "/inputs", "/inputs/shop"):
        shown = await client.get(page)
        assert shown.status == 200, page
        assert re.findall(r'<form[^>]* action="([^"]+)"', shown.html) == ["/logout"], page
    for page in ("/connections/new", "/connections/import", f"{path}/edit", f"{path}/delete", "/inputs/shop/remove"):
        assert (await client.get(page)).status == 403, page
    for page in (f"{path}/check", f"{path}/pause", f"{path}/delete", f"{path}/edit", "/inputs/shop/rotate"):
        assert (await client.post(page)).status == 403, page
    assert (await client.api("GET", f"/api{path}"))["revision"] == 1
