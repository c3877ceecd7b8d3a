"""A stand-in of TikTok that takes everything and only counts it, so that it never is what one waits for."""

import asyncio
import time

import msgspec
import uvloop
from aiohttp import web
from msgspec import Struct

_ANSWER = msgspec.json.encode({"code": 0, "message": "OK", "request_id": "0", "data": {}})


class Arrived(Struct):
    """Events so far, and when the first and the latest request had arrived (monotonic, the same for all processes)."""

    events: int = 0
    first_at: float = 0.0
    latest_at: float = 0.0


async def _serve() -> None:
    arrived = Arrived()

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        arrived.latest_at = time.monotonic()
        arrived.first_at = arrived.first_at or arrived.latest_at
        arrived.events += body.count(b'"event_id":')
        return web.Response(body=_ANSWER, content_type="application/json")

    async def tell(_: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(arrived))

    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_post("/open_api/{tail:.*}", take)
    application.router.add_get("/arrived", tell)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())
