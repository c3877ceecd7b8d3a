"""The form of a connection's settings over HTTP: its questions, forwarding rules and sources, without scripts."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.console.console_client import ConsoleClient, fields_in, running_console
from tests.integration.service_rig import TOKEN, fresh_batch

pytestmark = pytest.mark.slow

NEW = {"name": "Shop", "pixel_id": "C9", "access_token": TOKEN}
ANSWERS = {"purchase_event": "Purchase", "consent": "none"}
RULE = {"name": "no staff", "action": "do_not_forward", "when": [{"user_attribute": "role", "is": ["staff"]}]}
HTMX = {"HX-Request": "true"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ConsoleClient]:
    """TikTok is out of reach."""
    async with running_console(tmp_path) as made:
        yield made


async def connection_of(client: ConsoleClient) -> dict[str, Any]:
    [connection] = await client.api("GET", "/api/connections")
    settings: dict[str, Any] = connection["settings"]
    return settings


async def added(client: ConsoleClient, **settings: Any) -> str:
    """The page of a connection with these settings."""
    made = await client.api("POST", "/api/connections", {**NEW, **settings})
    return f"/connections/{made['id']}"


async def test_a_new_connection_is_asked_for_purchase_event_and_consent(client: ConsoleClient) -> None:
    """Nothing is chosen beforehand, and each answer that lacks is one line, beside the problems of the API."""
    form = await client.get("/connections/new")
    assert " checked" not in form.html.split('id="decisions"')[1].split("</section>")[0]
    refused = await client.post("/connections/new", *fields_in(form.html, **{**NEW, "pixel_id": ""}))
    assert refused.status == 422 and await client.api("GET", "/api/connections") == []
    for line in (
        "Pixel ID : is required.",
        "Purchase event : choose the event that your pixel fires for a purchase.",
        "GDPR consent purpose : choose whether users must have consented to a purpose, or that none is required.",
    ):
        assert refused.text.count(line) == 1, line
    made = await client.post("/connections/new", *fields_in(refused.html, **NEW, **ANSWERS))
    assert made.status == 200
    assert (await connection_of(client))["purchase_event"] == "Purchase"


async def test_a_copy_has_the_answers_of_its_source(client: ConsoleClient) -> None:
    """Someone who duplicates a connection has answered already."""
    source = (await added(client, purchase_event="CompletePayment", consent_purpose=["Ads", "Measuring"])).split("/")[
        -1
    ]
    form = await client.get(f"/connections/new?from={source}")
    await client.post("/connections/new", *fields_in(form.html, name="Copy", access_token=TOKEN))
    copy = next(each["settings"] for each in await client.api("GET", "/api/connections") if each["id"] != source)
    assert (copy["name"], copy["purchase_event"], copy["consent_purpose"]) == (
        "Copy",
        "CompletePayment",
        ["Ads", "Measuring"],
    )


async def test_rules_are_made_and_moved_with_buttons_alone(client: ConsoleClient) -> None:
    """Without scripts each button loads the page with what was typed; nothing is saved until Save."""
    path = await added(client, forwarding_rules=[RULE])
    form = await client.get(f"{path}/edit")
    assert "Do not forward if the user attribute role is staff." in form.text
    form = await client.post(f"{path}/edit/draft", *fields_in(form.html), ("do", "add-rule"))
    form = await client.post(
        f"{path}/edit/draft",
        *fields_in(form.html, **{"rule1.name": "purchases only", "rule1.if0.values": "purchase"}),
        ("do", "rule-up 1"),
    )
    assert "Only forward if the event name is purchase." in form.text
    assert '<details class="topic" id="topic-events" open>' in form.html
    assert (await connection_of(client))["forwarding_rules"] == [RULE]
    saved = await client.post(f"{path}/edit", *fields_in(form.html))
    assert "Shop is saved." in saved.text
    first = {"name": "purchases only", "action": "only_forward", "when": [{"event_name": True, "is": ["purchase"]}]}
    assert (await connection_of(client))["forwarding_rules"] == [first, RULE]
    assert "no staff: do not forward if the user attribute role is staff" in saved.text


async def test_a_part_of_the_form_is_answered_to_htmx(client: ConsoleClient) -> None:
    """The page around it stays as it is, with the token that was typed and whatever is unfolded."""
    await client.get("/connections/new")
    part = await client.post("/connections/new/draft", ("do", "add-rule"), headers=HTMX)
    assert part.status == 200 and "<html" not in part.html
    assert 'id="rule0-name"' in part.html and "autofocus" in part.html


async def test_every_problem_of_a_rule_stands_beside_its_field(client: ConsoleClient) -> None:
    """All are shown at the same time, each with a link, and what was typed is kept."""
    path = await added(client)
    form = await client.get(f"{path}/edit")
    wrong = {
        "rule": "rule0",
        "rule0.name": "",
        "rule0.action": "only_forward",
        "rule0.if0.subject": "product",
        "rule0.if0.name": "price",
        "rule0.if0.test": "at_least",
        "rule0.if0.values": "much",
    }
    refused = await client.post(f"{path}/edit", *fields_in(form.html, **wrong, bots="perhaps"))
    assert refused.status == 422
    for anchor, line in (
        ("rule0-name", "Forwarding rule 1, name</a>: is required"),
        ("rule0-if0-values", "Forwarding rule 1, condition 1</a>: must be a number, not &#39;much&#39;."),
        ("in-bots", "Known crawlers</a>: must be one of warn, drop, ignore, not &#39;perhaps&#39;."),
    ):
        assert f'<a href="#{anchor}">{line}' in refused.html
        assert f'id="{anchor}"' in refused.html
    assert 'value="much"' in refused.html and refused.html.count("Must be a number, not") == 1


async def test_unsaved_rules_are_tried_with_a_batch(client: ConsoleClient) -> None:
    """Each rule says whether it holds and what its conditions found; an identity's value is not among it."""
    path = await added(client, forwarding_rules=[RULE])
    form = await client.get(f"{path}/edit")
    assert "no staff (Do Not Forward) does not hold" in form.text
    batch = fresh_batch("e1", user_attributes={"role": "Staff"}, user_identities={"email": "ada@example.com"})
    typed = {
        "rule0.if1.subject": "identity",
        "rule0.if1.name": "email",
        "rule0.if1.test": "exists",
        "batch": json.dumps(batch),
    }
    tried = await client.post(f"{path}/edit/draft", *fields_in(form.html, **typed), ("do", "try"))
    for words in (
        "The rule no staff says Do Not Forward.",
        "no staff (Do Not Forward) holds",
        "the user attribute role is staff: yes found: Staff",
        "there is an email address: yes found: one",
    ):
        assert words in tried.text
    assert (await connection_of(client))["forwarding_rules"] == [RULE]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"batch": "no JSON"}, "This batch cannot be read: the body is not JSON"),
        ({"batch": '{"events": []}'}, "This batch has no events."),
        ({"bots": "perhaps"}, "Fix the settings to try them: bots: must be one of"),
        ({"sample": "gone"}, "would be sent"),
        ({"consent": "purposes", "consent_purpose": "Ads", "environment": "production"}, "would be sent"),
    ],
)
async def test_a_trial_says_why_it_shows_nothing(client: ConsoleClient, fields: dict[str, str], words: str) -> None:
    """A batch or setting that cannot be used is one line; the generated purchase suits the settings."""
    path = await added(client)
    form = await client.get(f"{path}/edit")
    tried = await client.post(f"{path}/edit/draft", *fields_in(form.html, **fields), ("do", "try"), headers=HTMX)
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", tried.html.split('id="tried"')[1].split("</details>")[0]))
    assert words in shown.replace(" :", ":")


async def test_a_new_connection_is_tried_before_it_has_a_name(client: ConsoleClient) -> None:
    """Rules can be tried in any order of filling in the form."""
    form = await client.get("/connections/new")
    typed = {"rule": "rule0", "rule0.name": "none", "rule0.action": "do_not_forward", "rule0.if0.subject": "event_name"}
    values = {"rule0.if0.test": "is", "rule0.if0.values": "purchase"}
    tried = await client.post("/connections/new/draft", *fields_in(form.html, **typed, **values), ("do", "try"))
    assert "The rule none says Do Not Forward." in tried.text


async def test_a_kept_development_event_is_tried(tmp_path: Path) -> None:
    """An administrator need not paste what mParticle sent a moment ago."""
    async with running_console(tmp_path, development_events_kept=5) as client:
        path = await added(client, forwarding_rules=[RULE])
        batch = fresh_batch("e1", environment="development", user_attributes={"role": "staff"})
        await client.service.post(body=batch)
        form = await client.get(f"{path}/edit")
        found = re.search(r'<option value="(\w+)">Development event: commerce event purchase', form.html)
        assert found is not None
        tried = await client.post(f"{path}/edit/draft", *fields_in(form.html, sample=found[1]), ("do", "try"))
        assert "The rule no staff says Do Not Forward." in tried.text


async def test_the_event_id_is_taken_from_the_order_number(client: ConsoleClient) -> None:
    """A list begins with the default order, is changed, and can be given up again."""
    path = await added(client)
    form = await client.get(f"{path}/edit")
    assert "Default order: the event field source message ID, then the event field event ID." in form.text
    form = await client.post(f"{path}/edit/draft", *fields_in(form.html), ("do", "choose-sources event_id"))
    typed = {"source.event_id.0.value": "transaction_id", "source.event_id.1.kind": "flag"}
    form = await client.post(f"{path}/edit/draft", *fields_in(form.html, **typed))
    form = await client.post(
        f"{path}/edit/draft",
        *fields_in(form.html, **{"source.event_id.1.value": "TikTok.EventId"}),
        ("do", "source-up event_id 1"),
    )
    saved = await client.post(f"{path}/edit", *fields_in(form.html))
    order = [{"flag": "TikTok.EventId"}, {"field": "transaction_id"}]
    assert (await connection_of(client))["sources"] == {"event_id": order}
    assert "Event ID: the custom flag TikTok.EventId, then the event field transaction ID" in saved.text
    form = await client.get(f"{path}/edit")
    form = await client.post(f"{path}/edit/draft", *fields_in(form.html), ("do", "default-sources event_id"))
    await client.post(f"{path}/edit", *fields_in(form.html))
    assert "sources" not in await connection_of(client)


async def test_saving_an_untouched_form_changes_nothing(client: ConsoleClient) -> None:
    """Lists and choices keep the order in which they were written."""
    path = await added(
        client,
        forwarding_rules=[RULE],
        standard_events=["purchase", "add_to_cart"],
        omit=["value", "email"],
        extra_email_identity_types=["other", "yahoo"],
        consent_purpose="Ads",
        sources={"ttp": [{"flag": "ttp"}]},
    )
    form = await client.get(f"{path}/edit")
    assert "changed: Event filter, Forwarding rules" in form.text
    assert "Nothing changed." in (await client.post(f"{path}/edit", *fields_in(form.html))).text


async def test_an_event_filter_with_no_action_sends_no_standard_event(client: ConsoleClient) -> None:
    """All switches off is a setting, not the default."""
    path = await added(client)
    form = await client.get(f"{path}/edit")
    fields = [(name, value) for name, value in fields_in(form.html) if name != "standard_events"]
    saved = await client.post(f"{path}/edit", *fields)
    assert (await connection_of(client))["standard_events"] == [] and "Event filter none" in saved.text
