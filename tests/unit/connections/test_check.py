"""Checking a connection against the sandbox: each fault has its own kind and its own sentence."""

from pathlib import Path
from typing import Any

import pytest
from tests.integration.raw_server import http, raw_server
from tests.unit.parts import TOKEN, Parts, shared_documents

from tiktok_forwarder.connections.check import CheckResult, ConnectionCheck
from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.delivery.http_client import TikTokHttpSender
from tiktok_forwarder.secrets.secret_box import AesGcmSecretBox
from tiktok_forwarder.system_clock import SystemClock
from tiktok_sandbox import Sandbox, SandboxOptions
from tiktok_sandbox.steps import Code, Http, Reset, Silence

PIXEL = "PIXEL1"
GRANTS = {TOKEN: [PIXEL]}


async def check(url: str, *, deadline_seconds: float = 5.0, **settings: Any) -> CheckResult:
    """The result of checking a connection that has these settings."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop", **{"pixel_id": PIXEL, **settings})
    connection = parts.connections.find(connection_id)
    assert connection is not None
    sender = TikTokHttpSender(url, deadline_seconds=deadline_seconds)
    try:
        result = await ConnectionCheck(parts.connections, sender, SystemClock(), parts.check_records).check(connection)
    finally:
        await sender.close()
    assert TOKEN not in repr(result)
    return result


@pytest.mark.parametrize("events_api", ["2.0", "1.0"])
async def test_a_good_connection_sends_no_event(events_api: str) -> None:
    """Without a test event code TikTok is asked, and gets nothing to keep."""
    async with Sandbox(SandboxOptions(strict=True), grants=GRANTS) as sandbox:
        result = await check(sandbox.url, events_api=events_api)
        assert result.kind == "good"
        assert "No event was sent" in result.message and "set a test event code" in result.message
        assert len(sandbox.requests()) == 1 and sandbox.counts().delivered == 0


@pytest.mark.parametrize("events_api", ["2.0", "1.0"])
async def test_a_good_connection_sends_one_test_event(events_api: str) -> None:
    """With a test event code TikTok takes one event with that code, without any warning of the sandbox."""
    async with Sandbox(SandboxOptions(strict=True), grants=GRANTS) as sandbox:
        result = await check(sandbox.url, events_api=events_api, test_event_code="TEST42")
        assert (result.kind, result.code) == ("good", 0)
        assert "ViewContent" in result.message and "TEST42" in result.message
        (event,) = sandbox.events()
        (request,) = sandbox.requests()
        assert (event.event, event.event_source_id, request.test_event_code) == ("ViewContent", PIXEL, "TEST42")
        assert event.warnings == () == request.warnings


@pytest.mark.parametrize("test_event_code", [None, "TEST42"])
@pytest.mark.parametrize("events_api", ["2.0", "1.0"])
async def test_a_wrong_token_and_a_wrong_pixel_are_told_apart(events_api: str, test_event_code: str | None) -> None:
    """One sentence is about the access token, the other about the pixel; both say what to do."""
    async with Sandbox(grants=GRANTS) as sandbox:
        settings: dict[str, Any] = {"events_api": events_api, "test_event_code": test_event_code}
        token = await check(sandbox.url, access_token="not-the-token", **settings)
        pixel = await check(sandbox.url, pixel_id="NOTMINE", **settings)
        assert sandbox.counts().delivered == 0
    assert (token.kind, token.code) == ("token", 40105)
    assert token.message.startswith("The access token is incorrect or has been revoked.")
    assert "Generate a new access token" in token.message
    assert (pixel.kind, pixel.code) == ("pixel", 40001)
    assert pixel.message.startswith("The access token has no permission for this pixel.")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (40102, "token"),
        (40130, "token"),
        (40131, "token"),
        (40199, "token"),
        (40300, "pixel"),
        (40007, "pixel"),
        (40113, "app"),
        (40118, "account"),
        (40006, "address"),
        (41000, "network"),
        (40063, "forwarder"),
    ],
)
async def test_other_refusals_are_told_in_words(code: int, kind: str) -> None:
    """What TikTok's code means and what to do stands in the sentence, and never is it the test event code."""
    async with Sandbox() as sandbox:
        sandbox.script.for_requests(Code(code=code))
        result = await check(sandbox.url, test_event_code="TEST42")
    assert "TEST42" not in result.message
    assert (result.kind, result.code) == (kind, code)
    assert len(result.message) > 40


async def test_a_refused_test_event_is_not_called_good() -> None:
    """Token and pixel were let through, so it is the test event's code that the sentence asks to check."""
    async with Sandbox() as sandbox:
        sandbox.script.for_requests(Code(code=40002))
        result = await check(sandbox.url, test_event_code="TEST42")
    assert result.kind == "configuration" and "Check the test event code TEST42" in result.message


@pytest.mark.parametrize(
    ("field", "kind"), [("event_source_id", "pixel"), ("pixel_code", "pixel"), ("test_event_code", "configuration")]
)
async def test_check_blames_the_setting_that_a_refused_field_comes_from(field: str, kind: str) -> None:
    """TikTok may refuse a field of the request itself with the code of a wrong parameter, and name the field."""
    async with Sandbox() as sandbox:
        sandbox.script.for_requests(Code(code=40002, message=f"Invalid value for {field}: not a valid string."))
        result = await check(sandbox.url, test_event_code="TEST42")
    assert (result.kind, result.code) == (kind, 40002) and field in result.message


@pytest.mark.parametrize("step", [Code(code=40100), Code(code=61000), Http(status=429)])
async def test_a_throttled_token_is_busy(step: Any) -> None:
    """The connection is not the cause: the message says to retry later."""
    async with Sandbox() as sandbox:
        sandbox.script.for_requests(step)
        result = await check(sandbox.url)
    assert result.kind == "busy" and "Retry later." in result.message


async def test_unknown_code_is_no_yes() -> None:
    """TikTok may refuse the pixel with a code that is new: a connection must not be called live because of it."""
    async with Sandbox() as sandbox:
        sandbox.script.for_requests(Code(code=40999, message="The pixel is archived."))
        result = await check(sandbox.url)
    assert (result.kind, result.code, result.outcome) == ("unknown_code", 40999, "unknown")
    assert "code 40999" in result.message and result.tiktok_message == "The pixel is archived."


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        (Code(code=40105), "refused"),
        (Code(code=41000), "refused"),
        (Code(code=40100), "unknown"),
        (Code(code=50000), "unknown"),
        (Silence(), "unknown"),
        (Http(status=502), "unknown"),
        (Code(code=40002), "good"),
    ],
)
async def test_only_an_answer_of_tiktok_is_a_yes_or_a_no(step: Any, outcome: str) -> None:
    """The condition of the connection follows from it, so a bad network must not look like a refusal."""
    async with Sandbox() as sandbox:
        sandbox.script.for_requests(step)
        result = await check(sandbox.url, deadline_seconds=0.3)
    assert result.outcome == outcome


async def test_nobody_listening_is_a_network_fault() -> None:
    """A refused connection."""
    async with Sandbox() as sandbox:
        url = sandbox.url
    result = await check(url)
    assert result.kind == "network" and "could not be reached" in result.message


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Silence(), "did not answer in time"),
        (Reset(), "closed the connection"),
        (Http(status=502, body="<h1>Bad Gateway</h1>"), "HTTP 502"),
        (Http(status=200, body="<h1>Welcome to the hotel</h1>"), "HTTP 200"),
        (Http(status=302, headers={"Location": "https://example.com/"}), "HTTP 302"),
    ],
)
async def test_network_faults_are_told_apart(step: Any, words: str) -> None:
    """Silence, a broken connection, and somebody else's answer each have their sentence."""
    async with Sandbox() as sandbox:
        sandbox.script.for_requests(step)
        result = await check(sandbox.url, deadline_seconds=0.3)
    assert result.kind == "network" and words in result.message


async def test_trouble_at_tiktok_is_not_the_network() -> None:
    """TikTok itself reports the failure: the message says to retry later."""
    async with Sandbox() as sandbox:
        sandbox.script.for_requests(Code(code=50000))
        result = await check(sandbox.url)
    assert (result.kind, result.code) == ("busy", 50000)
    assert "Retry later." in result.message


async def test_an_untrusted_certificate_is_a_network_fault(tmp_path: Path) -> None:
    """A certificate of an unknown authority is told as such."""
    from tests.certificates import make_certificate

    _, tls = make_certificate(tmp_path, host="127.0.0.1", expired=False)
    async with raw_server(http(200, b"{}"), tls=tls) as server:
        result = await check(server.url)
        assert server.requests == []
    assert result.kind == "network" and "certificate that cannot be verified" in result.message


async def test_a_token_that_cannot_be_opened_is_told_before_anything_is_sent() -> None:
    """With another encryption key the token cannot be read, which is neither TikTok's fault nor the network's."""
    parts = Parts()
    await parts.add_connection("Shop")
    other = Connections(shared_documents(parts.store), AesGcmSecretBox(bytes([1] * 32)), parts.inputs)
    await other.load()
    found = other.find("Shop")
    assert found is not None
    async with Sandbox() as sandbox:
        sender = TikTokHttpSender(sandbox.url)
        result = await ConnectionCheck(other, sender, SystemClock(), parts.check_records).check(found)
        await sender.close()
        assert sandbox.requests() == []
    assert result.kind == "unreadable_token" and "cannot be read" in result.message


async def test_connection_without_a_token_is_not_asked_about() -> None:
    """One that only records may have none: TikTok would answer something about an empty one."""
    async with Sandbox(grants=GRANTS) as sandbox:
        result = await check(sandbox.url, delivery="record", access_token=None)
        assert (result.kind, result.code) == ("token", None) and "no access token" in result.message
        assert sandbox.requests() == []
