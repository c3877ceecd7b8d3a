"""The provider of npm's `oidc-provider`, run by Node.js. For the browser, it is another site than the console."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.oidc_provider import CLIENT_SECRET, SETTINGS
from tests.ports import free_port

_SCRIPT: Final = Path(__file__).parent / "oidc_provider.mjs"


class NodeProvider:
    """Knows a console at this URL. `restart` gives it new keys, and it forgets who was logged in."""

    def __init__(self, console_url: str) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self._redirect_uri = f"{console_url}/login/oidc/callback"
        self._process: subprocess.Popen[str] | None = None

    @property
    def settings(self) -> dict[str, str]:
        """Return the variables of a console that logs users in with this provider."""
        given = {"oidc_issuer": self.url, "oidc_client_secret": CLIENT_SECRET, **SETTINGS}
        return {f"TIKTOK_FORWARDER_{name.upper()}": value for name, value in given.items()}

    def start(self) -> None:
        command = ["node", str(_SCRIPT), str(self.port), self._redirect_uri, CLIENT_SECRET]
        # What it writes to its standard error are recommendations for production.
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "listening\n"

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=10)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()


@contextmanager
def node_provider(console_url: str) -> Iterator[NodeProvider]:
    provider = NodeProvider(console_url)
    provider.start()
    try:
        yield provider
    finally:
        provider.stop()
