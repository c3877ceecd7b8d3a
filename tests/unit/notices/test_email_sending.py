"""Notices by email, sent to a real SMTP server: encrypted, and only to addresses that were checked."""

import asyncio
import email
import email.policy
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.certificates import make_certificate
from tests.unit.notices.smtp_server import PASSWORD, USER, smtp_server
from tiktok_forwarder.notices import email_sending
from tiktok_forwarder.notices.addresses import AllowedHosts, parse_allowed_hosts
from tiktok_forwarder.notices.email_sending import Email, EmailSender, SmtpSecurity, SmtpServer
from tiktok_forwarder.notices.https_post import NotSent

HOST = "smtp.example.com"
LOOPBACK = parse_allowed_hosts("127.0.0.1")
EMAIL = Email(
    "msg_1", "forwarder@shop.example.com", ("ops@example.com", "ann@example.com"), "Shop: paused – ä", "Text\n", 0
)


async def at_loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A certificate for the host, whose authority is this machine's only one."""
    path, tls = make_certificate(tmp_path, host=HOST)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    yield tls


def server_at(port: int, security: SmtpSecurity, password: str | None = None) -> SmtpServer:
    return SmtpServer(HOST, port, security, USER if password else None, password)


async def reason_of(server: SmtpServer, allowed: AllowedHosts = LOOPBACK) -> str:
    with pytest.raises(NotSent) as error:
        await EmailSender(allowed, at_loopback).send(server, EMAIL)
    return str(error.value)


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_email_arrives_encrypted(certificate: ssl.SSLContext, security: SmtpSecurity) -> None:
    """After a login, with the headers that a mail program shows and a filter reads."""
    async with smtp_server(security, certificate, needs_login=True) as mailbox:
        assert await EmailSender(LOOPBACK, at_loopback).send(server_at(mailbox.port, security, PASSWORD), EMAIL) == ""
    ((sender, recipients, content),) = mailbox.messages
    assert (sender, recipients) == ("forwarder@shop.example.com", ["ops@example.com", "ann@example.com"])
    assert mailbox.were_encrypted == [True]
    assert mailbox.greeted[-1] == "shop.example.com"
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert (message["Subject"], message["Message-ID"]) == ("Shop: paused – ä", "<msg_1@shop.example.com>")
    assert (message["Auto-Submitted"], message["To"]) == ("auto-generated", "ops@example.com, ann@example.com")
    assert message.get_content().splitlines() == ["Text"]


async def test_server_without_starttls_gets_nothing() -> None:
    """Neither the password nor the email is sent unencrypted."""
    async with smtp_server() as mailbox:
        reason = await reason_of(server_at(mailbox.port, "starttls", PASSWORD))
    assert (mailbox.messages, reason) == (
        [],
        "the SMTP server does not offer STARTTLS, which the recipient's settings need",
    )


async def test_unencrypted_email_needs_an_allowed_host() -> None:
    """A server in the same network may have no certificate; the operator says which."""
    async with smtp_server() as mailbox:
        assert await EmailSender(LOOPBACK, at_loopback).send(server_at(mailbox.port, "none"), EMAIL) == ""
        assert mailbox.were_encrypted == [False]

        async def at_public_address(_host: str, _port: int) -> Sequence[str]:
            return ["8.8.8.8"]

        with pytest.raises(NotSent, match="without encryption"):
            await EmailSender(LOOPBACK, at_public_address).send(server_at(mailbox.port, "none"), EMAIL)
        assert len(mailbox.messages) == 1


async def test_server_that_is_not_public_gets_no_connection() -> None:
    """The same check as for webhooks; a name that resolves elsewhere the next time is checked again."""
    connections = 0

    async def on_connection(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    listening = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    assert "not public" in await reason_of(server_at(port, "starttls"), AllowedHosts())
    await asyncio.sleep(0.05)
    listening.close()
    assert connections == 0


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_certificate_of_another_host_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: SmtpSecurity
) -> None:
    """The password goes to no server that cannot prove its name."""
    path, tls = make_certificate(tmp_path, host="other.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    async with smtp_server(security, tls) as mailbox:
        reason = await reason_of(server_at(mailbox.port, security, PASSWORD))
    assert (mailbox.messages, reason) == ([], "the server's certificate is not valid for this host")


async def test_refusals_are_short_reasons(certificate: ssl.SSLContext) -> None:
    """In this program's own words: a server's text may quote anything."""
    async with smtp_server("starttls", certificate, needs_login=True) as mailbox:
        wrong = server_at(mailbox.port, "starttls", "wrong password")
        assert await reason_of(wrong) == "the SMTP server refused the user name or the password"
    async with smtp_server("starttls", certificate) as mailbox:
        server = server_at(mailbox.port, "starttls")
        mailbox.answer = "554 text of the server"
        assert await reason_of(server) == "the SMTP server answered 554"
        mailbox.refused = set(EMAIL.to_addresses)
        assert await reason_of(server) == "the SMTP server refused all addresses"
        mailbox.refused, mailbox.answer = {"ann@example.com"}, "250 OK"
        remark = await EmailSender(LOOPBACK, at_loopback).send(server, EMAIL)
        assert remark == "the SMTP server refused 1 of 2 addresses"
        assert mailbox.messages[0][1] == ["ops@example.com"]
    assert await reason_of(server) == "a connection was not possible"


async def test_server_that_does_not_answer_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds one recipient's notices only, and not for long."""
    monkeypatch.setattr(email_sending, "SEND_SECONDS", 0.2)

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.5)
        writer.close()

    listening = await asyncio.start_server(wait, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    assert await reason_of(server_at(port, "starttls")) == "the SMTP server did not answer in time"
    await asyncio.sleep(0.5)
    listening.close()


async def test_subject_with_a_line_break_adds_no_header(certificate: ssl.SSLContext) -> None:
    """Names are on one line already; an email that is not is refused before it is sent."""
    async with smtp_server("starttls", certificate) as mailbox:
        with pytest.raises(NotSent):
            await EmailSender(LOOPBACK, at_loopback).send(
                server_at(mailbox.port, "starttls"), replace(EMAIL, subject="a\r\nBcc: eve@example.com")
            )
    assert mailbox.messages == []
