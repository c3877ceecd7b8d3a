"""nginx, HAProxy and Caddy with the files of `deploy/`, in front of a real service, with TLS."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.deploy.deployment import VISITOR, configure, until_delivered
from tests.deploy.single_proxies import HOST, PROXY_NAMES, ProxyName, SingleProxy
from tests.integration.service_process import SandboxThread, ServiceProcess, command, serving
from tests.integration.service_rig import fresh_batch
from tests.integration.test_browser_routes import KEY, PAGE
from tests.ports import free_port

# In one process: each proxy is started once.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.xdist_group("single_proxies")]

SENDER = "key-of-the-shop:secret-of-the-shop"
PASSWORD = "a passphrase for the test"


class Proxied(NamedTuple):
    """A service behind a proxy, configured as the deployment tests are."""

    name: ProxyName
    proxy: SingleProxy
    service: ServiceProcess
    data_dir: Path
    sandbox: SandboxThread


@pytest.fixture(scope="module", params=PROXY_NAMES)
def proxied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    name: ProxyName = request.param
    folder = tmp_path_factory.mktemp(name)
    service_port = free_port()
    proxy = SingleProxy(name, folder, service_port)
    settings = {
        "TIKTOK_FORWARDER_CONSOLE_URL": proxy.url,
        # Only the proxy: visitors of these tests are on other addresses of this machine.
        "TIKTOK_FORWARDER_TRUSTED_PROXIES": "127.0.0.1/32",
    }
    data_dir = folder / "data"
    with SandboxThread() as sandbox, serving(data_dir, sandbox.url, port=str(service_port), **settings) as service:
        configure(data_dir)
        with proxy.running():
            yield Proxied(name, proxy, service, data_dir, sandbox)


def body_file(folder: Path, *event_ids: str, blanks: int = 0) -> str:
    """The option of curl that sends a batch; `blanks` make it larger."""
    file = folder / "batch.json"
    file.write_text(json.dumps(fresh_batch(*event_ids)) + " " * blanks)
    return f"@{file}"


def test_configuration_is_accepted_by_the_program(proxied: Proxied) -> None:
    """As an operator checks it before a reload."""
    checked = proxied.proxy.check()
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_events_are_accepted_and_delivered(proxied: Proxied, tmp_path: Path) -> None:
    """Over HTTP/1.1 and, as browsers speak it, HTTP/2; also through a path with doubled slashes."""
    requests = (("/v2/events", "--http1.1"), ("/v2/events", "--http2"), ("//v2//events", "--http1.1"))
    for number, (path, version) in enumerate(requests):
        body = body_file(tmp_path, f"{proxied.name}-{number}")
        answer = proxied.proxy.request(path, version, "--user", SENDER, "--data-binary", body)
        assert answer.status == 202, answer
    until_delivered(proxied.sandbox, *(f"{proxied.name}-{number}" for number in range(len(requests))))


@pytest.mark.parametrize("forged", ["", "198.51.100.66", "198.51.100.66, 198.51.100.67"])
def test_address_of_a_visitor_is_what_the_proxy_sees(proxied: Proxied, tmp_path: Path, forged: str) -> None:
    """A visitor may write anything into the headers; the proxy replaces it."""
    event_id = f"{proxied.name}-visitor-{forged.count('.')}"
    headers = {**PAGE, **({"X-Forwarded-For": forged, "Forwarded": f'for="{forged}"'} if forged else {})}
    given = [option for name, value in headers.items() for option in ("--header", f"{name}: {value}")]
    body = body_file(tmp_path, event_id)
    answer = proxied.proxy.request(f"/v3/JS/{KEY}/events", *given, "--data-binary", body, source=VISITOR)
    assert answer.status == 202, answer
    assert until_delivered(proxied.sandbox, event_id)[event_id]["user"]["ip"] == VISITOR


def test_metrics_and_api_are_not_public(proxied: Proxied) -> None:
    """Not even with a valid key, and however the path is written."""
    made = command("api-keys", "make", f"ops-{proxied.name}", "--scope", "admin", "--data-dir", str(proxied.data_dir))
    key = ("--header", f"Authorization: Bearer {json.loads(made.stdout)['key']}", "--path-as-is")
    for path in ("/metrics", "/%6detrics", "/api/status", "/%61pi/status", "/api/openapi.json"):
        assert proxied.proxy.request(path, *key).status == 404, path


def test_login_and_live_view_of_the_console_work(proxied: Proxied, tmp_path: Path) -> None:
    """The cookie is bound to TLS, and the live view's stream arrives while it is open."""
    link = command("console-link", "--data-dir", str(proxied.data_dir)).stdout.strip()
    assert link.startswith(f"{proxied.proxy.url}/welcome/")
    cookies = ("--cookie", str(tmp_path / "jar"), "--cookie-jar", str(tmp_path / "jar"))
    form = {"name": "ada", "password": PASSWORD, "again": PASSWORD}
    fields = [option for name, value in form.items() for option in ("--data-urlencode", f"{name}={value}")]
    welcome = proxied.proxy.request(link, *cookies, *fields, "--header", f"Origin: {proxied.proxy.url}")
    assert welcome.status == 303, welcome
    assert re.fullmatch(r"__Host-session=.*; Secure", welcome.headers["set-cookie"]), welcome.headers["set-cookie"]
    assert "strict-transport-security" in welcome.headers
    assert proxied.proxy.request("/activity", *cookies, "--header", "Accept: text/html").status == 200
    stream = ("--no-buffer", "--header", "Accept: text/event-stream")
    live = proxied.proxy.request("/activity/live", *cookies, *stream, seconds=4)
    assert live.status == 200 and live.headers["content-type"].startswith("text/event-stream")
    assert live.body.count(b"\n\n") >= 2, live.body


def test_unencrypted_requests_are_sent_to_tls(proxied: Proxied) -> None:
    """With 308, which keeps method and body."""
    answer = proxied.proxy.request(f"http://{HOST}:{proxied.proxy.plain_port}/login?next=x")
    assert answer.status == 308
    assert re.fullmatch(rf"https://{HOST}(:\d+)?/login\?next=x", answer.headers["location"])


def test_body_that_the_service_would_refuse_is_refused(proxied: Proxied, tmp_path: Path) -> None:
    """413 beyond a megabyte; what is allowed passes, and is on no disk of the proxy."""
    # Over HTTP/2, HAProxy resets the stream after its answer, and curl shows the reset.
    sender = ("--http1.1", "--user", SENDER)
    large = (*sender, "--data-binary", body_file(tmp_path, f"{proxied.name}-large", blanks=1_000_000))
    assert proxied.proxy.request("/v2/events", *large).status == 202
    too_large = (*sender, "--data-binary", body_file(tmp_path, f"{proxied.name}-larger", blanks=1_100_000))
    assert proxied.proxy.request("/v2/events", *too_large).status == 413
    kept = [file for name in ("bodies", "answers") for file in (proxied.proxy.folder / name).rglob("*")]
    assert [file for file in kept if file.is_file()] == []


@pytest.mark.parametrize("name", PROXY_NAMES)
def test_senders_send_again_while_the_service_is_down(name: ProxyName, tmp_path: Path) -> None:
    """503 with Retry-After, as the service itself answers while it cannot store events."""
    with SingleProxy(name, tmp_path, free_port()).running() as proxy:
        answer = proxy.request("/v2/events", "--user", SENDER, "--data-binary", body_file(tmp_path, "lost"))
    problem: Any = answer.json["errors"][0]
    assert (answer.status, answer.headers["retry-after"], problem["code"]) == (503, "5", "UNAVAILABLE")
