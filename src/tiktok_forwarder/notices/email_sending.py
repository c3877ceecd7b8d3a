"""Sends a notice by email: over SMTP to a checked address, encrypted unless the operator allows the host."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final, Literal

import aiosmtplib
from msgspec import Struct

from tiktok_forwarder.notices.addresses import AddressRefused, AllowedHosts, Resolve, checked_addresses, resolve_host
from tiktok_forwarder.notices.https_post import SEND_SECONDS, NotSent

SmtpSecurity = Literal["starttls", "tls", "none"]
"""How the connection is encrypted: after STARTTLS, from the beginning, or not at all."""

_CONNECT_SECONDS: Final = 5.0
# An SMTP dialog is a dozen answers, each of which may take a moment.
_DIALOG_SECONDS: Final = 3 * SEND_SECONDS


class SmtpServer(Struct, frozen=True):
    host: str
    port: int
    security: SmtpSecurity
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"SmtpServer({self.host}:{self.port})"


class Email(Struct, frozen=True):
    """An email. `id` is the notice's: a repetition has the same Message-ID."""

    id: str
    from_address: str
    to_addresses: Sequence[str]
    subject: str
    text: str
    at_ms: int

    def message(self) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self.from_address
        message["To"] = ", ".join(self.to_addresses)
        message["Subject"] = self.subject
        message["Date"] = format_datetime(datetime.fromtimestamp(self.at_ms / 1000, UTC))
        message["Message-ID"] = f"<{self.id}@{_domain_of(self.from_address)}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self.text)
        return message


class EmailSender:
    """Sends emails by servers that are public or allowed."""

    def __init__(self, allowed: AllowedHosts, resolve: Resolve = resolve_host) -> None:
        self._allowed = allowed
        self._resolve = resolve

    async def send(self, server: SmtpServer, email: Email) -> str:
        """Send once; return a remark if the server refused some of the addresses. Raises `NotSent`."""
        try:
            async with asyncio.timeout(_DIALOG_SECONDS):
                addresses = await checked_addresses(server.host, server.port, self._allowed, self._resolve)
                self._require_encryption(server, addresses)
                refused = await _sent(server, email, addresses)
        except AddressRefused as error:
            raise NotSent(str(error)) from None
        except (aiosmtplib.SMTPException, ssl.SSLError, OSError, TimeoutError, ValueError) as error:
            raise NotSent(_reason(error)) from None
        return f"the SMTP server refused {refused} of {len(email.to_addresses)} addresses" if refused else ""

    def _require_encryption(self, server: SmtpServer, addresses: Sequence[str]) -> None:
        if server.security == "none" and not self._allowed.allows(server.host, addresses):
            raise NotSent("without encryption, the SMTP server must be in notice_allowed_hosts")


async def _sent(server: SmtpServer, email: Email, addresses: Sequence[str]) -> int:
    """Send the email; return how many of its addresses the server refused, if it accepted others."""
    tls = await asyncio.to_thread(ssl.create_default_context)
    connection = await _connected(addresses, server.port)
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=None,
        sock=connection,
        use_tls=server.security == "tls",
        start_tls=False,
        tls_context=tls if server.security != "none" else None,
        timeout=SEND_SECONDS,
        local_hostname=_domain_of(email.from_address),
    )
    try:
        await _greet(client, connection)
        if server.security == "starttls":
            _require(client, "starttls", "STARTTLS")
            await client.starttls()
            await client.ehlo()
        if server.username is not None:
            _require(client, "auth", "a login")
            await client.login(server.username, server.password or "")
        refused, _ = await client.send_message(
            email.message(), sender=email.from_address, recipients=list(email.to_addresses)
        )
        return len(refused)
    finally:
        client.close()


async def _greet(client: aiosmtplib.SMTP, connection: socket.socket) -> None:
    try:
        await client.connect()
    except BaseException:
        # The library closes it only once it has taken it over.
        connection.close()
        raise
    await client.ehlo()


def _require(client: aiosmtplib.SMTP, extension: str, label: str) -> None:
    if not client.supports_extension(extension):
        raise NotSent(f"the SMTP server does not offer {label}, which the recipient's settings need")


async def _connected(addresses: Sequence[str], port: int) -> socket.socket:
    """Return a socket that is connected to the first of the addresses that answers. Raises `OSError`."""
    last: OSError = ConnectionError("no address")
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(connection, (address, port))
        except OSError as error:  # TimeoutError is one
            connection.close()
            last = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise last


def _domain_of(address: str) -> str:
    return address.rpartition("@")[2]


# The first that an error is an instance of. TimeoutError and SSLError are also OSError.
_REASONS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (aiosmtplib.SMTPAuthenticationError, "the SMTP server refused the user name or the password"),
    (aiosmtplib.SMTPRecipientsRefused, "the SMTP server refused all addresses"),
    (aiosmtplib.SMTPSenderRefused, "the SMTP server refused the sender's address"),
    (aiosmtplib.SMTPTimeoutError, "the SMTP server did not answer in time"),
    (aiosmtplib.SMTPConnectError, "a connection was not possible"),
    (aiosmtplib.SMTPServerDisconnected, "the SMTP server ended the connection"),
    (aiosmtplib.SMTPException, "the SMTP server did not accept the email"),
    (ssl.SSLCertVerificationError, "the server's certificate is not valid for this host"),
    (ssl.SSLError, "a TLS connection was not possible"),
    (TimeoutError, "the SMTP server did not answer in time"),
)


def _reason(error: BaseException) -> str:
    """Return a reason in this program's own words: a server's text may quote anything."""
    # The library wraps what happened in TLS.
    met = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
    known = next((reason for kind, reason in _REASONS if isinstance(met, kind)), "a connection was not possible")
    if type(met) in (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPDataError, aiosmtplib.SMTPConnectResponseError):
        return f"the SMTP server answered {getattr(met, 'code', 0)}"
    return known
