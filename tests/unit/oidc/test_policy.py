"""Roles by the claims of an ID token."""

from typing import Any

import pytest

from tiktok_forwarder.oidc.policy import OidcPolicy, policy_values


def policy(**members: Any) -> OidcPolicy:
    given: dict[str, Any] = {
        "issuer": "https://login.example.com/realms/shop",
        "client_id": "console",
        "client_secret": "secret-of-the-console",
        "scopes": "openid",
        "role_claim": "roles",
        "admin_values": policy_values("admins, owners"),
        "viewer_values": policy_values("staff"),
    }
    return OidcPolicy(**{**given, **members})


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"roles": ["staff"]}, "viewer"),
        ({"roles": "owners"}, "admin"),
        ({"roles": ["staff", "admins"]}, "admin"),
        ({"roles": ["others", 7, None, ["admins"]]}, None),
        ({"roles": "admins staff"}, None),
        ({"roles": {"admins": 1}}, None),
        ({"roles": True}, None),
        ({"groups": ["admins"]}, None),
        ({}, None),
    ],
)
def test_role_follows_from_the_values_of_the_claim(claims: dict[str, Any], role: str | None) -> None:
    """Values are compared whole and with case; of several roles, administrator counts."""
    assert policy().role_of(claims) == role


@pytest.mark.parametrize(
    ("claim", "claims"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["staff"]}}),
        ("https://example.com/roles", {"https://example.com/roles": ["staff"]}),
        ("a.b", {"a.b": "staff", "a": {"b": "admins"}}),
    ],
)
def test_claim_is_found_by_its_name_or_by_its_path(claim: str, claims: dict[str, Any]) -> None:
    """Keycloak nests its roles; names with dots are usual for claims of one's own."""
    assert policy(role_claim=claim).role_of(claims) == "viewer"


@pytest.mark.parametrize("claims", [{"a": "b"}, {"a": {"b": None}}, {"a": ["b"]}, {}])
def test_path_that_leads_nowhere_is_a_missing_claim(claims: dict[str, Any]) -> None:
    """The user is shown that it is missing."""
    assert not policy(role_claim="a.b").has_role_claim(claims)


def test_empty_values_give_no_role() -> None:
    """Not even to a claim that is empty text."""
    nothing = policy(admin_values=policy_values(""), viewer_values=policy_values(" , "))
    assert nothing.role_of({"roles": ["", " "]}) is None


@pytest.mark.parametrize(
    "members",
    [
        {"issuer": "https://other.example.com"},
        {"client_id": "other"},
        {"role_claim": "groups"},
        {"admin_values": frozenset({"admins"})},
        {"viewer_values": frozenset({"staff", "others"})},
    ],
)
def test_what_decides_roles_is_in_the_digest(members: dict[str, Any]) -> None:
    """A session of another policy is void; a new secret or scope changes no one's rights."""
    assert policy(**members).digest != policy().digest
    assert policy(client_secret="renewed", scopes="openid email").digest == policy().digest


def test_secret_is_not_printed() -> None:
    """A policy may be in a traceback."""
    assert "secret" not in repr(policy()) and policy().provider_name == "login.example.com"
