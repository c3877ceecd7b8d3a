"""What the provider publishes of itself: which of it is believed, and for how long."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.certificates import make_certificate
from tests.oidc_provider import LyingProvider
from tests.unit.oidc.login_rig import LoginRig, policy_of
from tests.unit.parts import ManualClock

from tiktok_forwarder.oidc.errors import ProviderUnreachable
from tiktok_forwarder.oidc.provider import METADATA_KEPT_SECONDS, Provider
from tiktok_forwarder.oidc.requests import MAX_ANSWER_BYTES, ProviderRequests

ELSEWHERE = "http://127.0.0.1:9/elsewhere"


async def reason(rig: LoginRig) -> str:
    with pytest.raises(ProviderUnreachable) as refused:
        await rig.login._provider.metadata()
    return str(refused.value)


# --- the document ---


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"issuer": "https://other.example.com"}, "is of another issuer; see the setting oidc_issuer"),
        ({"issuer": 7}, "cannot be read"),
        ({"token_endpoint": None}, "cannot be read"),
        ({"authorization_endpoint": "http://login.example.com/authorize"}, "without https://"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "without https://"),
        ({"token_endpoint": "http://169.254.169.254/token"}, "without https://"),
        ({"jwks_uri": "file:///etc/passwd"}, "without https://"),
        ({"jwks_uri": "https:///keys"}, "without https://"),
        ({"jwks_uri": "https://[::1/keys"}, "without https://"),
        ({"token_endpoint": "https://login.example.com\\@evil.example/"}, "without https://"),
        ({"token_endpoint": "https://login.example.com/\r\nx"}, "without https://"),
        ({"code_challenge_methods_supported": ["plain"]}, "does not support PKCE with S256"),
    ],
)
async def test_document_that_cannot_be_trusted_is_refused(
    rig: LoginRig, members: dict[str, Any], expected: str
) -> None:
    """An issuer on this machine may have its own endpoints without TLS, and no others."""
    rig.provider.change_document = lambda document: document.update(members)
    assert expected in await reason(rig)


async def test_document_need_not_name_its_pkce_methods(rig: LoginRig) -> None:
    """Microsoft's names none and supports them."""
    rig.provider.change_document = lambda document: document.pop("code_challenge_methods_supported")
    assert (await rig.login._provider.metadata()).issuer == rig.provider.issuer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda: web.Response(status=404), "answered HTTP 404"),
        (lambda: web.Response(status=302, headers={"Location": ELSEWHERE}), "answered HTTP 302"),
        (lambda: web.Response(body=b"<html>"), "cannot be read"),
        (lambda: web.Response(body=b"\xff"), "cannot be read"),
        (lambda: web.Response(body=b" " * (MAX_ANSWER_BYTES + 1)), f"larger than {MAX_ANSWER_BYTES:,} bytes"),
    ],
)
async def test_answer_that_is_no_document_is_one_reason(
    rig: LoginRig, answer: Callable[[], web.Response], expected: str
) -> None:
    """Redirects are not followed, and no more is read than a document may have."""
    rig.provider.answer_document = answer
    assert expected in await reason(rig)


async def test_document_is_kept_for_an_hour_and_read_once_by_many(rig: LoginRig) -> None:
    """Then an endpoint that has moved is found."""
    found = await asyncio.gather(*(rig.login._provider.metadata() for _ in range(5)))
    assert rig.provider.requests == ["document"] and len({id(each) for each in found}) == 1
    rig.provider.change_document = lambda document: document.update(token_endpoint="https://login.example.com/new")
    rig.wait(METADATA_KEPT_SECONDS - 1)
    assert (await rig.login._provider.metadata()).token_endpoint == f"{rig.provider.issuer}/token"
    rig.wait(1)
    assert (await rig.login._provider.metadata()).token_endpoint == "https://login.example.com/new"


async def test_failure_is_not_kept(rig: LoginRig) -> None:
    """The next login asks again."""
    rig.provider.answer_document = lambda: web.Response(status=503)
    assert "HTTP 503" in await reason(rig)
    rig.provider.answer_document = None
    assert (await rig.login._provider.metadata()).issuer == rig.provider.issuer


@pytest.mark.parametrize("path", ["/", "/realms/shop", "/realms/shop/"])
async def test_document_is_below_the_issuer(path: str) -> None:
    """Some issuers end in a slash, which is part of the name and not of the document's path twice."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({})

    async with served(answer) as url:
        provider = LyingProvider()
        provider.issuer = url + path
        with pytest.raises(ProviderUnreachable):
            await Provider(policy_of(provider), ProviderRequests(), ManualClock()).metadata()
    assert asked == [f"{path.rstrip('/')}/.well-known/openid-configuration"]


# --- requests ---


@asynccontextmanager
async def served(answer: Callable[[web.Request], Any], tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve this answer to every request, on a free port of this machine."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_provider_on_the_internet_leads_to_no_machine_of_this_network(rig: LoginRig) -> None:
    """Its endpoints may not be addresses that only this network reaches, by name or by number."""
    requests = ProviderRequests()
    for host in ("127.0.0.1", "localhost"):
        url = rig.provider.issuer.replace("127.0.0.1", host)
        with pytest.raises(ProviderUnreachable):
            await requests.fetch(f"{url}/keys")
        with pytest.raises(ProviderUnreachable):
            await requests.post_form(f"{url}/token", {}, {})
    assert rig.provider.requests == []
    await requests.fetch_issuer_document(f"{rig.provider.issuer}/.well-known/openid-configuration")
    await requests.fetch(f"{rig.provider.issuer}/keys")
    assert rig.provider.requests == ["document", "keys"]


async def test_provider_that_is_down_is_one_reason() -> None:
    """Nothing listens on the port."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response()

    async with served(answer) as url:
        pass
    with pytest.raises(ProviderUnreachable, match="a connection was not possible"):
        await ProviderRequests().fetch_issuer_document(url)


@pytest.mark.parametrize(("host", "expired"), [("127.0.0.1", False), ("127.0.0.2", False), ("127.0.0.1", True)])
async def test_certificate_must_be_valid_for_the_host(
    host: str, expired: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an authority of this machine, which an operator may add, and not of another host or time."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=b"{}")

    certificate, tls = make_certificate(tmp_path, host=host, expired=expired)
    async with served(answer, tls) as url:
        with pytest.raises(ProviderUnreachable, match="its certificate is not valid for this host"):
            await ProviderRequests().fetch_issuer_document(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        if host == "127.0.0.1" and not expired:
            assert await ProviderRequests().fetch_issuer_document(url) == b"{}"
        else:
            with pytest.raises(ProviderUnreachable, match="its certificate is not valid for this host"):
                await ProviderRequests().fetch_issuer_document(url)


async def test_proxy_of_the_environment_is_not_used(rig: LoginRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would see codes and secrets of a provider without TLS, and resolve names elsewhere."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert (await rig.login._provider.metadata()).issuer == rig.provider.issuer


async def test_connection_that_ends_early_is_one_reason() -> None:
    """Half an answer is none."""

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with served(answer) as url:
        with pytest.raises(ProviderUnreachable, match="the connection ended before an answer"):
            await ProviderRequests().fetch_issuer_document(url)
