"""A login with a provider that may lie, on a store in memory, with a clock that a test moves."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.oidc_provider import CLIENT_ID, LyingProvider, lying_provider
from tests.unit.parts import ManualClock

from tiktok_forwarder.oidc.login import FinishedLogin, OidcLogin, StartedLogin
from tiktok_forwarder.oidc.policy import OidcPolicy
from tiktok_forwarder.secrets.secret_box import AesGcmSecretBox
from tiktok_forwarder.store.memory.store import MemoryStore

BASE = "https://forwarder.example.com"


def policy_of(provider: LyingProvider, **members: Any) -> OidcPolicy:
    given: dict[str, Any] = {
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": provider.secret,
        "scopes": "openid profile",
        "role_claim": "roles",
        "admin_values": frozenset({"forwarder-admins"}),
        "viewer_values": frozenset({"forwarder-viewers"}),
    }
    return OidcPolicy(**{**given, **members})


class LoginRig:
    """A console's logins; `failures` are those that the operator gets to know."""

    def __init__(self, provider: LyingProvider, policy: OidcPolicy | None = None) -> None:
        self.provider = provider
        self.clock = ManualClock()
        provider.now_seconds = lambda: self.clock.now_ms() / 1000
        self.store = MemoryStore()
        self.box = AesGcmSecretBox(bytes(32))
        self.failures: list[str] = []
        self.policy = policy if policy is not None else policy_of(provider)
        self.login = self.another_node()

    def another_node(self) -> OidcLogin:
        """The logins of a node over the same store, with the same key."""
        return OidcLogin(self.policy, self.box, self.store, self.clock, self)

    def on_oidc_login_failed(self, reason: str) -> None:
        self.failures.append(reason)

    def wait(self, seconds: float) -> None:
        self.clock.time_ms += round(seconds * 1000)

    async def start(self, path: str = "/") -> StartedLogin:
        return await self.login.start(BASE, path)

    async def finish(self, query: Mapping[str, str], sealed: str) -> FinishedLogin:
        return await self.login.finish(BASE, query, sealed)

    async def log_in(self, path: str = "/") -> FinishedLogin:
        """A login from its start to its end."""
        started = await self.start(path)
        return await self.finish(self.provider.authorize(started.url), started.sealed)


@asynccontextmanager
async def login_rig() -> AsyncIterator[LoginRig]:
    async with lying_provider() as provider:
        yield LoginRig(provider)
