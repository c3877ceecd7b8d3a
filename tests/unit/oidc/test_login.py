"""A login through a provider: what starts it, which callback ends it, and who is logged in then."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from tests.oidc_provider import CLIENT_ID, SUBJECT, lying_provider
from tests.unit.oidc.login_rig import BASE, LoginRig, policy_of

from tiktok_forwarder.oidc.login import MAX_CONCURRENT, LoginRefused, RoleMissing
from tiktok_forwarder.secrets.secret_box import AesGcmSecretBox


async def refusal(rig: LoginRig, query: dict[str, str], sealed: str) -> LoginRefused:
    with pytest.raises(LoginRefused) as refused:
        await rig.finish(query, sealed)
    return refused.value


# --- the way to the provider and back ---


async def test_login_ends_with_the_user_that_the_provider_identified(rig: LoginRig) -> None:
    """Issuer and subject are the identity; name, role and the page that was wanted come along."""
    finished = await rig.log_in("/activity?x=1")
    user = finished.user
    assert (user.issuer, user.subject, user.name, user.role) == (rig.provider.issuer, SUBJECT, "ada", "admin")
    assert (finished.path, user.policy, rig.failures) == ("/activity?x=1", rig.policy.digest, [])
    assert rig.provider.requests == ["document", "token", "keys"]


async def test_request_to_the_provider_has_fresh_secrets_and_only_the_challenge_of_the_verifier(rig: LoginRig) -> None:
    """State, nonce and verifier are 256 random bits each, and the verifier stays in the sealed cookie."""
    first, second = [parse_qs(urlsplit((await rig.start()).url).query) for _ in range(2)]
    assert first["redirect_uri"] == [f"{BASE}/login/oidc/callback"]
    assert (first["client_id"], first["scope"]) == ([CLIENT_ID], ["openid profile"])
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name][0]) == 43 and first[name] != second[name], name
    started = await rig.start()
    assert "code_verifier" not in started.url and "nonce" not in started.sealed


async def test_any_node_finishes_a_login(rig: LoginRig) -> None:
    """The browser brings the state, sealed with the key that all nodes have."""
    started = await rig.start()
    query = rig.provider.authorize(started.url)
    finished = await rig.another_node().finish(BASE, query, started.sealed)
    assert finished.user.subject == SUBJECT


async def test_endpoint_may_have_a_query_of_its_own(rig: LoginRig) -> None:
    """Some providers choose a policy by it."""

    def change(document: dict[str, Any]) -> None:
        document["authorization_endpoint"] += "?p=sign-in"

    rig.provider.change_document = change
    assert "/authorize?p=sign-in&response_type=code&" in (await rig.start()).url


async def test_long_path_is_not_kept(rig: LoginRig) -> None:
    """A cookie has 4 KiB: the overview opens instead."""
    assert (await rig.log_in("/activity?" + "x" * 2000)).path == "/"


@pytest.mark.parametrize("methods", [["client_secret_post"], ["client_secret_basic", "client_secret_post"], None])
async def test_client_authenticates_as_the_provider_asks(rig: LoginRig, methods: list[str] | None) -> None:
    """In a header by default, in the form where only that is accepted."""

    def change(document: dict[str, Any]) -> None:
        document.update({"token_endpoint_auth_methods_supported": methods} if methods else {})

    rig.provider.change_document = change
    assert (await rig.log_in()).user.subject == SUBJECT


async def test_client_without_a_secret_is_a_public_one() -> None:
    """PKCE alone shows that the code is redeemed by who asked for it."""
    async with lying_provider() as provider:
        provider.secret = ""
        assert (await LoginRig(provider).log_in()).user.subject == SUBJECT


async def test_provider_that_accepts_no_secret_is_reported(rig: LoginRig) -> None:
    """A method that needs a private key of the client is not supported."""

    def change(document: dict[str, Any]) -> None:
        document["token_endpoint_auth_methods_supported"] = ["private_key_jwt"]

    rig.provider.change_document = change
    started = await rig.start()
    refused = await refusal(rig, rig.provider.authorize(started.url), started.sealed)
    assert refused.status == 401 and "accepts no client secret" in str(refused)


async def test_wrong_client_secret_is_reported_by_the_code_of_the_error(rig: LoginRig) -> None:
    """The operator finds `invalid_client` in the log, the secret nowhere."""
    rig.login = LoginRig(rig.provider, policy_of(rig.provider, client_secret="another")).login
    rig.login._observer = rig
    started = await rig.start()
    refused = await refusal(rig, rig.provider.authorize(started.url), started.sealed)
    assert "invalid_client" in str(refused) and "another" not in str(refused)
    assert rig.failures == ["the token endpoint refused the code (invalid_client)"]


# --- which callback is of this browser ---


@pytest.mark.parametrize("sealed", ["", "v1.x.y", "v1", "é", "." * 5000])
async def test_callback_without_the_cookie_is_refused_before_the_provider_is_asked(rig: LoginRig, sealed: str) -> None:
    """A link that another site made cannot log anyone in."""
    started = await rig.start()
    refused = await refusal(rig, rig.provider.authorize(started.url), sealed)
    assert (refused.status, "token" in rig.provider.requests) == (401, False)


@pytest.mark.parametrize("state", ["", "forged", "é\udcff"])
async def test_forged_state_is_refused_before_the_provider_is_asked(rig: LoginRig, state: str) -> None:
    """The state must be that of the browser's own cookie."""
    started = await rig.start()
    query = {**rig.provider.authorize(started.url), "state": state}
    refused = await refusal(rig, query, started.sealed)
    assert (refused.status, "token" in rig.provider.requests) == (401, False)


async def test_code_of_an_attackers_login_is_refused_in_another_browser(rig: LoginRig) -> None:
    """No one is logged in as someone else without noticing."""
    attacker, victim = await rig.start(), await rig.start()
    query = rig.provider.authorize(attacker.url)
    refused = await refusal(rig, query, victim.sealed)
    assert "has not started this login" in str(refused)
    mixed = {**query, "state": rig.provider.authorize(victim.url)["state"]}
    assert "invalid_grant" in str(await refusal(rig, mixed, victim.sealed))


async def test_cookie_of_another_key_or_purpose_opens_nothing(rig: LoginRig) -> None:
    """Only the service seals it, and for this only."""
    started = await rig.start()
    query = rig.provider.authorize(started.url)
    text = rig.box.open(started.sealed, "oidc login")
    for sealed in (AesGcmSecretBox(b"k" * 32).seal(text, "oidc login"), rig.box.seal(text, "another purpose")):
        assert (await refusal(rig, query, sealed)).status == 401


async def test_login_that_took_too_long_is_refused(rig: LoginRig) -> None:
    """Ten minutes are enough for a password and a second factor."""
    started = await rig.start()
    rig.wait(600.001)
    refused = await refusal(rig, rig.provider.authorize(started.url), started.sealed)
    assert "longer than 10 minutes" in str(refused)


async def test_replayed_callback_is_refused_though_the_provider_would_accept_it(rig: LoginRig) -> None:
    """A careless provider redeems a code twice; on no node does it open a second session."""
    started = await rig.start()
    query = rig.provider.authorize(started.url)
    await rig.finish(query, started.sealed)
    rig.provider._codes[query["code"]] = {
        name: value for name, (value,) in parse_qs(urlsplit(started.url).query).items()
    }
    with pytest.raises(LoginRefused, match="finished already"):
        await rig.another_node().finish(BASE, query, started.sealed)


async def test_login_that_failed_leaves_no_record_in_the_store(rig: LoginRig) -> None:
    """Strangers can start as many as they like, and fill nothing."""
    rig.provider.change_claims = lambda claims: claims.update(nonce="another")
    started = await rig.start()
    await refusal(rig, rig.provider.authorize(started.url), started.sealed)
    assert await rig.store.list_expiring("oidc_login", 0) == []


@pytest.mark.parametrize("issuer", ["https://other.example.com", "", None])
async def test_response_of_another_issuer_is_refused(rig: LoginRig, issuer: str | None) -> None:
    """The code of another provider is not sent to this one; a provider that names itself must do it each time."""
    started = await rig.start()
    query = rig.provider.authorize(started.url)
    query.update({"iss": issuer} if issuer is not None else {})
    if issuer is None:
        del query["iss"]
    refused = await refusal(rig, query, started.sealed)
    assert "of another issuer" in str(refused) and "token" not in rig.provider.requests


async def test_response_need_not_name_the_issuer_when_the_provider_does_not(rig: LoginRig) -> None:
    """RFC 9207 is recent; what is there is compared all the same."""
    rig.provider.change_document = lambda document: document.pop("authorization_response_iss_parameter_supported")
    started = await rig.start()
    query = rig.provider.authorize(started.url)
    del query["iss"]
    assert (await rig.finish(query, started.sealed)).user.subject == SUBJECT


@pytest.mark.parametrize(("error", "shown"), [("access_denied", " (access_denied)"), ("<b>Ask Eve!</b>", "")])
async def test_refusal_by_the_provider_is_shown_by_its_code_only(rig: LoginRig, error: str, shown: str) -> None:
    """Descriptions are texts that anyone can put into a link."""
    started = await rig.start()
    query = {**rig.provider.authorize(started.url), "error": error, "error_description": "call 555"}
    del query["code"]
    refused = await refusal(rig, query, started.sealed)
    assert str(refused) == f"the provider {rig.login.provider_name} did not log you in{shown}"


# --- who is logged in ---


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({}, "ada"),
        ({"preferred_username": " "}, "Ada L."),
        ({"preferred_username": 7, "name": None}, "ada@example.com"),
        ({"preferred_username": None, "name": None, "email": None}, SUBJECT),
        ({"preferred_username": "a\r\nb\x1b[31m\u202ec"}, "ab[31mc"),
        ({"preferred_username": "x" * 500}, "x" * 63),
    ],
)
async def test_name_is_printable_and_bounded(rig: LoginRig, claims: dict[str, Any], name: str) -> None:
    """It is shown in pages, histories and logs; the provider's users may have chosen it."""
    rig.provider.change_claims = lambda given: given.update({"name": "Ada L.", "email": "ada@example.com", **claims})
    assert (await rig.log_in()).user.name == name


async def test_users_with_one_name_are_two(rig: LoginRig) -> None:
    """Names and email addresses change hands; issuer and subject do not."""
    first = (await rig.log_in()).user
    rig.provider.change_claims = lambda claims: claims.update(sub="another")
    second = (await rig.log_in()).user
    assert first.name == second.name and first.user.id != second.user.id
    assert first.user.actor == f"OIDC user ada ({first.user.id})" != second.user.actor


@pytest.mark.parametrize(
    ("roles", "what"),
    [
        (None, "is missing"),
        ([], "has no value that gives a role"),
        ("Forwarder-Admins", "has no value that gives a role"),
        ({"forwarder-admins": True}, "has no value that gives a role"),
        ([["forwarder-admins"]], "has no value that gives a role"),
    ],
)
async def test_user_without_a_role_is_refused_with_the_name_of_the_claim(
    rig: LoginRig, roles: object, what: str
) -> None:
    """Whoever the provider knows is not yet a user of the console."""
    rig.provider.roles = roles
    with pytest.raises(RoleMissing) as refused:
        await rig.log_in()
    assert refused.value.status == 403
    assert f'the claim "roles" {what}' in str(refused.value) and refused.value.user.subject == SUBJECT


# --- a provider that does not answer ---


async def test_unreachable_provider_is_one_sentence_and_one_line_a_minute(rig: LoginRig) -> None:
    """Passwords still work, and the log is not filled."""
    rig.provider.answer_document = lambda: web.Response(status=502)
    for _ in range(3):
        with pytest.raises(LoginRefused) as refused:
            await rig.start()
        assert refused.value.status == 503
        assert str(refused.value).endswith("it answered HTTP 502; retry later, or log in with a password")
    assert rig.failures == ["it answered HTTP 502"]
    rig.wait(60)
    with pytest.raises(LoginRefused):
        await rig.start()
    assert len(rig.failures) == 2


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"{}", "answered HTTP 200 without an ID token"),
        (200, b"<html>", "answered HTTP 200 without an ID token"),
        (500, b"\xff", "answered HTTP 500 without an ID token"),
        (400, b'{"error": "<script>"}', "refused the code (HTTP 400)"),
        (302, b"{}", "refused the code (HTTP 302)"),
    ],
)
async def test_answer_without_a_token_is_reported(rig: LoginRig, status: int, body: bytes, reason: str) -> None:
    """Nothing that the endpoint wrote is shown, except a code of the standard."""
    rig.provider.answer_token = lambda: web.Response(status=status, body=body, headers={"Location": BASE})
    started = await rig.start()
    assert reason in str(await refusal(rig, rig.provider.authorize(started.url), started.sealed))


async def test_number_of_logins_in_progress_is_bounded(rig: LoginRig) -> None:
    """A slow provider cannot make strangers' requests pile up; afterwards logins work again."""
    gate = asyncio.Event()
    rig.provider.answer_document = None
    original = rig.login._provider.metadata

    async def wait_for_gate() -> Any:
        await gate.wait()
        return await original()

    rig.login._provider.metadata = wait_for_gate  # type: ignore[method-assign]  # a provider that answers later
    waiting = [asyncio.create_task(rig.start()) for _ in range(MAX_CONCURRENT)]
    await asyncio.sleep(0)
    with pytest.raises(LoginRefused, match="too many logins"):
        await rig.start()
    gate.set()
    assert len(await asyncio.gather(*waiting)) == MAX_CONCURRENT
    assert (await rig.log_in()).user.subject == SUBJECT
