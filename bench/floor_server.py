"""The floor of ingest: the service's own HTTP server around an application that reads the body and says 202."""

import asyncio
import tempfile
from pathlib import Path

import uvloop

from tiktok_forwarder.web.body import Receive, Scope, Send
from tiktok_forwarder.web.server import Servers


async def accept_all(_scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def _serve() -> None:
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(accept_all, accept_all, host="127.0.0.1", port=0, admin_socket=Path(folder) / "s")
        await servers.start()
        print(f"http://127.0.0.1:{servers.port}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())
