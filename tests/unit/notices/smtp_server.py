"""A real SMTP server for tests, which keeps what it gets."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult

from tiktok_forwarder.notices.email_sending import SmtpSecurity

USER, PASSWORD = "forwarder", "a password"


@dataclass
class Mailbox:
    """`refused` are addresses that the server does not accept; `messages` are (sender, recipients, content)."""

    port: int = 0
    refused: set[str] = field(default_factory=set)
    answer: str = "250 OK"
    messages: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    were_encrypted: list[bool] = field(default_factory=list)
    greeted: list[str] = field(default_factory=list)

    async def handle_EHLO(  # noqa: N802 - the library's name
        self, _server: SMTP, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.greeted.append(hostname)
        return responses

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.refused:
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        if self.answer.startswith("250"):
            self.messages.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
            assert server.transport is not None
            self.were_encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        return self.answer


def _authenticated(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    is_known = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    # Not handled: the server gives the answer.
    return AuthResult(success=is_known, handled=is_known)


@asynccontextmanager
async def smtp_server(
    security: SmtpSecurity = "none", context: ssl.SSLContext | None = None, *, needs_login: bool = False
) -> AsyncIterator[Mailbox]:
    """A server on a free port, with STARTTLS, with TLS from the beginning, or without encryption."""
    starttls = context if security == "starttls" else None
    tls = context if security == "tls" else None
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()

    made: list[SMTP] = []

    def make() -> SMTP:
        # TLS from the beginning is none that the library knows of, and it warns of logins without.
        with warnings.catch_warnings(action="ignore"):
            server = SMTP(
                mailbox,
                hostname="localhost",
                tls_context=starttls,
                require_starttls=starttls is not None,
                auth_required=needs_login,
                auth_require_tls=tls is None,
                authenticator=_authenticated,
                loop=loop,
            )
        made.append(server)
        return server

    server = await loop.create_server(make, "127.0.0.1", 0, ssl=tls)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
        for each in made:
            if each.transport is not None:
                each.transport.close()
        await asyncio.sleep(0.01)
