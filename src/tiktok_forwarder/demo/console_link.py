"""The link to the demo's console: it creates the first administrator, until it has been used."""

import contextlib
from collections.abc import Callable
from typing import Any

from tiktok_forwarder.domain.errors import ForwarderError

Ask = Callable[[str, str, object], Any]
"""Makes one call of the running service's API: method, path, body.

Raises `ForwarderError` while the service is down.
"""


class ConsoleLink:
    def __init__(self, ask: Ask, service_url: str) -> None:
        self._ask = ask
        self._service_url = service_url
        self._link = ""
        self._is_used = False

    def message(self) -> str:
        """Return one line."""
        with contextlib.suppress(ForwarderError):
            self._look()
        if self._is_used or not self._link:
            return f"Console: {self._service_url}/"
        return f"Console (first visit): {self._link}"

    def _look(self) -> None:
        if not self._is_used:
            self._is_used = any(user["has_password"] for user in self._ask("GET", "/api/users", None))
        if not self._is_used and not self._link:
            self._link = self._service_url + self._ask("POST", "/api/console-link", {})["path"]
