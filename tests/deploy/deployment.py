"""The services of the compose file over a database, configured as the guide says, with TikTok's stand-in."""

import asyncio
import base64
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.deploy.compose_file import Compose
from tests.deploy.composed_nodes import ComposedNodes
from tests.integration.service_process import CONNECTION, SandboxThread, command
from tests.integration.service_rig import BASIC, fresh_batch
from tests.integration.test_browser_routes import KEY, ORIGIN
from tests.patience import Patience, sleep_until
from tests.postgres_server import shared_server
from tiktok_forwarder.cli.api_client import call_running
from tiktok_forwarder.setting_reading import load_settings

# Addresses of this machine that differ from Caddy's.
OUTER_PROXY: Final = "127.0.0.9"
VISITOR: Final = "127.0.0.10"
VARIABLES: Final = {
    "DOMAIN": "forwarder.example.com",
    "OUTER_PROXIES": f"{OUTER_PROXY}/32",
    # Caddy's and the outer proxy's.
    "TRUSTED_PROXIES": f"127.0.0.1/32, {OUTER_PROXY}/32",
}


class Deployment:
    """The services of the compose file, with an input of each kind and a connection, and TikTok's stand-in."""

    def __init__(self, composed: ComposedNodes, sandbox: SandboxThread) -> None:
        self.composed = composed
        self.proxy = composed.proxy
        self._sandbox = sandbox

    def api(self, method: str, path: str, body: object = None) -> Any:
        """As a command does in the console's container."""
        settings = load_settings(None, {}, data_dir=self.composed.data_dir("console"))
        return call_running(settings, method, path, body)

    def post(self, path: str, *event_ids: str) -> int:
        return self.proxy.request("POST", path, json.dumps(fresh_batch(*event_ids)).encode(), BASIC).status

    def delivered(self) -> dict[str, dict[str, Any]]:
        return delivered(self._sandbox)

    def until_delivered(self, *event_ids: str) -> dict[str, dict[str, Any]]:
        return until_delivered(self._sandbox, *event_ids)


def delivered(sandbox: SandboxThread) -> dict[str, dict[str, Any]]:
    """The events that reached TikTok, by ID."""
    events = sandbox.ask(lambda each: each.events())
    return {str(event.event_id): json.loads(event.payload) for event in events}


def until_delivered(sandbox: SandboxThread, *event_ids: str) -> dict[str, dict[str, Any]]:
    patience = Patience(30)
    while missing := set(event_ids) - delivered(sandbox).keys():
        assert patience.lasts(), missing
        time.sleep(0.05)
    return delivered(sandbox)


@contextmanager
def deployed(folder: Path) -> Iterator[Deployment]:
    """Start the services as the guide says: secrets as files, then in the order of the compose file."""
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700)
    for name, text in (
        ("encryption_key", base64.b64encode(os.urandom(32)).decode()),
        ("pgpass", "*:*:*:*:not-asked-for"),
    ):
        (secrets / name).write_text(f"{text}\n")
        (secrets / name).chmod(0o400)
    server = shared_server()
    database = asyncio.run(server.create_database())
    store = f"{server.address(database)}&passfile=/run/secrets/pgpass"
    compose = Compose.load({**VARIABLES, "STORE": store, "SECRETS": str(secrets)})
    with SandboxThread() as sandbox:
        composed = ComposedNodes(compose, folder, sandbox.url)
        try:
            composed.start()
            configure(composed.data_dir("console"))
            wait_until_known(composed)
            yield Deployment(composed, sandbox)
        finally:
            composed.stop()
            asyncio.run(server.drop_database(database))


def configure(data_dir: Path) -> None:
    """As the guide does, with commands in the console's container."""
    file = data_dir.parent / "shop.toml"
    file.write_text(CONNECTION)
    shop = ("--name", "shop", "--key", "key-of-the-shop", "--secret", "secret-of-the-shop")
    web = ("--name", "web", "--kind", "browser", "--key", KEY, "--origin", ORIGIN)
    for arguments in (("inputs", "add", *shop), ("inputs", "add", *web), ("connections", "add", str(file))):
        done = command(*arguments, "--data-dir", str(data_dir), SHOP_TOKEN="access-token-0123456789")
        assert done.returncode == 0, done.stderr


def wait_until_known(composed: ComposedNodes) -> None:
    """Until every node that receives knows the connection, and so the inputs before it."""
    for name in ("ingest-1", "ingest-2"):
        settings = load_settings(None, {}, data_dir=composed.data_dir(name))
        sleep_until(lambda: bool(call_running(settings, "GET", "/api/connections", None)))  # noqa: B023 - at once
