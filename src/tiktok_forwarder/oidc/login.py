"""A login through the provider: the authorization code flow with PKCE, bound to one browser and usable once."""

import base64
import hmac
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from tiktok_forwarder.access.digests import digest_of
from tiktok_forwarder.access.provider_users import MAX_NAME_LENGTH, ProviderUser
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import RevisionConflict, SecretUnreadable
from tiktok_forwarder.domain.secret_box import SecretBox
from tiktok_forwarder.oidc.errors import AnswerRefused, ProviderUnreachable
from tiktok_forwarder.oidc.policy import OidcPolicy
from tiktok_forwarder.oidc.provider import Provider
from tiktok_forwarder.oidc.requests import ProviderRequests
from tiktok_forwarder.oidc.token_endpoint import TokenEndpoint, error_code
from tiktok_forwarder.store.expiring import ExpiringPut, ExpiringStore

CALLBACK_PATH: Final = "/login/oidc/callback"
# Time to enter a password and a second factor at the provider.
LOGIN_SECONDS: Final = 600
MAX_CONCURRENT: Final = 16
_MAX_PATH_LENGTH: Final = 1000
_SEALED_AS: Final = "oidc login"
_REPORTED_AGAIN_SECONDS: Final = 60.0
_NAME_CLAIMS: Final = ("preferred_username", "name", "email")
_START_AGAIN: Final = "start the login again"


class OidcObserver(Protocol):
    def on_oidc_login_failed(self, reason: str) -> None:
        """The provider gave no answer, or one that was refused. The same reason is reported once a minute at most."""
        ...


class LoginRefused(Exception):
    """A login cannot start or end. The text is for the user; `status` is that of the HTTP answer."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class RoleMissing(LoginRefused):
    """The provider has identified the user, but gives no role. `user` is for the audit log only."""

    def __init__(self, message: str, user: ProviderUser) -> None:
        self.user = user
        super().__init__(403, message)


class StartedLogin(Struct, frozen=True):
    """Where to send the browser, and the sealed state that its cookie keeps until it comes back."""

    url: str
    sealed: str


class FinishedLogin(Struct, frozen=True):
    """Who logged in, and the path of the console that the login was started for."""

    user: ProviderUser
    path: str


class _State(Struct, frozen=True):
    """A login that has started. The browser keeps it, sealed, so that any node can finish it."""

    state: str
    nonce: str
    verifier: str
    path: str
    expires_at_ms: int


class OidcLogin:
    """Logins through the provider of a policy. The process keeps nothing of them."""

    def __init__(
        self, policy: OidcPolicy, box: SecretBox, store: ExpiringStore, clock: Clock, observer: OidcObserver
    ) -> None:
        # Loaded here and not with this file: a service without OIDC login need not spend time and memory on a library.
        from tiktok_forwarder.oidc.id_token import IdTokens  # noqa: PLC0415

        self._policy = policy
        self._box = box
        self._store = store
        self._clock = clock
        self._observer = observer
        requests = ProviderRequests()
        self._provider = Provider(policy, requests, clock)
        self._token_endpoint = TokenEndpoint(policy, requests)
        self._id_tokens = IdTokens(policy, self._provider, clock)
        self._running = 0
        self._reported: dict[str, float] = {}

    @property
    def provider_name(self) -> str:
        return self._policy.provider_name

    @property
    def policy_digest(self) -> str:
        return self._policy.digest

    async def start(self, base: str, path: str) -> StartedLogin:
        """Start a login that leads back to the console at this URL, and to this path of it. Raises `LoginRefused`."""
        with self._exchange_with_provider():
            endpoint = (await self._provider.metadata()).authorization_endpoint
        # 256 random bits each. RFC 7636 section 4.1 asks for at least 43 characters of a verifier, which these are.
        state = _State(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(32),
            path=path if len(path) <= _MAX_PATH_LENGTH else "/",
            expires_at_ms=self._clock.now_ms() + LOGIN_SECONDS * 1000,
        )
        query = {
            "response_type": "code",
            "client_id": self._policy.client_id,
            "redirect_uri": base + CALLBACK_PATH,
            "scope": self._policy.scopes,
            "state": state.state,
            "nonce": state.nonce,
            "code_challenge": base64.urlsafe_b64encode(sha256(state.verifier.encode()).digest()).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        url = f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"
        return StartedLogin(url, self._box.seal(msgspec.json.encode(state).decode(), _SEALED_AS))

    async def finish(self, base: str, query: Mapping[str, str], sealed: str) -> FinishedLogin:
        """Return who logged in, from the query of the callback and the browser's sealed state.

        Raises `LoginRefused`. The provider is asked only if the callback belongs to a login of this browser.
        """
        state = self._open(sealed, query.get("state", ""))
        with self._exchange_with_provider():
            claims = await self._claims(base + CALLBACK_PATH, query, state)
        await self._use(state)
        return FinishedLogin(self._user_of(claims), state.path)

    def _open(self, sealed: str, given: str) -> _State:
        """Return the state of the login that this browser has started, which the callback must name."""
        try:
            state = msgspec.json.decode(self._box.open(sealed, _SEALED_AS), type=_State)
        except (SecretUnreadable, msgspec.DecodeError):
            raise LoginRefused(401, f"this browser has no login to finish; {_START_AGAIN}") from None
        if not hmac.compare_digest(state.state.encode(), given.encode("utf-8", "surrogateescape")):
            raise LoginRefused(401, f"this browser has not started this login; {_START_AGAIN}")
        if self._clock.now_ms() > state.expires_at_ms:
            raise LoginRefused(401, f"the login took longer than {LOGIN_SECONDS // 60} minutes; {_START_AGAIN}")
        return state

    async def _claims(self, redirect_uri: str, query: Mapping[str, str], state: _State) -> Mapping[str, Any]:
        """Return the claims about the user. Raises `AnswerRefused`, `ProviderUnreachable` and `LoginRefused`."""
        metadata = await self._provider.metadata()
        issuer = query.get("iss")
        # RFC 9207: a code of another provider must not be sent to this one.
        must_name_issuer = issuer is not None or metadata.authorization_response_iss_parameter_supported
        if must_name_issuer and issuer != self._policy.issuer:
            raise AnswerRefused("the authorization response is of another issuer")
        code = query.get("code")
        if code is None:
            reason = error_code(query.get("error", ""))
            raise LoginRefused(
                401, f"the provider {self.provider_name} did not log you in{f' ({reason})' if reason else ''}"
            )
        id_token = await self._token_endpoint.fetch_id_token(code, state.verifier, redirect_uri, metadata)
        return await self._id_tokens.verify(id_token, state.nonce)

    async def _use(self, state: _State) -> None:
        """Let no other callback use this state, on any node. Only a login that the provider confirmed is recorded."""
        used = ExpiringPut("oidc_login", digest_of(state.state), b"", state.expires_at_ms, 0)
        try:
            await self._store.put_expiring([used], self._clock.now_ms())
        except RevisionConflict:
            raise LoginRefused(401, f"this login is finished already; {_START_AGAIN}") from None

    def _user_of(self, claims: Mapping[str, Any]) -> ProviderUser:
        policy = self._policy
        role = policy.role_of(claims)
        user = ProviderUser(policy.digest, policy.issuer, claims["sub"], _name_in(claims), role or "viewer")
        if role is not None:
            return user
        what = "has no value that gives a role" if policy.has_role_claim(claims) else "is missing"
        message = f"the provider {self.provider_name} logged you in as {user.name}, who has no access here"
        raise RoleMissing(f'{message}: the claim "{policy.role_claim}" {what}; ask an administrator', user)

    @contextmanager
    def _exchange_with_provider(self) -> Iterator[None]:
        """Bound what strangers can make the service ask for, and turn what goes wrong into words for the user."""
        if self._running >= MAX_CONCURRENT:
            raise LoginRefused(503, "too many logins are in progress; retry in a few seconds")
        self._running += 1
        try:
            yield
        except ProviderUnreachable as error:
            self._report(str(error))
            message = f"the provider {self.provider_name} cannot be used now: {error}"
            raise LoginRefused(503, f"{message}; retry later, or log in with a password") from None
        except AnswerRefused as error:
            self._report(str(error))
            raise LoginRefused(401, f"the login with {self.provider_name} failed: {error}; {_START_AGAIN}") from None
        finally:
            self._running -= 1

    def _report(self, reason: str) -> None:
        now = self._clock.monotonic_seconds()
        if now - self._reported.get(reason, -_REPORTED_AGAIN_SECONDS) >= _REPORTED_AGAIN_SECONDS:
            self._reported[reason] = now
            self._observer.on_oidc_login_failed(reason)


def _name_in(claims: Mapping[str, Any]) -> str:
    """Return the name to show: printable, on one line, and bounded; the subject if there is no name."""
    for claim in (*_NAME_CLAIMS, "sub"):
        value = claims.get(claim)
        name = "".join(filter(str.isprintable, value)).strip() if isinstance(value, str) else ""
        if name:
            return name[:MAX_NAME_LENGTH]
    return "without a name"
