"""The API over its two doors: the Unix socket of the data directory, and the port with a key."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import aiohttp
import pytest
from starlette.routing import Route
from yarl import URL

from tests.integration.service_rig import AUTHORIZATION, SECRET, TOKEN, Answer, Service, fresh_batch, running_service
from tiktok_forwarder.access.api_keys import Scope
from tiktok_forwarder.api.app import ENDPOINTS, build_api, caller_with_key, local_caller
from tiktok_forwarder.api.endpoint import BODY_SECONDS, AnyEndpoint
from tiktok_forwarder.api.services import Services
from tiktok_forwarder.web.guard import guarded
from tiktok_forwarder.web.in_process import asgi_call

OTHER_TOKEN = "another-access-token-9876543210"
DOCUMENT = "/api/openapi.json"
RANKS: dict[Scope, int] = {"metrics": 0, "read": 1, "operate": 2, "admin": 3}


def address_of(endpoint: AnyEndpoint) -> str:
    """The endpoint's path with names that nothing has."""
    return re.sub(r"\{\w+:int\}", "999", re.sub(r"\{\w+\}", "nobody", endpoint.path))


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


class Api:
    """The API of a running service, through either door."""

    def __init__(self, service: Service, socket: Path) -> None:
        self.service = service
        self._connector = aiohttp.UnixConnector(path=str(socket))
        self.socket = aiohttp.ClientSession(connector=self._connector)

    async def key(self, scope: Scope) -> str:
        return (await self.service.services.api_keys.make(f"key {scope}", scope, "test")).key

    async def by_socket(self, method: str, path: str, body: object = None) -> Answer:
        async with self.socket.request(method, f"http://localhost{path}", json=body) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def by_port(self, method: str, path: str, key: str | None, body: object = None) -> Answer:
        content = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json", **(bearer(key) if key is not None else {})}
        return await self.service.request(method, path, content, headers)

    async def done(self, method: str, path: str, body: object = None) -> Any:
        """The decoded answer to what must succeed, asked over the socket."""
        answer = await self.by_socket(method, path, body)
        assert answer.status < 300, answer.body
        return answer.json


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_service(tmp_path) as service:
        made = Api(service, tmp_path / "admin.sock")
        yield made
        await made.socket.close()


def messages(answer: Answer) -> list[str]:
    return [each["message"] for each in answer.json["errors"]]


# --- who may ---


async def test_every_endpoint_asks_for_its_scope(api: Api) -> None:
    """A key of a lesser scope is refused with both scopes named; one that suffices gets past the door."""
    for scope, rank in RANKS.items():
        key = await api.key(scope)
        for endpoint in ENDPOINTS:
            answer = await api.by_port(endpoint.method, address_of(endpoint), key, {})
            if rank >= RANKS[endpoint.scope]:
                assert answer.status not in (401, 403), endpoint.name
            else:
                assert answer.status == 403, endpoint.name
                assert messages(answer) == [f"scope {endpoint.scope} is required; the key has {scope}"]


def test_who_may_only_read_changes_nothing() -> None:
    """What changes anything needs more than the scope read; these are only told in their body what to show."""
    posts = [each.name for each in ENDPOINTS if each.scope == "read" and each.method != "GET"]
    assert posts == ["preview", "compare_with_pixel"]


async def test_no_endpoint_answers_without_a_key(api: Api) -> None:
    """Nor to a wrong key, a revoked one, or another scheme; the answer says how to authenticate."""
    revoked = await api.key("admin")
    await api.done("DELETE", "/api/keys/" + quote("key admin"))
    for method, path in [*((each.method, address_of(each)) for each in ENDPOINTS), ("GET", DOCUMENT)]:
        for key in (None, "", "tfk_wrong", revoked):
            answer = await api.by_port(method, path, key, {})
            assert answer.status == 401, (method, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.json["errors"][0]["code"] == "UNAUTHORIZED"
    answer = await api.service.request("GET", "/api/status", headers={"Authorization": f"Basic {revoked}"})
    assert answer.status == 401


async def test_whoever_opens_the_socket_may_do_everything(api: Api) -> None:
    """No endpoint asks for a key there."""
    for endpoint in ENDPOINTS:
        answer = await api.by_socket(endpoint.method, address_of(endpoint), {})
        assert answer.status not in (401, 403, 405), endpoint.name
    assert (await api.by_socket("GET", DOCUMENT)).status == 200


@pytest.mark.parametrize("client", [("203.0.113.9", 50000), ("2001:db8::1", 50000), ("testclient", 1), None])
async def test_another_machine_is_refused_whatever_its_key(api: Api, client: tuple[str, int] | None) -> None:
    """Keys travel in the clear without TLS, so only a proxy on this machine may bring them."""
    keys = api.service.services.api_keys
    app = build_api(api.service.services, caller_with_key(keys))
    authorization = (b"authorization", f"Bearer {await api.key('admin')}".encode())

    async def called_from(where: Any) -> tuple[int, bytes]:
        async def forged(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "client": where, "headers": [*scope["headers"], authorization]}, receive, send)

        return await asgi_call(forged, "GET", "/api/status", b"")

    status, body = await called_from(client)
    assert status == 403 and b"this machine only" in body
    assert (await called_from(("127.0.0.1", 50000)))[0] == 200
    assert (await called_from(("::1", 50000)))[0] == 200


# --- what it says of itself ---


async def test_the_document_lists_every_route(api: Api) -> None:
    """Each endpoint with its scope, and nothing that is not there."""
    assert (await api.by_port("GET", DOCUMENT, await api.key("metrics"))).status == 403
    document = (await api.by_port("GET", DOCUMENT, await api.key("read"))).json
    listed = {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert listed.keys() == {(each.method, each.path.replace(":int", "")) for each in ENDPOINTS}
    for endpoint in ENDPOINTS:
        operation = listed[endpoint.method, endpoint.path.replace(":int", "")]
        assert operation["operationId"] == endpoint.name and endpoint.scope in operation["description"]
    routes = {route.path for route in api.service.application.api.routes if isinstance(route, Route)}
    assert routes == {*document["paths"], DOCUMENT}


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/api/nothing", 404, "path not found"),
        ("GET", "/api/connections/", 404, "path not found"),
        ("GET", "/api/connections/nobody", 404, 'connection "nobody" not found'),
        ("DELETE", "/api/status", 405, "method not allowed"),
        ("GET", "/api/dead-letters/x", 404, "dead letter x not found"),
        ("GET", "/api/dead-letters/" + "9" * 5000, 404, "dead letter 999"),
        ("GET", "/api/dead-letters?limit=0", 400, "limit"),
        ("GET", "/api/dead-letters?color=red", 400, "color"),
        ("GET", "/api/dead-letters?after=" + "9" * 5000, 400, "after"),
        ("POST", "/api/connections", 415, "application/json"),
    ],
)
async def test_what_cannot_be_answered_is_told_in_words(
    api: Api, method: str, path: str, status: int, words: str
) -> None:
    """One message that says what is wrong, in JSON."""
    answer = await api.by_socket(method, path)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    assert len(messages(answer)) == 1 and words in messages(answer)[0]
    if status == 405:
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"name": NaN}', b"\xff", b"[" * 100_000, b'{"name": 1, "x": 2}'])
async def test_a_body_that_cannot_be_read_is_told(api: Api, body: bytes) -> None:
    """Nothing is changed by it."""
    for path in ("/api/inputs", "/api/connections/import", "/api/dead-letters/discard"):
        async with api.socket.post(
            f"http://localhost{path}", data=body, headers={"Content-Type": "application/json"}
        ) as answer:
            assert answer.status == 400
            assert "invalid body" in (await answer.json())["errors"][0]["message"]
    assert len(await api.done("GET", "/api/inputs")) == 1


async def test_a_body_that_is_no_json_or_too_large_is_refused(api: Api) -> None:
    """A form of a web page is no request of ours, and nothing beyond 4 MiB is kept."""
    url = "http://localhost/api/inputs"
    async with api.socket.post(url, data={"name": "x"}) as answer:
        assert answer.status == 415
    large = io.BytesIO(b" " * 5 * 1024 * 1024)
    async with api.socket.post(url, data=large, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 413


async def test_body_that_does_not_end_is_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that stops in the middle is answered 408; it has 10 seconds, here a tenth of one."""
    assert BODY_SECONDS == 10

    async def half() -> AsyncIterator[bytes]:
        yield b"{"
        await released.wait()

    released = asyncio.Event()
    monkeypatch.setattr("tiktok_forwarder.api.endpoint.BODY_SECONDS", 0.1)
    url, headers = "http://localhost/api/inputs", {"Content-Type": "application/json"}
    async with api.socket.post(url, data=half(), headers=headers) as answer:
        assert answer.status == 408
        assert "did not arrive" in (await answer.json())["errors"][0]["message"]
    released.set()


async def test_head_is_answered_like_get_without_a_body(api: Api) -> None:
    """For whoever only wants to know whether something is there."""
    await api.service.add_connection("Shop")
    for path, status in (("/api/connections/shop", 200), ("/api/connections/nobody", 404)):
        got, head = await api.by_socket("GET", path), await api.by_socket("HEAD", path)
        assert (head.status, head.body) == (status, b"")
        assert head.headers["Content-Length"] == got.headers["Content-Length"] == str(len(got.body))


async def test_a_store_that_cannot_be_used_is_told_as_such(api: Api) -> None:
    """503 with a code for programs: the same request may succeed later."""
    await api.service.services.store.close()
    answer = await api.by_socket("GET", "/api/status")
    assert answer.status == 503 and answer.json["errors"][0]["code"] == "UNAVAILABLE"


async def test_a_fault_of_the_program_is_answered_once_and_reported() -> None:
    """The answer says nothing of the fault; whoever keeps the log is told of it."""
    faults: list[Exception] = []

    class Observer:
        def on_internal_error(self, error: Exception) -> None:
            faults.append(error)

    app = guarded(build_api(cast(Services, None), local_caller), Observer())
    status, body = await asgi_call(app, "GET", "/api/status", b"")
    assert status == 500 and json.loads(body)["errors"][0]["code"] == "INTERNAL"
    assert [type(fault) for fault in faults] == [AttributeError]
    assert b"NoneType" not in body


# --- what it does ---


@pytest.mark.parametrize("name", ["Shoes/50 %", "a?b#c", "../keys", "ü ß", "%2F", "import", "null"])
async def test_any_name_can_be_addressed(api: Api, name: str) -> None:
    """By its percent-encoded form, over the socket as over the port, and in-process."""
    key = await api.key("admin")
    await api.done("POST", "/api/connections", {"name": name, "pixel_id": "P", "access_token": TOKEN})
    path = f"/api/connections/{quote(name, safe='')}"
    status, content = await asgi_call(api.service.application.api, "GET", path, b"")
    assert (status, json.loads(content)["settings"]["name"]) == (200, name)
    async with api.service.client.get(URL(api.service.url + path, encoded=True), headers=bearer(key)) as answer:
        assert (await answer.json())["settings"]["name"] == name


async def test_a_connection_is_changed_upon_its_revision(api: Api) -> None:
    """Whoever changes what another has changed since is told; the history names both."""
    await api.service.add_connection("Shop")
    key = await api.key("admin")
    change = {"settings": {"platforms": "any"}, "expected_revision": 1}
    answer = await api.by_port("PATCH", "/api/connections/Shop", key, change)
    assert (answer.status, answer.json["revision"], answer.json["settings"]["platforms"]) == (200, 2, "any")
    answer = await api.by_socket("PATCH", "/api/connections/shop", {**change, "settings": {"platforms": "web"}})
    assert answer.status == 409 and "revision 2, not 1" in messages(answer)[0]
    await api.done("PATCH", "/api/connections/shop", {"settings": {"platforms": None}})
    history = await api.done("GET", "/api/connections/shop/history")
    assert [each["changed_by"] for each in history] == ["test", "API key key admin", "command line"]


async def test_an_import_with_wrong_ones_changes_nothing_and_names_them_all(api: Api) -> None:
    """Ten connections, three of them wrong: one answer with a problem of each."""
    given: list[dict[str, Any]] = [
        {"name": f"shop {number}", "pixel_id": "P", "access_token": TOKEN} for number in range(10)
    ]
    given[1]["platforms"] = "tv"
    given[4]["inputs"] = ["nobody"]
    del given[8]["pixel_id"]
    for dry_run in (True, False):
        answer = await api.by_socket("POST", "/api/connections/import", {"connections": given, "dry_run": dry_run})
        assert answer.status == 422
        assert [message.partition(":")[0] for message in messages(answer)] == [
            "connections[1] shop 1",
            "connections[4] shop 4",
            "connections[8] shop 8",
        ]
    assert await api.done("GET", "/api/connections") == []


async def test_recorded_batches_can_be_taken_for_one_connection_only(api: Api) -> None:
    """The other connections that the input feeds get nothing; one that it does not feed is refused."""
    for name in ("Shop", "Other"):
        await api.service.add_connection(name)
    await api.done("POST", "/api/inputs", {"name": "app"})
    await api.service.add_connection("App", inputs=["app"])
    receipt = await api.done("POST", "/api/inputs/shop/import?connection=Shop", fresh_batch("one", "two"))
    assert receipt == {"stored": 2, "duplicates": 0, "connection_full": 0, "recorded": 0, "dropped": 0}
    status = await api.service.status()
    assert {each["name"]: each["totals"].get("accepted", 0) for each in status["connections"]} == {
        "Shop": 2,
        "Other": 0,
        "App": 0,
    }
    refused = await api.by_socket("POST", "/api/inputs/shop/import?connection=App", fresh_batch("three"))
    assert (refused.status, messages(refused)) == (422, ['inputs: connection "App" does not use input "shop"'])
    missing = await api.by_socket("POST", "/api/inputs/shop/import?connection=Nobody", fresh_batch("three"))
    assert (missing.status, messages(missing)) == (404, ['connection "Nobody" not found'])


async def test_dead_letters_are_summed_up_and_a_replay_is_followed(api: Api) -> None:
    """How many there are by connection and reason, and then how far the replay of all of them has come."""
    connection_id = await api.service.add_connection("Shop")
    await api.done("POST", "/api/connections/Shop/pause", {"reason": "moving"})
    await api.service.post(body=fresh_batch("e1", "e2"))
    await api.service.services.store.dead_letter_all(connection_id, "refused", 17)
    (counted,) = await api.done("GET", "/api/dead-letters/summary")
    assert (counted["connection_id"], counted["connection"]) == (connection_id, "Shop")
    assert (counted["reason"], counted["count"], counted["oldest_ms"], counted["newest_ms"]) == ("refused", 2, 17, 17)
    replayed = await api.done("POST", "/api/dead-letters/replay", {"connection": "Shop"})
    progress = await api.done("GET", f"/api/dead-letters/replays/{replayed['replay_no']}")
    assert {name: progress[name] for name in ("events", "delivered", "waiting", "dead_letters")} == {
        "events": 2,
        "delivered": 0,
        "waiting": 2,
        "dead_letters": 0,
    }
    assert await api.done("GET", "/api/dead-letters/summary") == []


async def test_a_deleted_connection_leaves_dead_letters(api: Api) -> None:
    """While the service runs, what waited is listed and shown under the id; it can be discarded, but not replayed."""
    connection_id = await api.service.add_connection("Shop")
    await api.done("POST", "/api/connections/Shop/pause", {"reason": "moving"})
    await api.service.post(body=fresh_batch("e1", "e2"))
    removed = await api.done("DELETE", "/api/connections/shop")
    assert removed == {"id": connection_id, "name": "Shop", "dead_lettered": 2}
    letters = await api.done("GET", f"/api/dead-letters?connection={connection_id}&reason=connection_deleted&limit=1")
    assert [each["event_id"] for each in letters] == ["e1"]
    shown = await api.done("GET", f"/api/dead-letters/{letters[0]['event_no']}")
    assert shown["letter"] == letters[0] and shown["payload"]["event_id"] == "e1"
    replayed = await api.done("POST", "/api/dead-letters/replay", {})
    assert replayed["count"] == 0 and "2 belong to deleted connections" in replayed["warning"]
    foreseen = await api.done("POST", "/api/dead-letters/discard", {"connection": connection_id, "dry_run": True})
    assert (foreseen["count"], foreseen["dry_run"]) == (2, True)
    discarded = await api.done("POST", "/api/dead-letters/discard", {"connection": connection_id})
    assert (discarded["count"], discarded["dry_run"]) == (2, False)
    assert await api.done("GET", "/api/dead-letters") == []
    assert (await api.done("GET", "/api/status"))["connections"] == []


async def test_no_secret_is_in_any_answer_or_log(api: Api, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Secrets are shown once, when they are made; nothing else that is said holds one, mistakes included."""
    new_input = await api.done("POST", "/api/inputs", {"name": "web"})
    rotated = await api.done("POST", "/api/inputs/web/rotate", {})
    key = (await api.done("POST", "/api/keys", {"name": "console", "scope": "admin"}))["key"]
    connection = {"name": "Shop", "pixel_id": "P", "access_token": TOKEN}
    said: list[Answer] = [await api.by_socket("POST", "/api/connections", connection)]
    for method, path, body in _conversation(connection):
        said += [await api.by_socket(method, path, body), await api.by_port(method, path, key, body)]
    assert {answer.status for answer in said} >= {200, 201, 400, 404, 422}
    said.append(await api.service.request("GET", "/metrics"))
    output = capfd.readouterr()
    everything = b"".join(answer.body for answer in said) + (output.out + output.err).encode()
    secrets = [TOKEN, OTHER_TOKEN, SECRET, AUTHORIZATION, key]
    secrets += [each[member] for each in (new_input, rotated) for member in ("secret", "authorization")]
    on_disk = _files(tmp_path)
    for secret in secrets:
        assert secret.encode() not in everything
        assert secret.encode() not in on_disk


def _conversation(connection: dict[str, str]) -> Sequence[tuple[str, str, object]]:
    """All that can be asked about secrets, and the ways to give one wrongly."""
    one = "/api/connections/Shop"
    return [
        ("GET", "/api/connections", None),
        ("GET", one, None),
        ("PATCH", one, {"settings": {"access_token": OTHER_TOKEN}}),
        ("PATCH", one, {"settings": {"access_token": [TOKEN]}}),
        ("PATCH", one, {"settings": {"access_token": f"{TOKEN} {OTHER_TOKEN}"}}),
        ("PATCH", one, {"settings": {"acces_token": TOKEN}}),
        ("PATCH", one, {"setting": {"access_token": TOKEN}}),
        ("PATCH", "/api/connections/nobody", {"settings": {"access_token": TOKEN}}),
        ("POST", "/api/connections", connection),
        ("POST", "/api/connections/import", {"connections": [connection], "dry_run": True}),
        ("POST", "/api/connections/import", {"connections": [{**connection, "platforms": "tv"}]}),
        ("POST", f"{one}/check", None),
        ("GET", f"{one}/history", None),
        ("GET", "/api/inputs", None),
        ("POST", "/api/inputs/web/rotate", {"secret": SECRET, "authorization": f" {AUTHORIZATION} "}),
        ("POST", "/api/inputs/web/retire", None),
        ("GET", "/api/keys", None),
        ("GET", "/api/status", None),
        ("GET", DOCUMENT, None),
    ]


def _files(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())
