"""The pages of dead letters over HTTP: looked at, sent again, let go."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.console.rig_activity import Reader, links_in, reading
from tests.integration.service_rig import fresh_batch
from tests.patience import wait_until
from tiktok_forwarder.activity.records import RecordFilter
from tiktok_forwarder.domain.outcome import DeadLetterReason
from tiktok_forwarder.mapping.explanation.advice import ADVICE_ON_DEAD_LETTERS
from tiktok_sandbox import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    """TikTok is out of reach."""
    async with reading(tmp_path) as made:
        yield made


async def buried(reader: Reader, connection: str, *event_ids: str, reason: DeadLetterReason = "refused") -> str:
    """Events of a paused connection, given up on; its id."""
    found = reader.service.services.connections.find(connection)
    connection_id = found.id if found is not None else await reader.service.add_connection(connection)
    await reader.api("POST", f"/api/connections/{connection_id}/pause", {"reason": "for the test"})
    await reader.service.post(body=fresh_batch(*event_ids))
    await reader.service.services.store.dead_letter_all(connection_id, reason, 1_735_689_600_000)
    return connection_id


async def letters(reader: Reader) -> list[str]:
    """The event ids of the dead letters there are."""
    return [each["event_id"] for each in await reader.api("GET", "/api/dead-letters")]


async def test_they_are_summed_up_by_connection_and_reason(reader: Reader) -> None:
    """With what each reason means; a page of one connection says when others have some."""
    assert "No dead letters" in (await reader.get("/dead-letters")).text
    connection_id = await buried(reader, "Shop", "e1", "e2")
    await buried(reader, "Shop", "e3", reason="retries_exhausted")
    shown = await reader.get("/dead-letters")
    assert "Shop 3 dead letters" in shown.text
    assert "Refused: 2" in shown.text and "Retries exhausted: 1" in shown.text
    for reason in ("refused", "retries_exhausted"):
        assert ADVICE_ON_DEAD_LETTERS[reason].meaning in shown.text
        assert f"/dead-letters/list?connection={connection_id}&reason={reason}" in links_in(shown.html)
    assert "Refused: 2" in (await reader.get("/dead-letters?connection=Shop")).text
    assert "No dead letters of this connection" in (await reader.get("/dead-letters?connection=Other")).text


async def test_the_list_has_pages(reader: Reader) -> None:
    """Of fifty; every letter once."""
    await buried(reader, "Shop", *(f"e{number}" for number in range(120)))
    found: list[str] = []
    path = "/dead-letters/list?connection=Shop&reason=refused"
    while path:
        shown = await reader.get(path)
        found += [each for each in shown.text.split() if each[:1] == "e" and each[1:].isdigit()]
        path = next((each for each in links_in(shown.html) if "after=" in each), "")
    assert found == [f"e{number}" for number in range(120)]


@pytest.mark.parametrize(("reason", "filled"), [("refused", "Discard"), ("retries_exhausted", "Replay")])
async def test_filled_button_is_the_one_that_helps(reader: Reader, reason: DeadLetterReason, filled: str) -> None:
    """A replay sends the same bytes, which TikTok has refused: there, discarding is the way out."""
    connection_id = await buried(reader, "Shop", "e1", reason=reason)
    button = re.compile(r'role="button" class="small( plain)?" href="[^"]+">(Replay|Discard)')
    for page in ("/dead-letters", f"/dead-letters/list?connection={connection_id}&reason={reason}"):
        found = button.findall(re.sub("&amp;", "&", (await reader.get(page)).html))
        assert [name for plain, name in found if not plain] == [filled], page
        assert len(found) == 2


async def test_one_letter_tells_why_and_shows_its_fields(tmp_path: Path) -> None:
    """TikTok's answer in its words and in plain ones, the times, and the fields as they were to be sent."""
    async with Sandbox() as sandbox, reading(tmp_path, sandbox.url) as reader:
        await reader.service.add_connection("Shop")
        sandbox.script.poison("bad")
        await reader.service.post(body=fresh_batch("bad"))

        async def refused() -> bool:
            return await letters(reader) == ["bad"]

        await wait_until(refused)
        [letter] = await reader.api("GET", "/api/dead-letters")
        shown = await reader.get(f"/dead-letters/{letter['event_no']}")
        assert (await reader.get("/dead-letters/999999")).status == 404
    assert "PlaceAnOrder: Refused" in shown.text and letter["answer"]["message"] in shown.text
    assert "A parameter is wrong." in shown.text and "properties.value 12.5" in shown.text
    assert ADVICE_ON_DEAD_LETTERS["refused"].remedy in shown.text and "stripped, SHA-256" in shown.text


ONE_PLACE = "properties.value 12.5 data.product_action.total_amount as a number"
EVERY_PLACE = "properties.value 12.5 data.product_action.total_amount the sum of the products"


async def test_dead_letter_names_chosen_sources_while_its_record_is_kept(reader: Reader) -> None:
    """With the event's record in the activity its own sources are shown, without it all that are possible."""
    await buried(reader, "Shop", "e1")
    [letter] = await reader.api("GET", "/api/dead-letters")
    activity = reader.service.services.activity

    async def kept() -> bool:
        return bool(await activity.recent(RecordFilter(outcome="accepted")))

    await wait_until(kept)
    page = f"/dead-letters/{letter['event_no']}"
    assert ONE_PLACE in (await reader.get(page)).text
    [accepted] = await activity.recent(RecordFilter(outcome="accepted"))
    await activity.erase(accepted.record.subjects)
    shown = (await reader.get(page)).text
    assert EVERY_PLACE in shown and "as a number; or the sum of the products" in shown


async def test_dead_letter_is_shown_without_the_activity(reader: Reader) -> None:
    """The activity is no part of the promise: where it cannot be read, a dead letter still can."""
    await buried(reader, "Shop", "e1")
    [letter] = await reader.api("GET", "/api/dead-letters")
    await reader.service.services.activity.close()
    shown = await reader.get(f"/dead-letters/{letter['event_no']}")
    assert shown.status == 200 and EVERY_PLACE in shown.text


async def test_a_replay_is_previewed_confirmed_and_followed(tmp_path: Path) -> None:
    """The question changes nothing; the answer sends what was chosen and leads to how far it has come."""
    async with Sandbox() as sandbox, reading(tmp_path, sandbox.url) as reader:
        await buried(reader, "Shop", "e1", "e2")
        await buried(reader, "Shop", "e3", reason="retries_exhausted")
        asked = await reader.get("/dead-letters/replay?connection=Shop&reason=refused")
        assert "Replay 2 dead letters?" in asked.text and "Refused: 2" in asked.text
        assert "Shop is paused: replayed events wait until it delivers again." in asked.text
        assert len(await letters(reader)) == 3
        done = await reader.post("/dead-letters/replay", ("connection", "Shop"), ("reason", "refused"))
        assert done.path.startswith("/dead-letters/replays/") and "2 dead letters" in done.text
        assert "2 of 2 waiting." in done.text and f'hx-get="{done.path}"' in done.html
        assert await letters(reader) == ["e3"]
        await reader.api("POST", "/api/connections/Shop/resume")
        await reader.service.until_delivered(sandbox, 2)
        part = await reader.get(done.path, **{"HX-Request": "true"})
    assert "Replay finished. No event is waiting and none became a dead letter again." in part.html
    assert "hx-get" not in part.html and "<html" not in part.html


async def test_all_of_a_connection_or_one_letter_are_discarded(reader: Reader) -> None:
    """Each after a question that says how many; what another page took away meanwhile is nothing any more."""
    await buried(reader, "Shop", "e1", "e2", "e3")
    [first, *_] = await reader.api("GET", "/api/dead-letters")
    asked = await reader.get(f"/dead-letters/discard?event_no={first['event_no']}")
    assert "Discard 1 dead letter?" in asked.text and "permanently deleted" in asked.text
    done = await reader.post("/dead-letters/discard", ("event_no", str(first["event_no"])))
    assert done.path == "/dead-letters" and "Discarded: 1 dead letter." in done.text
    assert await letters(reader) == ["e2", "e3"]
    assert (
        "None of these dead letters are left."
        in (await reader.get(f"/dead-letters/discard?event_no={first['event_no']}")).text
    )
    done = await reader.post("/dead-letters/discard", ("connection", "Shop"))
    assert "Discarded: 2 dead letters." in done.text and await letters(reader) == []
    done = await reader.post("/dead-letters/replay", ("connection", "Shop"))
    assert done.path == "/dead-letters" and "Nothing was replayed" in done.text


@pytest.mark.parametrize("fields", [(), (("connection", ""), ("reason", ""), ("event_no", ""))])
async def test_no_form_touches_every_dead_letter_there_is(reader: Reader, fields: tuple[tuple[str, str], ...]) -> None:
    """A form that lost its fields chooses nothing, and not everything."""
    await buried(reader, "Shop", "e1")
    for action in ("replay", "discard"):
        refused = await reader.post(f"/dead-letters/{action}", *fields)
        assert refused.status == 400 and "Choose a connection, a reason or one dead letter" in refused.text
        assert (await reader.get(f"/dead-letters/{action}")).status == 400
    assert await letters(reader) == ["e1"]


async def test_a_number_that_is_none_is_refused_in_a_sentence(reader: Reader) -> None:
    """Typed into an address by hand."""
    refused = await reader.get("/dead-letters/replay?event_no=x1")
    assert refused.status == 400 and "event_nos" in refused.text


async def test_old_letters_and_those_of_deleted_connections_are_pointed_out(reader: Reader) -> None:
    """Before a replay: TikTok may count the old ones twice, and nobody delivers those of a deleted connection."""
    connection_id = await buried(reader, "Shop", "e1")
    await reader.api("DELETE", f"/api/connections/{connection_id}")
    shown = await reader.get("/dead-letters")
    assert "This connection was deleted" in shown.text and "Replay" not in shown.text
    asked = await reader.get(f"/dead-letters/replay?connection={connection_id}")
    assert "1 belong to deleted connections" in asked.text
    [letter] = await reader.api("GET", "/api/dead-letters")
    told = await reader.get(f"/dead-letters/{letter['event_no']}")
    assert "Its connection was deleted, so it cannot be replayed." in told.text and "Replay…" not in told.text
