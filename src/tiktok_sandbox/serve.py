"""Runs a sandbox as a process of its own."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from tiktok_sandbox.access import TokenGrants
from tiktok_sandbox.options import SandboxOptions
from tiktok_sandbox.server import Sandbox


def serve_sandbox(
    host: str,
    port: int,
    log_path: Path | None = None,
    options: SandboxOptions | None = None,
    *,
    grants: TokenGrants | None = None,
) -> None:
    """Block until SIGTERM or SIGINT; the address is printed to standard error. Raises `SandboxError`."""
    asyncio.run(run_sandbox(Sandbox(options, grants=grants, log_path=log_path), host, port, _announce))


async def run_sandbox(sandbox: Sandbox, host: str, port: int, started: Callable[[Sandbox], None]) -> None:
    """Run until SIGTERM or SIGINT, and call `started` as soon as requests are accepted. Raises `SandboxError`."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    try:
        await sandbox.start(host, port)
        started(sandbox)
        await ended.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        await sandbox.stop()


def _announce(sandbox: Sandbox) -> None:
    sys.stderr.write(
        f"TikTok simulator: {sandbox.url}\n"
        f"Open {sandbox.url}/ in a browser to see events arrive. Press Ctrl-C to stop.\n"
    )
    sys.stderr.flush()
