"""What must not happen on the browsers' routes, whose key anyone can read in a page."""

import json
from pathlib import Path

import pytest
from yarl import URL

from tests.integration.console.console_client import running_console
from tests.integration.service_rig import BASIC, fresh_batch, running_service
from tests.integration.test_browser_routes import EVENTS, IDENTIFY, KEY, PAGE, SDK, add_web, from_address
from tests.security.test_malformed_bodies import SEED, malformed_bodies

EMAIL = "ann.of.the.identity@example.com"
DEVICE = "16a4a6e8-3266-48f4-11bc-690b26390c15"


def contents_of(directory: Path) -> list[bytes]:
    return [file.read_bytes() for file in directory.rglob("*") if file.is_file()]


async def test_identity_request_leaves_no_trace(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither readable nor unreadable ones: no identity of them is in a file, a log line, a metric or an answer."""
    readable = {"known_identities": {"email": EMAIL, "device_application_stamp": DEVICE}}
    bodies = [json.dumps(readable), json.dumps({"known_identities": EMAIL}), f'{{"known_identities": {{"{EMAIL}"']
    answers = []
    async with running_service(tmp_path, log_level="debug") as service:
        await add_web(service)
        for body in bodies:
            for path in (IDENTIFY, "/identity/v1/login", "/identity/v1/7/modify", "/identity/v1/search"):
                answers.append((await service.post(path, body.encode(), SDK)).body.decode())
        metrics = await service.metrics()
        files = contents_of(tmp_path)
    output = capfd.readouterr()
    for secret in (EMAIL, DEVICE):
        assert not any(secret.encode() in content for content in files)
        assert not any(secret in text for text in (*answers, metrics, output.out, output.err))


async def test_refusals_leave_nothing_of_the_visitor_in_log_and_metrics(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a visitor sends may quote anything, and is worth a count only."""
    sent = from_address("203.0.113.77")
    async with running_service(tmp_path, store="memory", log_level="debug") as service:
        await add_web(service)
        for path in (EVENTS, "/webevents/v3/JS/secret-looking-key/events", "/identity/v1/secret-looking-key"):
            for body in (b"secret-looking-body", b" " * 300_000):
                for origin in (PAGE["Origin"], "https://secret-looking-origin.example.com"):
                    await service.post(path, body, {**sent, "Origin": origin})
        metrics = await service.metrics()
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")
    assert "secret-looking" not in metrics and "203.0.113.77" not in metrics


async def test_malformed_bodies_are_never_answered_with_what_the_sdk_repeats(tmp_path: Path) -> None:
    """202 or 413, whatever arrives: no fault, and nothing that makes the Web SDK send it again."""
    bodies = malformed_bodies(SEED)
    statuses = set()
    async with running_service(tmp_path, store="memory", browser_requests_per_second_per_address=1e6) as service:
        await add_web(service)
        await service.add_connection()
        for _ in range(300):
            statuses.add((await service.post(EVENTS, next(bodies), PAGE)).status)
            identity = (await service.post(IDENTIFY, next(bodies), SDK)).status
            assert identity in (400, 413)
        metrics = await service.metrics()
    assert statuses == {202, 413}, f"seed {SEED}"
    assert "\ntiktok_forwarder_faults_total 0.0\n" in metrics


async def test_session_of_the_console_changes_nothing(tmp_path: Path) -> None:
    """A beacon of a page on the console's own host carries its cookie."""
    async with running_console(tmp_path) as console:
        service = console.service
        await add_web(service)
        cookies = console._session.cookie_jar.filter_cookies(URL(service.url))
        cookie = {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())}
        assert len(cookies) == 1
        for path, headers in ((EVENTS, PAGE), ("/webevents/v3/JS/unknown/events", PAGE), (IDENTIFY, SDK)):
            plain = await service.post(path, fresh_batch("m1"), headers)
            carrying = await service.post(path, fresh_batch("m1"), {**headers, **cookie})
            assert (carrying.status, carrying.body) == (plain.status, plain.body)
            assert carrying.headers.keys() == plain.headers.keys()


async def test_key_and_secret_of_a_server_open_no_browsers_route(tmp_path: Path) -> None:
    """A server's events must not get the address of whoever posts them, nor a page use a server's input."""
    async with running_service(tmp_path, store="memory") as service:
        await add_web(service)
        for path in ("/v3/JS/key-of-the-shop/events", "/v3/JS/shop/events", "/v3/JS/web/events"):
            answer = await service.post(path, fresh_batch("m1"), {**PAGE, **BASIC})
            assert answer.status == 403, path
        assert (await service.post(IDENTIFY, b"{}", {**SDK, "x-mp-key": "key-of-the-shop"})).status == 401
        assert (await service.post(f"/v3/JS/{KEY}/events", fresh_batch("m1"), PAGE)).status == 202
