"""The routes for other processes, and the page for people."""

import html
import json
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.integration.sandbox_client import SandboxClient, sandbox_client
from tests.unit.tiktok_sandbox.requests import EVENT_TRACK, event_2_0, event_track
from tiktok_sandbox import SandboxOptions


async def _post_script(client: SandboxClient, script: Any, content_type: str = "application/json") -> tuple[int, str]:
    content = script if isinstance(script, str) else json.dumps(script)
    async with client.session.post(
        client.sandbox.url + "/sandbox/script", data=content, headers={"Content-Type": content_type}
    ) as answer:
        return answer.status, await answer.text()


async def _delete(client: SandboxClient, path: str) -> int:
    async with client.session.delete(client.sandbox.url + path) as answer:
        return answer.status


async def test_events_can_be_asked_for_and_filtered() -> None:
    """With their payloads as JSON, by pixel, name, id, duplicate and limit."""
    async with sandbox_client() as client:
        await client.send_events("a", "b")
        await client.send_events("a", pixel="Q")
        await client.post(EVENT_TRACK, event_track(event_2_0(event_id="a", user__ttclid="odd"), pixel="P"))
        everything = (await client.get("/sandbox/events"))["events"]
        assert [event["number"] for event in everything] == [1, 2, 3, 4]
        assert everything[0]["payload"] == event_2_0(event_id="a")
        assert everything[3]["duplicate"] is True
        assert everything[3]["warnings"][0]["rule"] == 38

        async def numbers(query: str) -> list[int]:
            return [event["number"] for event in (await client.get(f"/sandbox/events?{query}"))["events"]]

        assert await numbers("event_source_id=Q") == [3]
        assert await numbers("event_id=a&limit=2") == [3, 4]
        assert await numbers("duplicates=true") == [4]
        assert await numbers("duplicates=false&event=Purchase&event_source_id=P") == [1, 2]


@pytest.mark.parametrize("query", ["limit=many", "limit=-1", "duplicates=perhaps", "pixel=P"])
async def test_a_filter_that_makes_no_sense_is_refused(query: str) -> None:
    """With a word about it."""
    async with (
        sandbox_client() as client,
        client.session.get(f"{client.sandbox.url}/sandbox/events?{query}") as answer,
    ):
        assert answer.status == 400
        assert query.partition("=")[0] in await answer.text()


async def test_requests_counts_and_faults_can_be_asked_for() -> None:
    """What the Python API tells, as JSON, without the access token."""
    async with sandbox_client(SandboxOptions(watch_repeats=True)) as client:
        await client.send_events("a", "b")
        await client.send_events("a")
        requests = (await client.get("/sandbox/requests?limit=1"))["requests"]
        assert [(each["number"], each["events"], each["code"], each["status"]) for each in requests] == [(2, 1, 0, 200)]
        assert requests[0]["token"].startswith("sha256:")
        counts = await client.get("/sandbox/counts")
        assert (counts["requests"], counts["events"], counts["delivered"], counts["duplicates"]) == (2, 3, 2, 1)
        assert counts["requests_by_code"] == {"0": 2}
        assert counts["by_pixel"]["P"]["delivered"] == 2
        assert await client.get("/sandbox/faults") == {"faults": ["event a was sent again after its final answer 0"]}


async def test_events_can_be_forgotten() -> None:
    """All of them, and then nothing is a duplicate."""
    async with sandbox_client() as client:
        await client.send_events("a")
        assert await _delete(client, "/sandbox/events") == 204
        assert (await client.get("/sandbox/counts"))["events"] == 0
        await client.send_events("a")
        assert (await client.get("/sandbox/counts"))["duplicates"] == 0


async def test_a_script_is_set_shown_and_cleared() -> None:
    """It is added to what is there, and shows what remains."""
    script = {
        "requests": [{"do": "code", "code": 50000}],
        "events": {"a": [{"do": "code", "code": 40100, "times": None}]},
        "poison": {"x": {}},
    }
    async with sandbox_client() as client:
        assert await _post_script(client, script) == (204, "")
        assert await _post_script(client, {"requests": [{"do": "code", "code": 50002}]}) == (204, "")
        sent = [await client.send_events(event_id) for event_id in ("b", "b", "a", "a", "x", "b")]
        assert sent == [50000, 50002, 40100, 40100, 40002, 0]
        remaining = await client.get("/sandbox/script")
        assert remaining["requests"] == []
        assert [(step["do"], step["code"]) for step in remaining["events"]["a"]] == [("code", 40100)]
        assert await _delete(client, "/sandbox/script") == 204
        assert [await client.send_events(event_id) for event_id in ("a", "x")] == [0, 0]


@pytest.mark.parametrize(
    ("script", "content_type", "status", "word"),
    [
        ("{", "application/json", 400, "truncated"),
        ({"requests": [{"do": "dance"}]}, "application/json", 400, "dance"),
        ({"events": {"a": [{"do": "reset", "when": "before_body"}]}}, "application/json", 400, "before the body"),
        ({"requests": []}, "text/plain", 415, "application/json"),
    ],
)
async def test_a_script_that_cannot_be_followed_is_refused(
    script: Any, content_type: str, status: int, word: str
) -> None:
    """With what is wrong with it, and nothing of it is kept."""
    async with sandbox_client() as client:
        answered, text = await _post_script(client, script, content_type)
        assert answered == status
        assert word in text
        assert await client.send_events("a") == 0


class _Elements(HTMLParser):
    """Every element of a page with its attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


async def _page(client: SandboxClient) -> tuple[str, dict[str, str]]:
    async with client.session.get(client.sandbox.url + "/") as answer:
        assert answer.status == 200
        return await answer.text(), dict(answer.headers)


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


async def test_the_page_escapes_all_text_of_events() -> None:
    """Wherever it stands: in names, ids, pixels, payloads, warnings and messages."""
    async with sandbox_client() as client:
        hostile = event_2_0(event=HOSTILE, event_id=HOSTILE, **{HOSTILE: HOSTILE}, user__ttclid=HOSTILE)
        await client.post(EVENT_TRACK, event_track(hostile, pixel=HOSTILE))
        client.sandbox.script.poison("p", message=HOSTILE)
        await client.send_events("p")
        page, _ = await _page(client)
        assert HOSTILE not in page
        assert page.count(html.escape(HOSTILE)) >= 4
        elements = _Elements(page).elements
        assert "img" not in {tag for tag, _ in elements}
        assert [attributes for tag, attributes in elements if tag == "script"] == [
            {"src": "/sandbox/page.js", "defer": None}
        ]
        assert not [name for _, attributes in elements for name in attributes if name.startswith("on")]


async def test_the_page_shows_what_arrived() -> None:
    """Newest first: name, id, pixel, code, warnings, payload; and the errors of the client."""
    async with sandbox_client(SandboxOptions(watch_repeats=True)) as client:
        page, _ = await _page(client)
        assert "No events received yet." in page
        await client.send_events("first")
        await client.send_events("first", "second")
        await client.post(EVENT_TRACK, event_track(event_2_0(event_id="third", user__ttclid="odd"), pixel="PX"))
        page, _ = await _page(client)
        text = "\n".join(_Elements(page).texts)
        assert text.index("third") < text.index("second")
        for words in ("Purchase", "PX", "duplicate", "1 warning", "does not start with E.C.P", '"ttclid": "odd"'):
            assert words in text
        assert "event first was sent again after its final answer 0" in text


async def test_the_page_loads_nothing_from_elsewhere_and_runs_no_inline_script() -> None:
    """The policy forbids both, and its own two files are there."""
    async with sandbox_client() as client:
        _, headers = await _page(client)
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'; script-src 'self';")
        for name, kind in (("page.css", "text/css"), ("page.js", "text/javascript")):
            async with client.session.get(f"{client.sandbox.url}/sandbox/{name}") as answer:
                assert (answer.status, answer.content_type) == (200, kind)
