"""The console's pages of custom mappings, over HTTP: without a script, as every page must work."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.console.console_client import ConsoleClient, Shown, running_console
from tests.integration.service_rig import fresh_batch
from tests.unit.mapping.batches import batch_of
from tiktok_forwarder.tiktok.events import EVENTS

pytestmark = pytest.mark.slow

Fields = list[tuple[str, str]]
SIGNUP: dict[str, Any] = {
    "event": "Subscribe",
    "event_type": "custom_event",
    "event_name": "Newsletter Signup",
    "conditions": [{"attribute": "list", "is": ["weekly", "daily"]}],
    "properties": {"value": {"attribute": "price_paid", "required": True}},
}
SEARCH = {"event": "Search", "event_type": "custom_event", "event_name": "Site Search", "properties": {}}
SIGNUP_FIELDS: Fields = [
    ("card", "m1"),
    ("m1.event_type", "custom_event"),
    ("m1.event_name", "Newsletter Signup"),
    ("m1.if0.subject", "attribute"),
    ("m1.if0.name", "list"),
    ("m1.if0.test", "is"),
    ("m1.if0.values", "weekly\r\ndaily"),
    ("m1.value.0.kind", "attribute"),
    ("m1.value.0.value", "price_paid"),
    ("m1.value.required", "yes"),
]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ConsoleClient]:
    async with running_console(tmp_path, development_events_kept=5) as client:
        yield client


async def connected(client: ConsoleClient, **settings: Any) -> str:
    """The path of the mappings of a new connection."""
    return f"/connections/{await client.service.add_connection(**settings)}/mappings"


async def stored(client: ConsoleClient, path: str) -> Any:
    view = await client.api("GET", f"/api{path.removesuffix('/mappings')}")
    return view["settings"]["custom_mappings"]


def signup_event(**data: Any) -> dict[str, Any]:
    members = {"event_name": "Newsletter Signup", "custom_flags": {"TikTok.URL": "https://shop.example.com/"}}
    attributes = {"list": "weekly", "price_paid": "4.5"}
    return {"event_type": "custom_event", "data": {**members, "custom_attributes": attributes, **data}}


def revision_in(shown: Shown) -> str:
    found = re.search(r'name="revision" value="(\d+)"', shown.html)
    assert found is not None
    return found[1]


# --- looking ---


async def test_tiktoks_events_are_listed_with_their_mappings(client: ConsoleClient) -> None:
    """Each with the number of its mappings; what is sent without one is said."""
    path = await connected(client, custom_mappings=[SIGNUP, SEARCH, {**SIGNUP, "event_name": "Club"}])
    shown = await client.get(path)
    assert shown.status == 200
    assert all(f"{path}/{event}" in shown.html for event in EVENTS)
    assert "Subscribe (2)" in shown.text and "Search (1)" in shown.text
    assert "Add to Cart standard mapping: Add to cart" in shown.text
    assert "Custom event: Club if the event attribute list is weekly or daily Subscribe Total value" in shown.text


async def test_only_events_of_the_connections_version_are_there(client: ConsoleClient) -> None:
    """Events API 1.0 lacks some: no page is there for them, nor for what is no event of TikTok's."""
    path = await connected(client, events_api="1.0")
    assert f"{path}/Lead" not in (await client.get(path)).html
    for event in ("Lead", "lead", "Nothing"):
        assert (await client.get(f"{path}/{event}")).status == 404
    assert (await client.get("/connections/cn_nobody/mappings")).status == 404


async def as_viewer(client: ConsoleClient) -> aiohttp.ClientSession:
    access = client.service.services.console_access
    await access.users.add("Vera", "viewer", "test")
    _, token = await access.link_for("Vera", "test")
    entry = await access.accept_link(token, "", "the viewers password", "")
    cookie = {f"session-{client.service.port}": entry.reference}
    return aiohttp.ClientSession(cookies=cookie, cookie_jar=aiohttp.CookieJar(unsafe=True))


async def test_a_viewer_reads_the_same_as_text(client: ConsoleClient) -> None:
    """Without a form, and with all that a mapping says."""
    path = await connected(client, custom_mappings=[SIGNUP, {**SIGNUP, "event_name": "Two\nlines"}])
    async with await as_viewer(client) as session:
        async with session.get(client.service.url + path) as answer:
            assert answer.status == 200
        async with session.get(f"{client.service.url}{path}/Subscribe") as answer:
            html = await answer.text()
        shown = Shown(answer.status, path, html)
        async with session.get(f"{client.service.url}{path}/Contact") as answer:
            assert "No custom mappings to Contact" in await answer.text()
    assert shown.status == 200 and 'name="card"' not in html
    assert (
        "When the custom event Newsletter Signup arrives, if the event attribute list is weekly or daily, send"
        in shown.text
    )
    assert "Total value value Event attribute: price_paid yes" in shown.text
    assert "This mapping contains a line break" in shown.text


async def test_what_events_hold_is_text(client: ConsoleClient) -> None:
    """Names, values and samples, wherever they are shown."""
    odd = '"><script>x</script>'
    properties = {"description": {"static": odd}, "value": {"attribute": odd}}
    mapping = {**SIGNUP, "event_name": odd, "conditions": [], "properties": properties}
    path = await connected(client, custom_mappings=[mapping])
    await client.service.post(body=batch_of(signup_event(event_name=odd), environment="development"))
    for each in (path, f"{path}/Subscribe"):
        html = (await client.get(each)).html
        assert "<script>x" not in html and "&lt;script&gt;x" in html


# --- editing ---


async def test_a_mapping_is_added_changed_and_removed(client: ConsoleClient) -> None:
    """Those of other TikTok events stay as they are."""
    path = await connected(client, custom_mappings=[SEARCH])
    opened = await client.get(f"{path}/Subscribe")
    assert "No custom mappings to Subscribe yet." in opened.text
    saved = await client.post(f"{path}/Subscribe", ("revision", revision_in(opened)), *SIGNUP_FIELDS)
    assert saved.path == f"{path}/Subscribe"
    assert "The mappings to Subscribe are saved" in saved.text
    assert await stored(client, path) == [SEARCH, SIGNUP]
    fields = [(name, "Club" if name == "m1.event_name" else value) for name, value in SIGNUP_FIELDS]
    await client.post(f"{path}/Subscribe", ("revision", revision_in(saved)), *fields)
    assert await stored(client, path) == [SEARCH, {**SIGNUP, "event_name": "Club"}]
    await client.post(f"{path}/Subscribe", ("revision", "3"))
    assert await stored(client, path) == [SEARCH]


async def test_problems_stand_at_their_row_and_everything_typed_is_kept(client: ConsoleClient) -> None:
    """In the API's words, with nothing saved."""
    path = await connected(client, custom_mappings=[SEARCH])
    wrong: Fields = [
        ("card", "m4"),
        ("m4.event_type", "screen_view"),
        ("m4.event_name", ""),
        ("m4.value.0.kind", "static"),
        ("m4.value.0.value", "much & more"),
    ]
    shown = await client.post(f"{path}/Subscribe", ("revision", "1"), *SIGNUP_FIELDS, *wrong)
    assert shown.status == 422
    at_name = re.search(r'id="m4-event_name-wrong">([^<]+)<', shown.html)
    at_value = re.search(r'id="m4-value-wrong">([^<]+)<', shown.html)
    assert at_name is not None and at_name[1].startswith("Screen name is required")
    assert at_value is not None and at_value[1] == "Total value must be a number, not &#39;much &amp; more&#39;."
    assert 'value="much &amp; more"' in shown.html and 'value="Newsletter Signup"' in shown.html
    assert "Mapping 2: Screen name is required" in shown.text
    assert await stored(client, path) == [SEARCH]


async def test_somebody_elses_change_is_not_overwritten_unseen(client: ConsoleClient) -> None:
    """It is told, with what was typed kept; saving again then takes the place of this TikTok event's mappings only."""
    path = await connected(client)
    await client.api(
        "PATCH",
        f"/api{path.removesuffix('/mappings')}",
        {"settings": {"custom_mappings": [SEARCH, {**SIGNUP, "event_name": "Club"}]}},
    )
    shown = await client.post(f"{path}/Subscribe", ("revision", "1"), *SIGNUP_FIELDS)
    assert shown.status == 409 and "This connection was changed elsewhere" in shown.text
    assert 'value="Newsletter Signup"' in shown.html
    assert len(await stored(client, path)) == 2
    await client.post(f"{path}/Subscribe", ("revision", revision_in(shown)), *SIGNUP_FIELDS)
    assert await stored(client, path) == [SEARCH, SIGNUP]


async def test_buttons_change_the_form_and_save_nothing(client: ConsoleClient) -> None:
    """Add, conditions, and a kind of event that has no products: without a script the whole page comes back."""
    path = await connected(client)
    draft = f"{path}/AddToCart/draft"
    shown = await client.post(draft, ("do", "add"), ("revision", "1"))
    assert (shown.status, revision_in(shown)) == (200, "1")
    assert re.search(r'<select id="m1-event_type"[^>]* autofocus', shown.html)
    assert f'action="{path}/AddToCart"' in shown.html
    assert set(re.findall(r'formaction="([^"]+)"', shown.html)) == {draft}
    fields: Fields = [("card", "m1"), ("m1.event_type", "commerce_event"), ("m1.event_name", "click")]
    fields += [("m1.price.0.kind", "product"), ("m1.price.0.value", "price")]
    shown = await client.post(draft, ("do", "condition m1"), *fields)
    assert '<option value="price" selected>Price</option>' in shown.html and 'id="m1-if0-subject"' in shown.html
    assert '<option value="view_detail">' in shown.html
    fields[1] = ("m1.event_type", "screen_view")
    shown = await client.post(draft, ("do", "update"), *fields)
    assert 'value="product"' not in shown.html and 'id="m1-price-0-value"' not in shown.html
    assert await stored(client, path) == []


async def test_a_part_of_the_form_comes_without_the_page(client: ConsoleClient) -> None:
    """For htmx: the cards and the choice of samples, which grows with them."""
    path = await connected(client)
    shown = await client.post(f"{path}/Subscribe/draft", ("do", "add"), *SIGNUP_FIELDS, headers={"HX-Request": "true"})
    assert shown.status == 200 and "<html" not in shown.html
    assert "Mapping 2" in shown.text and "Generated sample for mapping 2" in shown.text


async def test_names_seen_lately_are_suggested(client: ConsoleClient) -> None:
    """Of events and attributes, as soon as one came in."""
    path = await connected(client)
    await client.service.post(body=batch_of(signup_event(), user_attributes={"home_shop": "Bonn"}))
    fields: Fields = [("card", "m1"), ("m1.event_type", "custom_event"), ("m1.event_name", "newsletter signup")]
    shown = await client.post(f"{path}/Subscribe/draft", *fields)
    for name in ("Newsletter Signup", "price_paid", "home_shop"):
        assert f'<option value="{name}">' in shown.html


# --- names of one's own, sources in order, further properties ---

QUIZ: dict[str, Any] = {
    "event": "Quiz_Done",
    "event_type": "commerce_event",
    "event_name": "purchase",
    "conditions": [{"field": "total_amount", "at_least": 50}, {"identity": "email", "exists": False}],
    "properties": {
        "content_id": {"first": [{"product_attribute": "gtin"}, {"product": "id"}], "required": True},
        "value": {"first": [{"flag": "Net"}, {"field": "total_amount"}, {"static": 5}]},
        "shop_id": {"static": "S-7"},
    },
}


async def test_a_typed_name_leads_to_its_event(client: ConsoleClient) -> None:
    """One's own as it is, a standard event's in any letters' case; what TikTok refuses is refused with the rule."""
    path = await connected(client)
    for typed, event in (("Quiz_Done", "Quiz_Done"), (" addtocart ", "AddToCart")):
        found = await client.get(f"{path}?event={typed.replace(' ', '+')}")
        assert (found.status, found.path) == (200, f"{path}/{event}")
    for odd in ("quiz+done", "Checkout", "9lives", "x" * 51):
        refused = await client.get(f"{path}?event={odd}")
        assert refused.status == 422 and "cannot be the name of a TikTok event. Use 1 to 50 letters" in refused.text
        assert (await client.get(f"{path}/{odd.replace('+', '%20')}")).status == 404


async def test_events_api_1_0_has_no_names_of_ones_own(client: ConsoleClient) -> None:
    """Nor properties beyond its table."""
    path = await connected(client, events_api="1.0")
    assert "Your own event name" not in (await client.get(path)).text
    assert (await client.get(f"{path}/Quiz_Done")).status == 404
    assert "cannot be the name of a TikTok event with the Events API" in (await client.get(f"{path}?event=Quiz")).text
    shown = await client.post(f"{path}/Subscribe/draft", ("do", "add"))
    assert "Add a property" not in shown.text and "Total value" in shown.text


async def test_all_that_a_mapping_may_say_is_shown_and_saved_unchanged(client: ConsoleClient) -> None:
    """Conditions, sources in order and further properties, as fields of the form."""
    path = await connected(client, custom_mappings=[SEARCH, QUIZ])
    overview = await client.get(path)
    assert "if the total amount is at least 50, and there is no email address" in overview.text
    assert "Quiz_Done (1)" in overview.text
    opened = await client.get(f"{path}/Quiz_Done")
    assert 'name="m1.kept"' not in opened.html
    saved = await client.post(f"{path}/Quiz_Done", ("revision", revision_in(opened)), *fields_in(opened))
    assert "The mappings to Quiz_Done are saved" in saved.text
    assert await stored(client, path) == [SEARCH, QUIZ]


def fields_in(shown: Shown) -> Fields:
    """The fields of the page's cards, as a browser would send them."""
    cards = shown.html.partition('<div id="cards">')[2].partition('<button class="add"')[0]
    found: Fields = []
    for tag, attributes, content in re.findall(
        r"(?s)<(input|select|textarea)\b([^>]*)>((?:(?!<input|<select).)*)", cards
    ):
        name = re.search(r'\bname="(m1[^"]*|card)"', attributes)
        if name is None or ('type="checkbox"' in attributes and " checked" not in attributes):
            continue
        where, pattern = (
            (content, r'value="([^"]*)" selected') if tag == "select" else (attributes, r'\bvalue="([^"]*)"')
        )
        value = re.search(pattern, where)
        text = content.partition("</textarea>")[0].removeprefix("\n") if tag == "textarea" else ""
        found.append((name[1], value[1] if value is not None else text))
    return found


async def test_a_viewer_reads_conditions_and_sources_as_sentences(client: ConsoleClient) -> None:
    """In the order in which they are tried."""
    path = await connected(client, custom_mappings=[QUIZ])
    async with await as_viewer(client) as session, session.get(f"{client.service.url}{path}/Quiz_Done") as answer:
        shown = Shown(answer.status, path, await answer.text())
    assert "arrives, if the total amount is at least 50, and there is no email address, send Quiz_Done" in shown.text
    assert "Custom flag: Net , else Event field: Total amount , else Static value: 5 no" in shown.text
    assert "Product attribute: gtin , else Product field: ID yes" in shown.text
    assert "Shop ID shop_id Static value: S-7" in shown.text


async def test_the_preview_names_conditions_that_its_sample_does_not_meet(client: ConsoleClient) -> None:
    """And shows what becomes of the sample instead."""
    path = await connected(client)
    never: Fields = [("m1.if1.subject", "event_name"), ("m1.if1.test", "is"), ("m1.if1.values", "Club")]
    shown = await client.post(f"{path}/Subscribe/preview", *SIGNUP_FIELDS, *never)
    assert "The generated sample cannot meet these conditions: the event name is Club. Paste a sample" in shown.text
    assert "Unsupported event would be dropped" in shown.text


async def test_standard_events_that_are_switched_off_are_not_called_standard_mappings(client: ConsoleClient) -> None:
    """The page tells what is sent without a custom mapping."""
    path = await connected(client, standard_events=["purchase"])
    shown = await client.get(path)
    assert (
        "Place an Order standard mapping: Purchase" in shown.text and "standard mapping: Add to cart" not in shown.text
    )
    path = await connected(client, name="Other", standard_events=[])
    assert "No commerce event is sent to TikTok automatically" in (await client.get(path)).text


# --- the preview ---


def outcome_of(shown: Shown) -> Any:
    """The JSON that TikTok would get."""
    found = re.search(r'(?s)<pre [^>]*as JSON">(.*?)</pre>', shown.html)
    assert found is not None, shown.text
    return json.loads(found[1].replace("&#34;", '"'))


async def test_the_preview_shows_the_unsaved_mapping_on_a_generated_event(client: ConsoleClient) -> None:
    """Payload, warnings and where each field came from; nothing is saved."""
    path = await connected(client)
    shown = await client.post(f"{path}/Subscribe/preview", *SIGNUP_FIELDS)
    assert shown.status == 200
    assert outcome_of(shown)["properties"] == {"value": 298}
    assert "Subscribe would be sent" in shown.text
    assert "A value was sent without a currency" in shown.text
    assert "properties.value events[0].data.custom_attributes.price_paid as a number; custom mapping" in shown.text
    assert await stored(client, path) == []


async def test_the_preview_takes_a_pasted_batch(client: ConsoleClient) -> None:
    """In any form; what is dropped says why and what to do, what cannot be read says so."""
    path = await connected(client)
    events = [signup_event(), signup_event(event_name="Club"), signup_event(custom_flags={})]
    pasted = ("sample", "pasted"), ("batch", json.dumps([batch_of(*events)]))
    shown = await client.post(f"{path}/Subscribe/preview", *SIGNUP_FIELDS, *pasted)
    assert outcome_of(shown)["properties"] == {"value": 4.5}
    assert "Event 2: Unsupported event would be dropped" in shown.text
    assert "How to fix it: Add a custom mapping to send it to TikTok." in shown.text
    assert "Event 3: Missing page URL would be dropped" in shown.text
    shown = await client.post(f"{path}/Subscribe/preview", *SIGNUP_FIELDS, pasted[0], ("batch", '{"events": ['))
    assert (
        shown.status == 200
        and "would be" not in shown.text
        and "Fix these settings to see the preview" not in shown.text
    )
    assert "This sample cannot be read" in shown.text
    shown = await client.post(f"{path}/Subscribe/preview", *SIGNUP_FIELDS, pasted[0], ("batch", " "))
    assert "Paste a batch of events" in shown.text


async def test_the_preview_says_what_an_unfinished_mapping_lacks(client: ConsoleClient) -> None:
    """Also when there is none yet."""
    path = await connected(client)
    shown = await client.post(f"{path}/Subscribe/preview", ("card", "m1"), ("m1.event_name", ""))
    assert "Fix these settings to see the preview: Event name is required" in shown.text
    shown = await client.post(f"{path}/Subscribe/preview", ("card", "m1"), ("m1.kept", "{"))
    assert "Fix these settings to see the preview: Kind of event must be one of" in shown.text
    shown = await client.post(f"{path}/Subscribe/preview")
    assert "Add a mapping, or paste a sample" in shown.text


async def test_kept_development_events_are_samples_and_say_what_would_change(client: ConsoleClient) -> None:
    """The raw input is the service's memory; the draft is tried on all of it."""
    path = await connected(client)
    await client.service.post(body=batch_of(signup_event(), environment="development"))
    await client.service.post(body=fresh_batch("e1", environment="development"))
    opened = await client.post(f"{path}/Subscribe/draft", *SIGNUP_FIELDS)
    option = re.search(r'<option value="(kept \w+)">Development event 2: custom event Newsletter Signup', opened.html)
    assert option is not None
    shown = await client.post(f"{path}/Subscribe/preview", *SIGNUP_FIELDS, ("sample", option[1]))
    assert outcome_of(shown)["properties"] == {"value": 4.5}
    assert "Of the last 2 events of mParticle's development environment, 1 would change" in shown.text
    assert "sent as: nothing → Subscribe" in shown.text


async def test_nothing_is_said_of_development_events_where_none_are_kept(tmp_path: Path) -> None:
    """As by default."""
    async with running_console(tmp_path) as client:
        path = await connected(client)
        await client.service.post(body=batch_of(signup_event(), environment="development"))
        shown = await client.post(f"{path}/Subscribe/preview", *SIGNUP_FIELDS)
        assert "Subscribe would be sent" in shown.text and "development environment" not in shown.text
