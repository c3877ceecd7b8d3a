"""OIDC login of a running service over HTTP: which pages exist, which cookies a browser gets, and what is kept."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.cookies import Morsel
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.integration.service_process import command
from tests.integration.service_rig import Service, running_service
from tests.oidc_provider import CLIENT_SECRET, SETTINGS, SUBJECT, LyingProvider, lying_provider
from tests.unit.console.door_rig import SAFE_HEADERS

pytestmark = pytest.mark.slow

PROXY = "https://forwarder.example.com"
SECRET_VARIABLE = "TIKTOK_FORWARDER_OIDC_CLIENT_SECRET"


class Visitor:
    """A browser without scripts: it keeps cookies, and follows no redirect unless a test does."""

    def __init__(self, service: Service, provider: LyingProvider, **headers: str) -> None:
        self._service = service
        self._provider = provider
        self._headers = {"Accept": "text/html", **{name.replace("_", "-"): text for name, text in headers.items()}}
        self.cookies: dict[str, str] = {}
        self.given: dict[str, Morsel[str]] = {}

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> tuple[int, str, Mapping[str, str]]:
        """Return status, text and headers."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(
                self._service.url + path,
                params=query,
                headers={**self._headers, "Cookie": cookies},
                allow_redirects=False,
            ) as answer,
        ):
            self.given = dict(answer.cookies)
            self.cookies |= {name: each.value for name, each in self.given.items()}
            return answer.status, await answer.text(), answer.headers

    async def start(self, path: str = "/login/oidc") -> dict[str, str]:
        """Go to the provider and log in there; return the query with which it sends the browser back."""
        status, _, headers = await self.get(path)
        assert status == 303
        return self._provider.authorize(headers["Location"])

    async def finish(self, query: Mapping[str, str]) -> tuple[int, str, Mapping[str, str]]:
        return await self.get("/login/oidc/callback", query)

    async def log_in(self) -> tuple[int, str, Mapping[str, str]]:
        return await self.finish(await self.start())


@asynccontextmanager
async def oidc_service(data_dir: Path, provider: LyingProvider, **settings: object) -> AsyncIterator[Service]:
    secret = data_dir.parent / "client-secret"
    secret.write_text(CLIENT_SECRET + "\n")
    given = {**SETTINGS, "oidc_issuer": provider.issuer, "oidc_client_secret_file": str(secret)}
    async with running_service(data_dir, "http://127.0.0.1:9", **{**given, **settings}) as service:
        clock = service.application.base.clock
        provider.now_seconds = lambda: clock.now_ms() / 1000
        yield service


@pytest.fixture
async def provider() -> AsyncIterator[LyingProvider]:
    async with lying_provider() as provider:
        yield provider


@pytest.fixture
async def service(tmp_path: Path, provider: LyingProvider) -> AsyncIterator[Service]:
    async with oidc_service(tmp_path / "data", provider) as service:
        yield service


async def audit(service: Service) -> list[tuple[str, str, dict[str, Any]]]:
    return [(each.action, each.by, dict(each.what)) for each in (await service.services.audit.latest(100))[::-1]]


# --- off ---


async def test_without_a_provider_there_is_no_page_no_button_and_no_library(tmp_path: Path) -> None:
    """What is not used cannot be attacked, and costs nothing."""
    script = (
        "import sys, tiktok_forwarder.bootstrap, tiktok_forwarder.cli.serve_command\n"
        "assert not any(name.startswith('joserfc') for name in sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    assert await process.wait() == 0
    async with running_service(tmp_path) as service, lying_provider() as provider:
        visitor = Visitor(service, provider)
        for path in ("/login/oidc", "/login/oidc/callback?code=x&state=x"):
            status, _, _ = await visitor.get(path)
            assert status == 404, path
        assert "/login/oidc" not in (await visitor.get("/login"))[1]


# --- a login ---


async def test_login_through_the_provider_opens_a_session(service: Service, provider: LyingProvider) -> None:
    """The page that ends it leads on automatically: a redirect would be the other site's, without the strict cookie."""
    visitor = Visitor(service, provider)
    assert f'href="/login/oidc?next=%2Faccess">Log in with {provider.issuer[7:]}<' in (
        await visitor.get("/login?next=/access")
    )[1].replace("&amp;", "&")
    query = await visitor.start("/login/oidc?next=/access")
    pending = visitor.given[f"oidc-{service.port}"]
    assert (pending["samesite"], pending["httponly"], pending["path"], pending["max-age"]) == ("lax", True, "/", "600")
    status, text, headers = await visitor.finish(query)
    session = visitor.given[f"session-{service.port}"]
    assert (status, session["samesite"], session["httponly"]) == (200, "strict", True)
    assert '<meta http-equiv="refresh" content="0;url=/access">' in text
    assert {name: headers[name] for name in SAFE_HEADERS} == SAFE_HEADERS
    assert (visitor.given[f"oidc-{service.port}"].value, headers["Cache-Control"]) == ("", "no-store")
    status, text, _ = await visitor.get("/access")
    (login,) = await audit(service)
    assert status == 200 and "OIDC user ada (op_" in text
    assert (login[0], login[2]) == ("login", {"by": "OIDC", "subject": SUBJECT})
    assert (await visitor.get("/login/oidc?next=/health"))[2]["Location"] == "/health"


async def test_viewer_may_view_only_and_has_no_password_here(service: Service, provider: LyingProvider) -> None:
    """The role is that of the provider's claim."""
    provider.roles = "staff"
    visitor = Visitor(service, provider)
    await visitor.log_in()
    assert ((await visitor.get("/"))[0], (await visitor.get("/access"))[0]) == (200, 403)
    text = (await visitor.get("/account"))[1]
    assert "You logged in through an OIDC provider" in text and "Current password" not in text


async def test_user_without_a_role_gets_403_and_nothing_is_created(service: Service, provider: LyingProvider) -> None:
    """The page names the claim; the audit log has the user."""
    provider.roles = None
    visitor = Visitor(service, provider)
    status, text, _ = await visitor.log_in()
    assert (status, f"session-{service.port}" in visitor.cookies) == (403, False)
    assert "who has no access here: the claim &#34;roles&#34; is missing; ask an administrator." in text
    (entry,) = await audit(service)
    assert (entry[0], entry[2]) == ("login_failed", {"by": "OIDC", "subject": SUBJECT, "reason": "no role"})
    assert service.services.console_access.users.all() == []


async def test_password_login_works_beside_the_provider_and_without_it(
    service: Service, provider: LyingProvider
) -> None:
    """A provider that is down locks no one out."""
    provider.answer_document = lambda: web.Response(status=503)
    visitor = Visitor(service, provider)
    status, text, _ = await visitor.get("/login/oidc")
    assert status == 503 and "cannot be used now: it answered HTTP 503; retry later, or log in with a password." in text
    assert 'name="password"' in text and "Traceback" not in text
    password = "correct horse battery"
    await service.services.console_access.users.add_with_password("Ada", "admin", password, "test")
    answer = await service.client.post(
        service.url + "/login",
        data={"name": "Ada", "password": password},
        headers={"Origin": service.url},
        allow_redirects=False,
    )
    assert answer.status == 303


async def test_behind_tls_both_cookies_are_of_this_host_only(tmp_path: Path, provider: LyingProvider) -> None:
    """The provider sends the browser back to the declared address."""
    async with oidc_service(tmp_path / "data", provider, console_url=PROXY) as service:
        visitor = Visitor(service, provider, Host="forwarder.example.com", X_Forwarded_For="203.0.113.9")
        status, _, headers = await visitor.get("/login/oidc")
        assert status == 303
        assert "redirect_uri=https%3A%2F%2Fforwarder.example.com%2Flogin%2Foidc%2Fcallback" in headers["Location"]
        assert visitor.given["__Host-oidc"]["secure"] and not visitor.given["__Host-oidc"]["domain"]
        await visitor.finish(provider.authorize(headers["Location"]))
        assert visitor.given["__Host-session"]["secure"] and visitor.given["__Host-session"]["samesite"] == "strict"
        assert (await visitor.get("/access"))[0] == 200


# --- hostile callbacks ---


async def test_callback_opens_nothing_without_this_browsers_own_login(
    service: Service, provider: LyingProvider
) -> None:
    """Forged, replayed, or of another browser: 401, and no session."""
    visitor, stranger = Visitor(service, provider), Visitor(service, provider)
    query = await visitor.start()
    other = await stranger.start()
    for hostile in ({}, {"code": "x"}, {"code": "x", "state": "forged"}, {**query, "state": other["state"]}, other):
        attempt = Visitor(service, provider)
        attempt.cookies = dict(visitor.cookies)
        status, _, _ = await attempt.finish(hostile)
        assert (status, f"session-{service.port}" in attempt.cookies) == (401, False), hostile
        assert attempt.cookies == visitor.cookies, "the login that has started is not ended"
    cookies = dict(visitor.cookies)
    assert (await visitor.finish(query))[0] == 200
    for replay in ({}, cookies):
        attempt = Visitor(service, provider)
        attempt.cookies = replay
        status, _, _ = await attempt.finish(query)
        assert (status, f"session-{service.port}" in attempt.cookies) == (401, False)


@pytest.mark.parametrize(
    "claims", [{"nonce": "x"}, {"iss": "https://other.example.com"}, {"aud": "another-client"}, {"exp": 1}]
)
async def test_token_that_proves_nothing_opens_nothing(
    tmp_path: Path, provider: LyingProvider, claims: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """The user reads one sentence, and the operator finds the reason in the log."""
    provider.change_claims = lambda given: given.update(claims)
    async with oidc_service(tmp_path / "data", provider) as service:
        visitor = Visitor(service, provider)
        status, text, _ = await visitor.log_in()
        assert (status, f"session-{service.port}" in visitor.cookies) == (401, False)
        assert "start the login again." in text
        assert await audit(service) == []
    assert "OIDC login failed" in capfd.readouterr().err


async def test_login_leads_to_pages_of_the_console_only(service: Service, provider: LyingProvider) -> None:
    """Whatever a link to the login asks for."""
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"):
        visitor = Visitor(service, provider)
        _, text, _ = await visitor.finish(await visitor.start(f"/login/oidc?next={target}"))
        assert 'content="0;url=/"' in text and "evil" not in text, target


# --- what is kept ---


async def test_no_secret_of_a_login_is_kept_or_shown(
    tmp_path: Path, provider: LyingProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    """Client secret, codes, tokens and references are in no file, log, page or setting."""
    data_dir = tmp_path / "data"
    async with oidc_service(data_dir, provider, log_level="debug") as service:
        visitor = Visitor(service, provider)
        query = await visitor.start()
        sealed = visitor.cookies[f"oidc-{service.port}"]
        _, page, _ = await visitor.finish(query)
        provider.secret = "renewed"
        failed = await visitor_page(service, provider)
        disk = b"".join(file.read_bytes() for file in sorted(data_dir.iterdir()) if file.is_file())
        reference = visitor.cookies[f"session-{service.port}"]
    log = capfd.readouterr()
    assert "invalid_client" in failed and "invalid_client" in log.err
    for secret in (CLIENT_SECRET, query["code"], query["state"], sealed, reference):
        for place in (page, failed, log.out, log.err):
            assert secret not in place
        assert secret.encode() not in disk


async def visitor_page(service: Service, provider: LyingProvider) -> str:
    return (await Visitor(service, provider).log_in())[1]


def test_settings_command_shows_the_place_of_the_secret_only(tmp_path: Path) -> None:
    """The variable is no setting, and what is in the file is not read."""
    done = command("settings", "--data-dir", str(tmp_path), **{SECRET_VARIABLE: CLIENT_SECRET})
    assert done.returncode == 0 and CLIENT_SECRET not in done.stdout + done.stderr
    assert "oidc_client_secret_file" in done.stdout


def test_service_does_not_start_with_an_unusable_secret_file(tmp_path: Path) -> None:
    """One line that names the file."""
    variables = {"OIDC_ISSUER": "https://login.example.com", "OIDC_CLIENT_ID": "c", "OIDC_ADMIN_VALUES": "admins"}
    given = {f"TIKTOK_FORWARDER_{name}": value for name, value in variables.items()}
    missing = str(tmp_path / "missing")
    given["TIKTOK_FORWARDER_OIDC_CLIENT_SECRET_FILE"] = missing
    done = command("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), **given)
    assert done.returncode != 0
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .endswith(f"oidc_client_secret_file: {missing}: cannot read the file: No such file or directory")
    )


# --- several nodes ---


@pytest.mark.both_stores
async def test_login_is_finished_after_a_restart(tmp_path: Path, provider: LyingProvider) -> None:
    """Nothing of a pending login is in the memory of a process, and a session outlasts one."""
    data_dir = tmp_path / "data"
    async with oidc_service(data_dir, provider) as service:
        visitor = Visitor(service, provider)
        query = await visitor.start()
        port = service.port
    async with oidc_service(data_dir, provider, port=port) as service:
        visitor._service = service
        assert (await visitor.finish(query))[0] == 200
    async with oidc_service(data_dir, provider, port=port) as service:
        visitor._service = service
        assert (await visitor.get("/access"))[0] == 200
    async with oidc_service(data_dir, provider, port=port, oidc_admin_values="others") as service:
        visitor._service = service
        assert (await visitor.get("/access"))[0] == 303
        assert "the settings of logins through a provider were changed" in (await visitor.get("/login"))[1]
