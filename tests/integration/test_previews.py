"""What a mapping's author is shown: previews, names seen, development events; by the API of a running service."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_rig import Service, fresh_batch, running_service
from tests.patience import wait_until
from tiktok_forwarder.web.in_process import asgi_call

pytestmark = pytest.mark.slow

SEARCH = {
    "event": "Search",
    "event_type": "custom_event",
    "event_name": "Site Search",
    "properties": {"query": {"attribute": "term", "required": True}},
}
EMAIL = "ada@example.com"


def searched(term: str, **members: Any) -> dict[str, Any]:
    """A batch with a search."""
    batch = fresh_batch("s1", **members)
    data = batch["events"][0]["data"]
    del data["product_action"]
    data |= {"event_name": "Site Search", "custom_attributes": {"term": term}}
    batch["events"][0]["event_type"] = "custom_event"
    return batch


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())


class Asked:
    def __init__(self, service: Service) -> None:
        self.service = service

    async def answer(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        content = json.dumps(body).encode() if body is not None else b""
        status, answer = await asgi_call(self.service.application.api, method, path, content)
        return status, json.loads(answer)

    async def done(self, method: str, path: str, body: object = None) -> Any:
        status, answer = await self.answer(method, path, body)
        assert status == 200, answer
        return answer


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Asked]:
    async with running_service(tmp_path, development_events_kept=3, log_level="error") as service:
        yield Asked(service)


async def test_a_draft_is_previewed_and_nothing_is_kept(asked: Asked) -> None:
    """What TikTok would get with its explanation, before and after the change; the store has heard of nothing."""
    await asked.service.add_connection("Shop")
    body: dict[str, Any] = {"connection": "Shop", "batches": searched("shoes")}
    (dropped,) = (await asked.done("POST", "/api/preview", body))["outcomes"]
    assert (dropped["outcome"], dropped["reason"]) == ("dropped", "unsupported_event")
    assert dropped["advice"]["setting"] == "custom_mappings"
    draft = {**body, "settings": {"custom_mappings": [SEARCH]}}
    (mapped,) = (await asked.done("POST", "/api/preview", draft))["outcomes"]
    assert (mapped["event"], mapped["payload"]["properties"]) == ("Search", {"search_string": "shoes"})
    explained = {each["field"]: each for each in mapped["explanation"]}
    assert explained["properties.search_string"]["sources"] == ["events[0].data.custom_attributes.term"]
    assert (await asked.done("GET", "/api/connections/Shop"))["settings"]["custom_mappings"] == []
    status = (await asked.done("GET", "/api/status"))["connections"][0]
    assert status["totals"] == {"dropped": 0}
    assert (await asked.done("GET", "/api/activity"))["records"] == []


async def test_a_preview_shows_which_rules_held_and_why(asked: Asked) -> None:
    """The rule of a drop, and what each condition found, before the rule is saved."""
    rule = {"name": "no staff", "action": "do_not_forward", "when": [{"user_attribute": "role", "is": ["staff"]}]}
    body = {"batches": fresh_batch("r1", user_attributes={"role": "Staff"}), "settings": {"forwarding_rules": [rule]}}
    (dropped,) = (await asked.done("POST", "/api/preview", body))["outcomes"]
    assert dropped["reason"] == "filtered_by_rule" and "no staff" in dropped["detail"]
    condition = {"subject": "user_attribute", "name": "role", "test": "is", "expected": ["staff"]}
    assert dropped["rules"] == [
        {
            "name": "no staff",
            "action": "do_not_forward",
            "held": True,
            "conditions": [{**condition, "found": ["Staff"], "held": True}],
        }
    ]


async def test_a_preview_takes_any_form_and_needs_no_connection(asked: Asked) -> None:
    """A list, a text that was pasted, lines of batches; the time of receipt may be given."""
    one = fresh_batch("e1")
    for batches in (one, [one, one], json.dumps(one), json.dumps(one) + "\n" + json.dumps(one)):
        outcomes = (await asked.done("POST", "/api/preview", {"batches": batches}))["outcomes"]
        assert [each["event"] for each in outcomes] in (["PlaceAnOrder"], ["PlaceAnOrder"] * 2)
    late = {"batches": one, "received_at_ms": 2_000_000_000_000}
    assert (await asked.done("POST", "/api/preview", late))["outcomes"][0]["reason"] == "event_too_old"


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"batches": "no json"}, 400, "not JSON"),
        ({"batches": ""}, 400, "the body is empty"),
        ({"batches": 7}, 400, "a number"),
        ({"batches": [{}] * 3, "connection": "nobody"}, 404, 'connection "nobody" not found'),
        ({"batches": {}, "settings": {"events_api": "3.0", "x": 1}}, 422, "events_api"),
        (
            {"batches": {}, "settings": {"custom_mappings": [{**SEARCH, "event": "purchase"}]}},
            422,
            "custom_mappings[0].event",
        ),
        ({"batches": {"events": [{}] * 201}}, 413, "more than 200 events"),
        ({}, 400, "batches"),
    ],
)
async def test_what_cannot_be_previewed_says_why(asked: Asked, body: Any, status: int, told: str) -> None:
    """As everywhere: one sentence for each problem."""
    answered, problems = await asked.answer("POST", "/api/preview", body)
    assert answered == status
    assert told in " ".join(each["message"] for each in problems["errors"])


async def test_names_are_seen_by_the_inputs_of_a_connection(asked: Asked) -> None:
    """Names only; of an input that does not feed the connection nothing."""
    application = asked.service.application
    await application.services.inputs.add(
        "other", key="key-of-another", secret=None, authorization=None, changed_by="test"
    )
    await asked.service.add_connection("All")
    await asked.service.add_connection("Other", inputs=["other"])
    await asked.service.post(body=searched("secret shoes", user_attributes={"tier": "secret"}))
    seen = await asked.done("GET", "/api/seen")
    assert [(each["event_name"], each["attributes"], each["user_attributes"]) for each in seen["events"]] == [
        ("Site Search", ["term"], ["tier"])
    ]
    assert "secret" not in json.dumps(seen)
    assert await asked.done("GET", "/api/seen?connection=All") == seen
    assert (await asked.done("GET", "/api/seen?connection=Other"))["events"] == []
    assert (await asked.answer("GET", "/api/seen?connection=nobody"))[0] == 404


async def test_development_events_are_kept_with_their_input(asked: Asked, tmp_path: Path) -> None:
    """The latest few of each connection, never of production; any erasure takes all of them away."""
    connection_id = await asked.service.add_connection("Shop")
    await asked.service.post(body=searched("production", environment="production"))
    for number in range(4):
        batch = searched(f"term {number}", environment="Development", user_identities={"email": f"{number}{EMAIL}"})
        await asked.service.post(body=batch)
    kept = await asked.done("GET", f"/api/development-events?connection={connection_id}")
    terms = [each["batch"]["events"][0]["data"]["custom_attributes"]["term"] for each in kept["events"]]
    assert (kept["limit"], terms) == (3, ["term 3", "term 2", "term 1"])
    assert kept["events"][0]["event_name"] == "Site Search"
    assert kept["events"][0]["outcomes"][0]["reason"] == "unsupported_event"
    await asked.done("POST", "/api/erase", {"email": f"2{EMAIL}"})
    assert (await asked.done("GET", "/api/development-events?connection=Shop"))["events"] == []
    assert EMAIL.encode() not in on_disk(tmp_path)


async def test_a_draft_is_compared_over_the_kept_events(asked: Asked) -> None:
    """How many would change, and in what; the connection is as before."""
    await asked.service.add_connection("Shop")
    await asked.service.post(body=searched("shoes", environment="development"))
    await asked.service.post(body=fresh_batch("e1", environment="development"))
    draft = {"connection": "Shop", "settings": {"custom_mappings": [SEARCH]}}
    found = await asked.done("POST", "/api/preview/development", draft)
    assert (found["kept"], found["unchanged"]) == (2, 1)
    (changed,) = found["changed"]
    assert changed["differences"][0] == "sent as: nothing → Search"
    assert 'properties.search_string: nothing → "shoes"' in changed["differences"]


async def test_without_the_setting_nothing_is_kept(tmp_path: Path) -> None:
    """And the comparison says what to turn on."""
    async with running_service(tmp_path, log_level="error") as service:
        asked = Asked(service)
        await service.add_connection("Shop")
        await service.post(body=searched("shoes", environment="development"))
        assert await asked.done("GET", "/api/development-events?connection=Shop") == {"limit": 0, "events": []}
        status, refused = await asked.answer("POST", "/api/preview/development", {"connection": "Shop", "settings": {}})
    assert status == 422
    assert refused["errors"][0]["message"].startswith("development_events_kept is 0")


async def test_an_events_way_is_explained_by_its_revision(asked: Asked) -> None:
    """By the settings it was mapped by, whatever they are now; a drop says what to change; news can be asked for."""
    connection_id = await asked.service.add_connection("Shop", custom_mappings=[SEARCH])
    await asked.service.post(body=searched("shoes"))
    await asked.done("PATCH", "/api/connections/Shop", {"settings": {"custom_mappings": []}})
    await asked.service.post(body=searched("boots"))

    async def both_kept() -> bool:
        outcomes = [each["outcome"] for each in (await asked.done("GET", "/api/activity"))["records"]]
        return {"accepted", "dropped"} <= set(outcomes)

    await wait_until(both_kept)
    way = await asked.done("GET", f"/api/activity/{connection_id}/Search/s1")
    accepted = next(each for each in way if each["outcome"] == "accepted")
    assert (accepted["connection_revision"], accepted["source"]) == (1, "custom_event Site Search")
    explained = {each["field"]: each["sources"] for each in accepted["explanation"]}
    assert explained["event"] == ["data.event_name", "connection.custom_mappings[0].event"]
    assert set(explained) >= {"event_id", "user.ip", "page.url", "properties.search_string"}
    (dropped,) = await asked.done("GET", f"/api/activity/{connection_id}/-/s1")
    assert dropped["advice"]["remedy"] == "Add a custom mapping to send it to TikTok."
    drops = "/api/activity?outcome=dropped"
    newest = (await asked.done("GET", drops))["records"][0]["record_no"]
    assert (await asked.done("GET", f"{drops}&after={newest}"))["records"] == []
    assert len((await asked.done("GET", f"{drops}&after={newest - 1}"))["records"]) == 1


async def test_all_advice_can_be_asked_for(asked: Asked) -> None:
    """By kind and reason."""
    advice = await asked.done("GET", "/api/advice")
    assert advice["dropped"]["missing_ip"]["setting"] == "require_ip_and_user_agent"
    assert set(advice) == {"dropped", "dead_letter", "warning"}
