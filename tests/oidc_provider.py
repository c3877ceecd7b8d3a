"""An OpenID Connect provider on loopback that a test may make lie: every answer can be another than it should be."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

from aiohttp import web
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

CLIENT_ID = "console-of-the-shop"
CLIENT_SECRET = "secret of:the console"
SUBJECT = "subject-248289761001"
SETTINGS = {
    "oidc_client_id": CLIENT_ID,
    "oidc_admin_values": "forwarder-admins",
    "oidc_viewer_values": "forwarder-viewers, staff",
}
Change = Callable[[dict[str, Any]], None]


@cache
def rsa_key(key_id: str) -> RSAKey:
    """Return the key of this name: making one takes a while."""
    return RSAKey.generate_key(2048, {"kid": key_id, "alg": "RS256"})


def unchanged(_members: dict[str, Any]) -> None:
    """Leave what the provider answers as it should be."""


class LyingProvider:
    """Answers as a provider does, unless a test changes something of that. `published` are its keys.

    `secret` is what the client must authenticate with; empty for a public client.
    """

    def __init__(self) -> None:
        self.issuer = ""
        self.key: RSAKey | ECKey = rsa_key("first")
        self.published: list[Any] = [self.key]
        self.secret = CLIENT_SECRET
        self.roles: object = ["forwarder-admins"]
        self.change_document: Change = unchanged
        self.change_claims: Change = unchanged
        self.change_header: Change = unchanged
        self.make_id_token: Callable[[Mapping[str, str]], str] = self.id_token
        self.answer_token: Callable[[], web.StreamResponse] | None = None
        self.answer_document: Callable[[], web.StreamResponse] | None = None
        self.requests: list[str] = []
        self.now_seconds: Callable[[], float] = lambda: 0.0
        self._codes: dict[str, dict[str, str]] = {}

    # --- what a browser does at the provider ---

    def authorize(self, url: str, **changed: str) -> dict[str, str]:
        """Return the query with which the browser is sent back; `changed` replaces parts of the request."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.issuer}/authorize"
        asked = {name: value for name, (value,) in parse_qs(parts.query, strict_parsing=True).items()} | changed
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert (asked["code_challenge_method"], "openid" in asked["scope"].split()) == ("S256", True)
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    # --- what the service asks for ---

    def document(self) -> dict[str, Any]:
        members = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "code_challenge_methods_supported": ["plain", "S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        self.change_document(members)
        return members

    def id_token(self, asked: Mapping[str, str]) -> str:
        now = int(self.now_seconds())
        claims = {
            "iss": self.issuer,
            "sub": SUBJECT,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "preferred_username": "ada",
            "roles": self.roles,
        }
        self.change_claims(claims)
        header = {"alg": "ES256" if isinstance(self.key, ECKey) else "RS256", "kid": str(self.key.kid)}
        self.change_header(header)
        return jws.serialize_compact(header, json.dumps(claims), self.key, [header["alg"]])

    async def _document(self, _request: web.Request) -> web.StreamResponse:
        self.requests.append("document")
        return web.json_response(self.document()) if self.answer_document is None else self.answer_document()

    async def _keys(self, _request: web.Request) -> web.Response:
        self.requests.append("keys")
        published = [each if isinstance(each, dict) else each.as_dict(private=False) for each in self.published]
        return web.json_response({"keys": published})

    async def _token(self, request: web.Request) -> web.StreamResponse:
        self.requests.append("token")
        if self.answer_token is not None:
            return self.answer_token()
        form = await request.post()
        asked = self._codes.pop(str(form["code"]), None)
        if not self._is_authenticated(request, form):
            return web.json_response({"error": "invalid_client"}, status=401)
        if asked is None or form["redirect_uri"] != asked["redirect_uri"] or not _fits(form, asked):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"id_token": self.make_id_token(asked), "access_token": "a", "token_type": "Bearer"})

    def _is_authenticated(self, request: web.Request, form: Mapping[str, Any]) -> bool:
        if not self.secret:
            return "Authorization" not in request.headers and bool(form["client_id"] == CLIENT_ID)
        if "client_secret" in form:
            return bool(form["client_secret"] == self.secret and form["client_id"] == CLIENT_ID)
        given = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        return [unquote_plus(part) for part in given.split(":")] == [CLIENT_ID, self.secret]

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/.well-known/openid-configuration", self._document)
        application.router.add_get("/keys", self._keys)
        application.router.add_post("/token", self._token)
        return application


def _fits(form: Mapping[str, Any], asked: Mapping[str, str]) -> bool:
    digest = sha256(str(form["code_verifier"]).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]


@asynccontextmanager
async def lying_provider() -> AsyncIterator[LyingProvider]:
    """A provider on a free port of this machine."""
    provider = LyingProvider()
    runner = web.AppRunner(provider.application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        provider.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield provider
    finally:
        await runner.cleanup()
