"""Servers that get notices: a program behind a webhook, and a mailbox."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.integration.raw_server import RawServer, http, raw_server

ALLOWED = "127.0.0.1"


class WebhookReceiver:
    """Verifies what it gets as receivers do, with the library of the specification."""

    def __init__(self, server: RawServer) -> None:
        self._server = server
        self.secret = ""

    @property
    def url(self) -> str:
        return f"{self._server.url}/hook"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for _, headers, _ in self._server.requests]

    @property
    def messages(self) -> list[Any]:
        """The verified bodies."""
        for _, headers, body in self._server.requests:
            assert Webhook(self.secret).verify(body, headers) == json.loads(body)
        return [json.loads(body) for _, _, body in self._server.requests]

    def about(self, kind: str) -> list[str]:
        """The types of the messages about incidents of a kind, in order."""
        return [each["type"] for each in self.messages if each["data"].get("kind") == kind]


@asynccontextmanager
async def webhook_receiver(tls: ssl.SSLContext, status: int = 204) -> AsyncIterator[WebhookReceiver]:
    async with raw_server(http(status, b""), tls=tls) as server:
        yield WebhookReceiver(server)
