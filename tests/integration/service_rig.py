"""A running service with real parts: HTTP over loopback, a database in a temporary directory, a sandbox as TikTok."""

import base64
import io
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.patience import wait_until
from tests.store_choice import STORES
from tests.unit.mapping.batches import batch_of, purchase
from tiktok_forwarder.bootstrap import Application, open_application
from tiktok_forwarder.services import Services
from tiktok_forwarder.setting_reading import load_settings
from tiktok_forwarder.web.in_process import asgi_call
from tiktok_sandbox import Sandbox

KEY = "key-of-the-shop"
SECRET = "secret-of-the-shop"
AUTHORIZATION = "Token of-the-webhook"
TOKEN = "access-token-0123456789"
QUICK = {"max_wait_seconds": 0.02, "retry_first_seconds": 0.05, "retry_max_seconds": 0.1, "stop_seconds": 3}


def basic(key: str, secret: str) -> dict[str, str]:
    """The header that carries an input's key and secret."""
    return {"Authorization": f"Basic {base64.b64encode(f'{key}:{secret}'.encode()).decode()}"}


BASIC = basic(KEY, SECRET)


def fresh_batch(*event_ids: str, **members: Any) -> dict[str, Any]:
    """A batch of purchases that happen now."""
    now_ms = time.time_ns() // 1_000_000
    events = [purchase(source_message_id=event_id, timestamp_unixtime_ms=now_ms) for event_id in event_ids]
    return batch_of(*events, **members)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Service:
    """A service with one input, and the client of one sender."""

    application: Application
    client: aiohttp.ClientSession

    @property
    def services(self) -> Services:
        return self.application.services

    @property
    def port(self) -> int:
        return self.application.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def request(
        self, method: str, path: str, body: bytes | Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        content = io.BytesIO(body) if isinstance(body, bytes) else body
        async with self.client.request(method, self.url + path, data=content, headers=headers) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def post(
        self, path: str = "/v2/events", body: object = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """As the input's sender, unless other headers are given. What is no bytes is sent as JSON."""
        content = body if isinstance(body, bytes) or hasattr(body, "__aiter__") else json.dumps(body).encode()
        return await self.request("POST", path, content, BASIC if headers is None else headers)

    async def metrics(self) -> str:
        return (await self.request("GET", "/metrics")).body.decode()

    async def add_connection(self, name: str = "Shop", **settings: Any) -> str:
        pixel_id = f"PIXEL{''.join(filter(str.isalnum, name)).upper()}"
        given = {"name": name, "pixel_id": pixel_id, "access_token": TOKEN, **settings}
        return (await self.services.connections.add(given, "test")).id

    async def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads((await asgi_call(self.application.api, "GET", "/api/status", b""))[1])
        return answer

    async def until_delivered(self, sandbox: Sandbox, count: int) -> None:
        """Wait until TikTok's stand-in has this many distinct events and the queue is empty."""

        async def delivered() -> bool:
            return sandbox.counts().delivered >= count and await self.waiting() == 0

        await wait_until(delivered)

    async def waiting(self) -> int:
        """How many events wait, over all connections."""
        queues = [each["queue"] for each in (await self.status())["connections"]]
        return sum(queue["waiting"] for queue in queues if queue)


@asynccontextmanager
async def running_service(
    data_dir: Path, tiktok_url: str = "http://127.0.0.1:9", **settings: object
) -> AsyncIterator[Service]:
    """A service on a free port; without a sandbox's address TikTok is out of reach."""
    values = {**QUICK, "data_dir": data_dir, "port": 0, "tiktok_base_url": tiktok_url, **settings}
    if "store" not in values:
        values["store"] = STORES.store_of(data_dir)
    async with (
        open_application(load_settings(None, {}, **values), {}) as application,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as client,
    ):
        if application.services.inputs.find_by_name("shop") is None:
            await application.services.inputs.add(
                "shop", key=KEY, secret=SECRET, authorization=AUTHORIZATION, changed_by="test"
            )
        await application.start()
        yield Service(application, client)
