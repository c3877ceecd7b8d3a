"""Hostile ID tokens: each is what an attacker, or a provider with a fault, could send, and none logs anyone in."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import pytest
from joserfc import jwk
from joserfc.jwk import ECKey, RSAKey
from tests.oidc_provider import CLIENT_ID, SUBJECT, rsa_key
from tests.unit.oidc.login_rig import LoginRig

from tiktok_forwarder.oidc.id_token import LEEWAY_SECONDS
from tiktok_forwarder.oidc.login import LoginRefused
from tiktok_forwarder.oidc.provider import KEYS_ASKED_AGAIN_SECONDS, KEYS_KEPT_SECONDS

FOREIGN = "https://other.example.com"


async def reason(rig: LoginRig) -> str:
    """Log in; return why that was refused."""
    rig.failures.clear()
    rig.login._reported.clear()
    with pytest.raises(LoginRefused) as refused:
        await rig.log_in()
    assert refused.value.status == 401
    (reason,) = rig.failures
    assert reason in str(refused.value)
    return reason


# --- claims ---


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"iss": FOREIGN}, "of another issuer"),
        ({"iss": [FOREIGN]}, "of another issuer"),
        ({"iss": ""}, "of another issuer"),
        ({"iss": None}, "not the claims that it must have"),
        ({"aud": "another-client"}, "for another client"),
        ({"aud": ["another-client"]}, "for another client"),
        ({"aud": []}, "for another client"),
        ({"aud": None}, "not the claims that it must have"),
        ({"aud": [CLIENT_ID, "another-client"]}, "for another client"),
        ({"aud": [CLIENT_ID, "another-client"], "azp": "another-client"}, "for another client"),
        ({"azp": "another-client"}, "for another client"),
        ({"nonce": "of-another-login"}, "belongs to another login"),
        ({"nonce": ""}, "belongs to another login"),
        ({"nonce": None}, "belongs to another login"),
        ({"nonce": ["x"]}, "belongs to another login"),
        ({"exp": None}, "not the claims that it must have"),
        ({"exp": "tomorrow"}, "not the claims that it must have"),
        ({"exp": 0}, "has expired"),
        ({"exp": float("nan")}, "not the claims that it must have"),
        ({"iat": None}, "not the claims that it must have"),
        ({"iat": 9_999_999_999}, "not valid yet"),
        ({"nbf": 9_999_999_999}, "not valid yet"),
        ({"sub": None}, "not the claims that it must have"),
        ({"sub": ""}, "not the claims that it must have"),
        ({"sub": 7}, "not the claims that it must have"),
        ({"sub": "s" * 256}, "invalid subject"),
    ],
)
async def test_token_with_a_wrong_claim_is_refused(rig: LoginRig, claims: dict[str, Any], expected: str) -> None:
    """Each claim that binds the token to provider, client, login and time is checked, also when it is missing."""

    def change(given: dict[str, Any]) -> None:
        given.update(claims)
        for name in [name for name, value in given.items() if value is None]:
            del given[name]

    rig.provider.change_claims = change
    assert expected in await reason(rig)


async def test_token_for_several_clients_is_accepted_when_it_was_issued_to_this_one(rig: LoginRig) -> None:
    """The authorized party says so."""
    rig.provider.change_claims = lambda claims: claims.update(aud=[CLIENT_ID, "another-client"], azp=CLIENT_ID)
    assert (await rig.log_in()).user.subject == SUBJECT


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -LEEWAY_SECONDS), ("iat", LEEWAY_SECONDS)])
async def test_clocks_may_differ_by_a_minute(rig: LoginRig, claim: str, seconds: int) -> None:
    """One second beyond it, the reason names the clock."""
    now = int(rig.clock.now_ms() / 1000)
    inside = now + seconds + (1 if seconds < 0 else 0)
    rig.provider.change_claims = lambda claims: claims.update({claim: inside})
    assert (await rig.log_in()).user.subject == SUBJECT
    rig.provider.change_claims = lambda claims: claims.update({claim: inside + (-1 if seconds < 0 else 1)})
    assert "check this machine's clock" in await reason(rig)


# --- signatures ---


async def test_token_without_a_signature_is_refused(rig: LoginRig) -> None:
    """`alg: none` is a way to say that anyone may have written it."""
    rig.provider.change_header = lambda header: header.update(alg="none")
    with pytest.warns(match="none"):
        token = rig.provider.id_token({"nonce": "n"})
    assert token.endswith(".")
    rig.provider.make_id_token = lambda _asked: token
    assert "not signed with RS256" in await reason(rig)


async def test_token_that_is_signed_with_the_public_key_as_a_secret_is_refused(rig: LoginRig) -> None:
    """HS256 would make what everyone can read the secret."""
    public = rig.provider.key.as_pem(private=False)

    def token(asked: Mapping[str, str]) -> str:
        header = urlsafe_b64encode(b'{"alg": "HS256", "kid": "first"}').rstrip(b"=")
        claims = {"iss": rig.provider.issuer, "sub": SUBJECT, "aud": CLIENT_ID, "nonce": asked["nonce"], "exp": 2**40}
        signed = header + b"." + urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
        signature = urlsafe_b64encode(hmac.digest(public, signed, "sha256")).rstrip(b"=")
        return (signed + b"." + signature).decode()

    rig.provider.make_id_token = token
    assert "not signed with RS256" in await reason(rig)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
async def test_token_of_an_rsa_key_is_accepted(rig: LoginRig, algorithm: str) -> None:
    """RS256 is what every provider has."""
    key = rig.provider.key.as_dict(private=False)
    rig.provider.published = [{name: value for name, value in key.items() if name != "alg"}]
    rig.provider.change_header = lambda header: header.update(alg=algorithm)
    rig.provider.key = RSAKey.import_key(
        {name: value for name, value in rig.provider.key.as_dict(private=True).items() if name != "alg"}
    )
    assert (await rig.log_in()).user.subject == SUBJECT


async def test_token_of_an_elliptic_key_is_accepted(rig: LoginRig) -> None:
    """Beside keys that are not for signing, or of a kind that is not known."""
    rig.provider.key = ECKey.generate_key("P-256", {"kid": "curve"})
    others = [
        {"kty": "AKP", "kid": "curve", "alg": "ML-DSA-44", "pub": "x"},
        {**rsa_key("second").as_dict(private=False), "kid": "curve", "use": "enc"},
        {"kty": "EC", "kid": "broken"},
    ]
    rig.provider.published = [*others, rig.provider.key]
    assert (await rig.log_in()).user.subject == SUBJECT


async def test_token_of_an_unknown_key_with_a_known_name_is_refused(rig: LoginRig) -> None:
    """The name proves nothing; the signature does."""
    rig.provider.key = RSAKey.import_key({**rsa_key("second").as_dict(private=True), "kid": "first"})
    assert "signature of the ID token is not valid" in await reason(rig)


async def test_key_that_comes_with_the_token_is_not_used(rig: LoginRig) -> None:
    """A header may contain the attacker's own key, or the URL of one."""
    own = ECKey.generate_key("P-256", {"kid": "own"})
    rig.provider.key = own
    rig.provider.change_header = lambda header: header.update(jwk=own.as_dict(private=False))
    assert "not among the provider's" in await reason(rig)
    rig.provider.change_header = lambda header: header.update(jku=f"{rig.provider.issuer}/keys")
    assert "not among the provider's" in await reason(rig)


@pytest.mark.parametrize(
    "published",
    [
        [],
        [{"kty": "RSA", "kid": "first"}],
        [{"kty": "RSA", "kid": "first", "n": "AQ", "e": "AQ"}],
        [{"kty": "RSA", "kid": "first", "n": 7, "e": []}],
        [{"kty": "oct", "kid": "first", "k": "c2VjcmV0"}],
        [{}],
    ],
)
async def test_keys_that_cannot_be_used_refuse_the_login(rig: LoginRig, published: list[dict[str, Any]]) -> None:
    """With one line, whatever is published."""
    rig.provider.published = published
    assert await reason(rig) in (
        "the ID token is signed with a key that is not among the provider's",
        "the provider's key cannot be read",
        "the signature of the ID token is not valid",
    )


@pytest.mark.parametrize("use", [{"use": "enc"}, {"alg": "PS256"}])
async def test_key_for_another_use_is_not_used(rig: LoginRig, use: dict[str, str]) -> None:
    """What is published for encryption or another algorithm verifies nothing."""
    rig.provider.published = [{**rig.provider.key.as_dict(private=False), **use}]
    assert "not among the provider's" in await reason(rig)


async def test_token_without_a_key_id_needs_a_provider_with_one_key(rig: LoginRig) -> None:
    """Of several, it would be a guess."""
    rig.provider.change_header = lambda header: header.pop("kid")
    assert (await rig.log_in()).user.subject == SUBJECT
    rig.provider.published = [rig.provider.key, rsa_key("second")]
    rig.wait(KEYS_KEPT_SECONDS)
    assert "not among the provider's" in await reason(rig)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c",
        "e30.e30.",
        "eyJhbGciOiJSUzI1NiJ9.W10.AA",
        "eyJhbGciOlsiUlMyNTYiXX0.e30.AA",
        "eyJhbGciOiJSUzI1NiIsImtpZCI6W119.e30.AA",
        "eyJhbGciOiJSUzI1NiIsImtpZCI6ImZpcnN0IiwiY3JpdCI6WyJ4Il0sIngiOjF9.e30.AA",
        "a" * 200_000,
        "é.é.é",
        "WzFd.e30.AA",
    ],
)
async def test_token_that_is_none_is_refused_in_words(rig: LoginRig, token: str) -> None:
    """Whatever the text is, no error of the library comes through."""
    rig.provider.make_id_token = lambda _asked: token
    assert await reason(rig)


# --- key rotation ---


async def test_new_key_is_found_without_waiting(rig: LoginRig) -> None:
    """A token that names an unknown key has the keys fetched again."""
    await rig.log_in()
    rig.provider.key = rsa_key("second")
    rig.provider.published = [rig.provider.key]
    assert (await rig.log_in()).user.subject == SUBJECT
    assert rig.provider.requests.count("keys") == 2


async def test_unknown_keys_are_asked_for_at_intervals_only(rig: LoginRig) -> None:
    """A provider with a fault is not asked for its keys by each login."""
    await rig.log_in()
    rig.provider.key = rsa_key("unpublished")
    for _ in range(5):
        assert "not among the provider's" in await reason(rig)
    assert rig.provider.requests.count("keys") == 2
    rig.wait(KEYS_ASKED_AGAIN_SECONDS)
    assert "not among the provider's" in await reason(rig)
    assert rig.provider.requests.count("keys") == 3


async def test_key_that_was_removed_is_soon_not_accepted_any_more(rig: LoginRig) -> None:
    """A stolen key is worth nothing ten minutes after the provider has dropped it."""
    await rig.log_in()
    rig.provider.published = [rsa_key("second")]
    rig.wait(KEYS_KEPT_SECONDS)
    assert "not among the provider's" in await reason(rig)


def test_library_knows_the_key_types_that_are_named_here() -> None:
    """A renamed type would refuse every login."""
    assert {"RSA", "EC"} <= set(jwk.JWKRegistry.key_types)
