"""Users whom an OIDC provider has identified: their sessions, and what they do not change for local users."""

import json
from typing import Any

import pytest
from msgspec import structs
from tests.unit.access.access_rig import GOOD, Console

from tiktok_forwarder.access.digests import digest_of
from tiktok_forwarder.access.provider_users import ProviderUser
from tiktok_forwarder.access.sessions import MAX_SESSIONS_OF_USER
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName
from tiktok_forwarder.store.expiring import ExpiringPut

POLICY = "digest-of-the-policy"
ADA = ProviderUser(POLICY, "https://login.example.com", "subject-1", "Ada", "viewer")


@pytest.fixture
def oidc() -> Console:
    return Console(oidc_policy=POLICY)


async def test_session_has_the_user_and_role_of_its_login(oidc: Console) -> None:
    """Another login gives another role; the earlier session keeps its own until it ends."""
    entry = await oidc.access.log_in_from_provider(ADA)
    user, session = await oidc.access.who(entry.reference) or (None, None)
    assert (user, session) == (entry.user, entry.session)
    assert user is not None and (user.name, user.role, user.is_local, user.has_password) == (
        "Ada",
        "viewer",
        False,
        False,
    )
    later = await oidc.access.log_in_from_provider(structs.replace(ADA, role="admin", name="Ada L."))
    assert (later.user.id, later.user.role) == (user.id, "admin")
    found = await oidc.access.who(entry.reference)
    assert found is not None and found[0].role == "viewer"


async def test_session_is_valid_in_every_process_with_the_same_settings(oidc: Console) -> None:
    """It is stored, without its reference."""
    entry = await oidc.access.log_in_from_provider(ADA)
    again = await oidc.restarted(POLICY)
    assert await again.access.who(entry.reference) == (entry.user, entry.session)
    stored = [each.body for each in await oidc.store.list_expiring("session", 0)]
    assert not any(entry.reference.encode() in body or entry.session.csrf_token.encode() in body for body in stored)


@pytest.mark.parametrize("policy", ["", "digest-of-another-policy"])
async def test_session_ends_with_the_settings_that_gave_the_role(oidc: Console, policy: str) -> None:
    """A provider that is not trusted any more has no one logged in, and the login page shows why."""
    entry = await oidc.access.log_in_from_provider(ADA)
    again = await oidc.restarted(policy)
    assert await again.access.who(entry.reference) is None
    assert await again.access.why_ended(entry.reference) == "oidc_changed"
    assert await oidc.access.why_ended(entry.reference) is None


async def test_session_ends_like_any_other(oidc: Console) -> None:
    """Unused, or by logging out."""
    entry, other = await oidc.access.log_in_from_provider(ADA), await oidc.access.log_in_from_provider(ADA)
    await oidc.access.log_out(other.reference)
    assert await oidc.access.why_ended(other.reference) == "logged_out"
    oidc.wait(1801)
    assert await oidc.access.why_ended(entry.reference) == "idle"


async def test_user_of_a_provider_has_a_bound_of_sessions_of_their_own(oidc: Console) -> None:
    """Users are told apart by issuer and subject, not by name."""
    others = [
        await oidc.access.log_in_from_provider(structs.replace(ADA, **change))
        for change in ({"subject": "subject-2"}, {"issuer": "https://other.example.com"})
    ]
    first, *_ = [await oidc.access.log_in_from_provider(ADA) for _ in range(MAX_SESSIONS_OF_USER + 1)]
    assert await oidc.access.why_ended(first.reference) == "too_many"
    for other in others:
        assert await oidc.access.who(other.reference) is not None


async def test_login_through_a_provider_stores_no_user(oidc: Console) -> None:
    """The local user of the same name is another, and the last administrator with a password stays."""
    await oidc.users.add_with_password("Ada", "admin", GOOD, "test")
    await oidc.access.log_in_from_provider(structs.replace(ADA, role="admin"))
    assert [user.name for user in oidc.users.all()] == ["Ada"]
    with pytest.raises(ConfigurationError, match="last administrator with a password"):
        await oidc.access.remove("Ada", "test")
    with pytest.raises(UnknownName):
        await oidc.access.link_for(ADA.user.id, "test")


async def test_audit_shows_who_came_through_the_provider(oidc: Console) -> None:
    """By name and ID, with the provider's subject; so does a login that gave no role."""
    await oidc.access.log_in_from_provider(ADA)
    await oidc.access.refuse_from_provider(ADA)
    actor = f"OIDC user Ada ({ADA.user.id})"
    assert await oidc.audited() == [
        ("login", actor, {"by": "OIDC", "subject": "subject-1"}),
        ("login_failed", actor, {"by": "OIDC", "subject": "subject-1", "reason": "no role"}),
    ]


async def test_session_that_was_stored_before_there_was_oidc_is_valid(console: Console) -> None:
    """An update logs no one out."""
    entry = await console.entered()
    (stored,) = await console.store.list_expiring("session", 0)
    body: dict[str, Any] = json.loads(stored.body)
    del body["provider_user"]
    put = ExpiringPut("session", digest_of(entry.reference), json.dumps(body).encode(), stored.expires_at_ms)
    await console.store.put_expiring([put], 0)
    assert await console.access.who(entry.reference) == (entry.user, entry.session)


def test_user_of_a_provider_is_not_printed() -> None:
    """A traceback shows the ID, and no name."""
    assert repr(ADA) == f"ProviderUser({ADA.user.id})"
