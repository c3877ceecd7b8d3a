"""What the provider publishes of itself, as long as it may be kept: its endpoints and its keys.

The issuer is compared as OpenID Connect Discovery 1.0 section 4.3 demands, so that no other provider's document is
taken for it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.oidc.errors import ProviderUnreachable
from tiktok_forwarder.oidc.policy import OidcPolicy
from tiktok_forwarder.oidc.requests import ProviderRequests

_DOCUMENT_PATH: Final = "/.well-known/openid-configuration"
METADATA_KEPT_SECONDS: Final = 3600.0
# A key that the provider has removed, perhaps because it was stolen, is accepted for at most as long.
KEYS_KEPT_SECONDS: Final = 600.0
# A token that names an unknown key is the usual sign of a new one; more often, it is not.
KEYS_ASKED_AGAIN_SECONDS: Final = 30.0

Key = dict[str, Any]
"""A JSON Web Key as published."""


class Metadata(Struct, frozen=True):
    """The provider's document, as far as it is needed; other members are ignored."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods_supported: tuple[str, ...] | None = None
    authorization_response_iss_parameter_supported: bool = False


class _KeySet(Struct, frozen=True):
    keys: list[Key]


class Provider:
    """The provider of a policy. Its methods raise `ProviderUnreachable`."""

    def __init__(self, policy: OidcPolicy, requests: ProviderRequests, clock: Clock) -> None:
        self._policy = policy
        self._requests = requests
        self._clock = clock
        self._lock = asyncio.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, str, Sequence[Key]] | None = None
        self._asked_again_at: float | None = None

    async def metadata(self) -> Metadata:
        """Return the provider's document, at most an hour old."""
        # Of several logins at the same time, one fetches the document for all.
        async with self._lock:
            now = self._clock.monotonic_seconds()
            if self._metadata is None or now - self._metadata[0] >= METADATA_KEPT_SECONDS:
                self._metadata = (now, await self._fetch_metadata())
            return self._metadata[1]

    async def keys(self, key_id: str | None) -> Sequence[Key]:
        """Return the provider's keys, at most ten minutes old.

        They are fetched again if none of them has this ID, but not more often than every half minute for that.
        """
        url = (await self.metadata()).jwks_uri
        async with self._lock:
            now = self._clock.monotonic_seconds()
            if self._keys is None or self._keys[1] != url or now - self._keys[0] >= KEYS_KEPT_SECONDS:
                self._keys = (now, url, await self._fetch_keys(url))
            elif key_id is not None and not _has_key(self._keys[2], key_id) and self._may_ask_again(now):
                self._asked_again_at = now
                self._keys = (now, url, await self._fetch_keys(url))
            return self._keys[2]

    def _may_ask_again(self, now: float) -> bool:
        return self._asked_again_at is None or now - self._asked_again_at >= KEYS_ASKED_AGAIN_SECONDS

    async def _fetch_metadata(self) -> Metadata:
        issuer = self._policy.issuer
        body = await self._requests.fetch_issuer_document(issuer.rstrip("/") + _DOCUMENT_PATH)
        try:
            metadata = msgspec.json.decode(body, type=Metadata)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ProviderUnreachable("its configuration document cannot be read") from None
        if metadata.issuer != issuer:
            raise ProviderUnreachable("its configuration document is of another issuer; see the setting oidc_issuer")
        for url in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
            if not _is_allowed(url, issuer):
                raise ProviderUnreachable("its configuration document has an endpoint without https://")
        methods = metadata.code_challenge_methods_supported
        # A document may omit its methods, as Microsoft's does.
        if methods is not None and "S256" not in methods:
            raise ProviderUnreachable("it does not support PKCE with S256")
        return metadata

    async def _fetch_keys(self, url: str) -> Sequence[Key]:
        try:
            return msgspec.json.decode(await self._requests.fetch(url), type=_KeySet).keys
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ProviderUnreachable("its keys cannot be read") from None


def _has_key(keys: Sequence[Key], key_id: str) -> bool:
    return any(key.get("kid") == key_id for key in keys)


def _is_allowed(url: str, issuer: str) -> bool:
    """Return whether an endpoint may be used: over TLS, or on the host of an issuer on this machine."""
    try:
        endpoint, own = urlsplit(url), urlsplit(issuer)
    except ValueError:
        return False
    if not endpoint.hostname or not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return False
    return endpoint.scheme == "https" or (own.scheme == "http" and url.startswith(f"http://{own.netloc}/"))
