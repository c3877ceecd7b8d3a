"""The floor of ingest: the service's own HTTP server around an application that reads the body and says 202."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path

import uvloop

from tiktok_forwarder.web.asgi import Receive, Scope, Send
from tiktok_forwarder.web.http_connections import HttpConnections
from tiktok_forwarder.web.http_limits import CloseReason, HttpLimits
from tiktok_forwarder.web.server import Servers


class _Unobserved:
    def on_http_connections(self, count: int) -> None: ...

    def on_http_closed(self, reason: CloseReason) -> None: ...

    def on_http_limits_reached(self, counts: Mapping[CloseReason, int]) -> None: ...


async def accept_all(_scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def _serve() -> None:
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(
            accept_all,
            accept_all,
            host="127.0.0.1",
            port=0,
            admin_socket=Path(folder) / "s",
            http_connections=HttpConnections(HttpLimits(), lambda _: True, _Unobserved()),
        )
        await servers.start()
        print(f"http://127.0.0.1:{servers.port}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())
