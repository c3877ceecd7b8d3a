"""Which provider is trusted with logins, and which of its users get which role."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tiktok_forwarder.access.digests import digest_of
from tiktok_forwarder.access.users import Role


class OidcPolicy(Struct, frozen=True, kw_only=True):
    """The settings of OIDC login. Without a client secret, the console is a public client, secured by PKCE alone."""

    issuer: str
    client_id: str
    client_secret: str
    scopes: str
    role_claim: str
    admin_values: frozenset[str]
    viewer_values: frozenset[str]

    def __repr__(self) -> str:
        return f"OidcPolicy({self.issuer})"

    @property
    def provider_name(self) -> str:
        """Return the name of the provider for people: its host."""
        return urlsplit(self.issuer).netloc

    @property
    def digest(self) -> str:
        """Return a digest of everything that decides who gets which role: a session of another policy is void."""
        roles = [self.role_claim, sorted(self.admin_values), sorted(self.viewer_values)]
        return digest_of(msgspec.json.encode([self.issuer, self.client_id, *roles]).decode())

    def role_of(self, claims: Mapping[str, Any]) -> Role | None:
        """Return the role that the claims give. Text and lists of texts count; any other value gives none."""
        claim = _claim_at(claims, self.role_claim)
        values = {each for each in (claim if isinstance(claim, list) else [claim]) if isinstance(each, str)}
        if values & self.admin_values:
            return "admin"
        return "viewer" if values & self.viewer_values else None

    def has_role_claim(self, claims: Mapping[str, Any]) -> bool:
        return _claim_at(claims, self.role_claim) is not None


def policy_values(text: str) -> frozenset[str]:
    """Return the values in a setting's text, which separates them by commas."""
    return frozenset(filter(None, map(str.strip, text.split(","))))


def _claim_at(claims: Mapping[str, Any], path: str) -> object:
    """Return the claim of this name, or else the one at this path; None if there is neither.

    The name comes first, since names may have dots: a claim of one's own is often named by a URL.
    """
    if path in claims:
        return claims[path]
    found: object = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
