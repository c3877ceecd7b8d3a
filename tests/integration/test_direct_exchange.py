"""The same raw bytes to the senders' routes, without ASGI and through uvicorn's own cycle: the same answers."""

import asyncio
import contextlib
import gzip
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.integration.http_rig import Client, Recorder
from tests.integration.service_rig import AUTHORIZATION, BASIC, KEY, SECRET
from tests.patience import wait_until
from tests.unit.mapping.batches import batch_of, purchase
from tests.unit.parts import Parts
from tiktok_forwarder.intake.ingest import Ingest
from tiktok_forwarder.otlp.recording import Recorder as TraceRecorder
from tiktok_forwarder.otlp.recording import Trace
from tiktok_forwarder.otlp.tracing import Tracing
from tiktok_forwarder.web.asgi import Receive, Scope, Send
from tiktok_forwarder.web.body import BodyLimits
from tiktok_forwarder.web.exchange import Header
from tiktok_forwarder.web.http_connections import HttpConnections
from tiktok_forwarder.web.http_limits import HttpLimits
from tiktok_forwarder.web.server import Servers
from tiktok_forwarder.web.trusted_proxies import TrustedProxies, parse_networks

# Longer than an answer takes on a busy machine, since all are waited for at the same time.
_SILENCE_SECONDS: Final = 3.0
MAX_BODY = 20_000
NO_TRACING: Final = Tracing(None)
BODY = json.dumps(batch_of(purchase())).encode()
CHUNKED = b"5\r\n" + BODY[:5] + b"\r\n" + b"%x\r\n" % (len(BODY) - 5) + BODY[5:] + b"\r\n0\r\n\r\n"
VARYING = re.compile(rb"(date: [^\r]*|\"id\":\"[^\"]*\"|\"timestamp_ms\":\d+)")


def post(
    path: str = "/v2/events",
    *headers: str,
    body: bytes = BODY,
    method: str = "POST",
    version: str = "1.1",
    credentials: str | None = BASIC["Authorization"],
    has_length: bool = True,
) -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: x", *headers]
    if credentials is not None:
        lines.append(f"Authorization: {credentials}")
    if has_length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def webhook(path: str, credentials: str = AUTHORIZATION) -> bytes:
    return post(path, credentials=credentials)


ONE: Final = post()
CORPUS: Final[dict[str, bytes]] = {
    "one": ONE,
    "two, pipelined": ONE + ONE,
    "sixty, pipelined": ONE * 60,
    "a refused one between others": ONE + post(credentials="Basic eDp5") + ONE,
    "an application's between others": ONE + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + ONE,
    "bulk": post("/v2/bulkevents", body=b"[" + BODY + b"," + BODY + b"]"),
    "historical": post("/v2/bulkevents/historical"),
    "webhook": webhook("/webhook/shop"),
    "webhook, wrong value": webhook("/webhook/shop", "guess"),
    "webhook, unknown name": webhook("/webhook/other"),
    "webhook, no name": webhook("/webhook/"),
    "webhook, long name": webhook("/webhook/shop/more"),
    "firehose": webhook("/firehose/shop"),
    "query": post("/v2/events?a=b%20c"),
    "fragment": post("/v2/events#a"),
    "escapes": post("/v2/%65vents"),
    "escapes that are no UTF-8": post("/v2/%ff"),
    "absolute": post("http://other.example/v2/events"),
    "unknown path": post("/v2/other"),
    "path with an address": post("/v2/jo@example.com"),
    "get": post(method="GET", body=b""),
    "head": post(method="HEAD", body=b""),
    "head of an unknown path": post("/v2/other", method="HEAD", body=b""),
    "put": post(method="PUT"),
    "options": post(method="OPTIONS", body=b""),
    "1.0": post(version="1.0"),
    "1.0, keep alive, and one more": post("/v2/events", "Connection: keep-alive", version="1.0") + ONE,
    "close": post("/v2/events", "Connection: close"),
    "close, and one more": post("/v2/events", "Connection: close") + ONE,
    "refused and closed, and one more": post("/v2/events", "Connection: close", credentials=None) + ONE,
    "no credentials": post(credentials=None),
    "wrong secret": post(credentials="Basic eDp5"),
    "credentials of another kind": post(credentials="Bearer x"),
    "credentials that are no Base64": post(credentials="Basic €".encode().decode("latin-1")),
    "credentials twice": post("/v2/events", f"Authorization: {BASIC['Authorization']}"),
    "no body": post(body=b""),
    "no length": post(body=b"", has_length=False),
    "not JSON": post(body=b"{"),
    "not a batch": post(body=b"[7]"),
    "chunked": post("/v2/events", "Transfer-Encoding: chunked", body=CHUNKED, has_length=False) + ONE,
    "chunked, with trailer fields": post(
        "/v2/events", "Transfer-Encoding: chunked", body=CHUNKED[:-2] + b"A: b\r\n\r\n", has_length=False
    )
    + ONE,
    "chunked badly": post("/v2/events", "Transfer-Encoding: chunked", body=b"zz\r\n", has_length=False) + ONE,
    "chunked badly, after a good one": ONE
    + post("/v2/events", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\nzz\r\n", has_length=False),
    "chunked and with a length": post("/v2/events", "Transfer-Encoding: chunked", body=CHUNKED) + ONE,
    "refused while its chunks come": post(
        "/v2/events", "Transfer-Encoding: chunked", body=CHUNKED, has_length=False, credentials=None
    )
    + ONE,
    "chunked, too large": post(
        "/v2/events",
        "Transfer-Encoding: chunked",
        body=b"1000\r\n" + b"x" * 4096 + b"\r\n" + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 5 + b"0\r\n\r\n",
        has_length=False,
    )
    + ONE,
    "too large": post(body=b"x" * (MAX_BODY + 1)) + ONE,
    "as large as allowed": post(body=b" " * (MAX_BODY - len(BODY)) + BODY) + ONE,
    "large length": post("/v2/events", "Content-Length: 99999999999999999999", has_length=False, body=b"x"),
    "expects to be asked": post("/v2/events", "Expect: 100-continue") + ONE,
    "expects to be asked, refused": post("/v2/events", "Expect: 100-continue", credentials=None) + ONE,
    "expects to be asked, pipelined": ONE + post("/v2/events", "Expect: 100-Continue") + ONE,
    "expects something else": post("/v2/events", "Expect: 200-ok"),
    "gzip": post("/v2/events", "Content-Encoding: gzip", body=gzip.compress(BODY)),
    "gzip, too large": post("/v2/events", "Content-Encoding: gzip", body=gzip.compress(b" " * (MAX_BODY + 1))),
    "no gzip": post("/v2/events", "Content-Encoding: gzip"),
    "unknown encoding": post("/v2/events", "Content-Encoding: br"),
    "two encodings": post("/v2/events", "Content-Encoding: gzip", "Content-Encoding: gzip", body=gzip.compress(BODY)),
    "upgrade": post("/v2/events", "Upgrade: websocket", "Connection: upgrade", body=b"", has_length=False),
    "upgrade with a body": post("/v2/events", "Upgrade: h2c", "Connection: upgrade"),
    "no HTTP": b"hello\r\n\r\n",
    "a good one, then no HTTP": ONE + b"hello\r\n\r\n",
    "long URL": post("/v2/" + "a" * 9000),
    "many headers": post("/v2/events", *["A: b"] * 200),
    "bytes in a header": post("/v2/events", "A: \xff\xfe"),
    "half a head": ONE[:40],
    "half a body": ONE[:-10],
    "a good one, then half a body": ONE + ONE[:-10],
}


class AsgiSenders:
    """The senders' routes as an ASGI application: reading, order and writing are uvicorn's."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._ingest.handles(scope["path"]):
            await _other(scope, receive, send)
            return
        exchange = AsgiExchange(scope)
        handler = self._ingest.begin(exchange)
        while handler is not None and not exchange.answered.done():
            message = await receive()
            if message["type"] == "http.disconnect":
                handler.leave()
                return
            if message.get("body"):
                handler.receive(message["body"])
            if exchange.answered.done():
                break
            if not message.get("more_body", False):
                handler.end()
                break
        status, headers, body = await exchange.answered
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
        await send({"type": "http.response.body", "body": body})


class AsgiExchange:
    """One request; whoever waits for leave to send its body gets that from uvicorn."""

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Sequence[Header] = scope["headers"]
        self.peer: tuple[str, int] | None = scope["client"]
        self.answered: asyncio.Future[tuple[int, Sequence[Header], bytes]] = asyncio.get_running_loop().create_future()

    def proceed(self) -> None: ...

    def answer(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        self.answered.set_result((status, headers, body))


async def _other(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@dataclass
class Side:
    """One of the two servers, with what it has observed and stored."""

    servers: Servers
    parts: Parts
    requests: Counter[tuple[str, int, str]]
    left: Counter[str]
    ingest: Ingest

    async def talk(self, parts: Sequence[bytes]) -> bytes:
        """Send the parts, and the end; return all that was answered, without what varies."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.servers.port))
        for part in parts:
            client.writer.write(part)
            await asyncio.sleep(0)
        answers = b""
        with contextlib.suppress(TimeoutError):
            while answer := await asyncio.wait_for(client.reader.read(65536), _SILENCE_SECONDS):
                answers += answer
        await client.close()
        return VARYING.sub(b"-", answers)


class Observer:
    """Keeps what it is told of."""

    def __init__(self, tracing: Tracing) -> None:
        self._traces = tracing.observer
        self.requests: Counter[tuple[str, int, str]] = Counter()
        self.gone: Counter[str] = Counter()

    def on_answered(self, route: str, status: int, reason: str, seconds: float) -> None:
        assert seconds >= 0
        self.requests[route, status, reason] += 1
        if self._traces is not None:
            self._traces.on_answered(route, status, reason, seconds)

    def on_refused(self, input_name: str, reason: str) -> None:
        assert input_name == "shop" and reason

    def left(self, route: str) -> None:
        self.gone[route] += 1

    def on_internal_error(self, error: Exception) -> None:
        raise error


@asynccontextmanager
async def side(
    folder: Path, *, is_direct: bool, timeout_seconds: float = 60, tracing: Tracing = NO_TRACING
) -> AsyncIterator[Side]:
    parts = Parts()
    await parts.add_input("shop", key=KEY, secret=SECRET, authorization=AUTHORIZATION)
    await parts.add_connection()
    observer = Observer(tracing)
    limits = BodyLimits(max_bytes=MAX_BODY, max_pending_bytes=10_000_000, timeout_seconds=timeout_seconds)
    ingest = Ingest(parts.acceptor, parts.inputs, limits, TrustedProxies(parse_networks("")), observer=observer)
    servers = Servers(
        _other if is_direct else AsgiSenders(ingest),
        _other,
        (tracing.routes(ingest, has_senders=True),) if is_direct else (),
        host="127.0.0.1",
        port=0,
        admin_socket=folder / f"{is_direct}.sock",
        http_connections=HttpConnections(HttpLimits(header_timeout_seconds=60), lambda _: True, Recorder()),
    )
    await servers.start()
    try:
        yield Side(servers, parts, observer.requests, observer.gone, ingest)
    finally:
        await servers.stop(1)


@pytest.mark.slow
@pytest.mark.parametrize("cut", ["whole", "pieces"])
async def test_raw_requests_are_answered_alike(tmp_path: Path, cut: str) -> None:
    """Also when each piece of them arrives alone; what is stored and counted, and who has left, is the same too."""
    chance = random.Random(1)

    def pieces(data: bytes) -> list[bytes]:
        cuts = sorted(chance.sample(range(1, len(data)), min(9, len(data) - 1))) if cut == "pieces" else []
        return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    # What arrives after the server has closed resets the connection, and may destroy the answer.
    names = [name for name in CORPUS if cut == "whole" or "and one more" not in name]
    corpus = [pieces(CORPUS[name]) for name in names]
    async with side(tmp_path, is_direct=True) as direct, side(tmp_path, is_direct=False) as asgi:
        answered, expected = [await asyncio.gather(*map(each.talk, corpus)) for each in (direct, asgi)]
        assert dict(zip(names, answered, strict=True)) == dict(zip(names, expected, strict=True))
        assert all(
            each.startswith(b"HTTP/1.1 ") or name.startswith("half") for name, each in zip(names, answered, strict=True)
        )

        async def has_left() -> bool:
            return direct.left == asgi.left == {"/v2/events": 3}

        await wait_until(has_left)
        assert direct.requests == asgi.requests
        stored = [await each.parts.store.totals() for each in (direct, asgi)]
        assert Counter((row.counter, row.reason, row.count) for row in stored[0]) == Counter(
            (row.counter, row.reason, row.count) for row in stored[1]
        )
        assert direct.ingest.limits.pending.total == asgi.ingest.limits.pending.total == 0


@pytest.mark.slow
async def test_traced_requests_are_answered_alike(tmp_path: Path) -> None:
    """Each that is answered has one trace, of its own status, in whatever order and company it comes."""
    finished: list[Trace] = []
    recorder = TraceRecorder(1, str)
    recorder.emit = finished.append
    folders = [tmp_path / "plain", tmp_path / "traced"]
    for folder in folders:
        folder.mkdir()
    corpus = [[data] for data in CORPUS.values()]
    async with (
        side(folders[0], is_direct=True) as plain,
        side(folders[1], is_direct=True, tracing=Tracing(recorder)) as traced,
    ):
        expected, answered = [await asyncio.gather(*map(each.talk, corpus)) for each in (plain, traced)]
        assert dict(zip(CORPUS, answered, strict=True)) == dict(zip(CORPUS, expected, strict=True))
        assert traced.requests == plain.requests

        async def has_left() -> bool:
            return traced.left == plain.left

        await wait_until(has_left)
        assert traced.ingest.limits.pending.total == 0
    seen = Counter((str(each["http.route"]), each["http.response.status_code"]) for each in _attributes(finished))
    counted: Counter[tuple[str, str | int]] = Counter()
    for (route, status, _), number in plain.requests.items():
        counted[route, status] += number
    assert seen == counted and recorder.current is None and recorder.answered is None


def _attributes(traces: Sequence[Trace]) -> list[dict[str, str | int]]:
    return [trace.whole.attributes for trace in traces]


@pytest.mark.slow
@pytest.mark.parametrize("sent", [ONE[:-10], ONE + ONE[:-10]])
async def test_slow_body_is_answered_in_time(tmp_path: Path, sent: bytes) -> None:
    """With 408, after which a sender tries again, and the end of the connection."""
    async with side(tmp_path, is_direct=True, timeout_seconds=0.2) as direct:
        client = Client(*await asyncio.open_connection("127.0.0.1", direct.servers.port))
        await client.send(sent)
        if len(sent) > len(ONE):
            assert (await client.answer())[0] == 202
        status, body = await client.answer()
        assert (status, json.loads(body)["errors"][0]["code"]) == (408, "TIMEOUT")
        assert await client.rest() == b""
        await client.close()
        assert direct.requests["/v2/events", 408, "timeout"] == 1
        assert direct.ingest.limits.pending.total == 0
