"""The check of an ID token: OpenID Connect Core 1.0 section 3.1.3.7. The only file that uses joserfc."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError
from joserfc.jwk import ECKey, Key, RSAKey

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.oidc.errors import AnswerRefused
from tiktok_forwarder.oidc.policy import OidcPolicy
from tiktok_forwarder.oidc.provider import Provider

# The provider signs with a private key that only it has. `none` has no signature, and HS256 would make a key that
# everyone knows the secret.
_ALGORITHMS: Final = ("RS256", "PS256", "ES256")
_KEY_TYPES: Final = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}
# For clocks that differ.
LEEWAY_SECONDS: Final = 60
_MAX_SUBJECT_LENGTH: Final = 255  # OpenID Connect Core 1.0 section 2


class IdTokens:
    """Checks the ID tokens of a provider."""

    def __init__(self, policy: OidcPolicy, provider: Provider, clock: Clock) -> None:
        self._policy = policy
        self._provider = provider
        self._clock = clock

    async def verify(self, token: str, nonce: str) -> Mapping[str, Any]:
        """Return the claims of a token that the provider issued for this login.

        Raises `AnswerRefused`, and `ProviderUnreachable` if the provider's keys cannot be had.
        """
        try:
            header = jws.extract_compact(token.encode()).headers()
        except (JoseError, ValueError, TypeError, RecursionError):
            raise AnswerRefused("the ID token cannot be read") from None
        algorithm, key_id = header.get("alg"), header.get("kid")
        if algorithm not in _ALGORITHMS:
            raise AnswerRefused("the ID token is not signed with RS256, PS256 or ES256")
        if key_id is not None and not isinstance(key_id, str):
            raise AnswerRefused("the ID token cannot be read")
        key = _signing_key(await self._provider.keys(key_id), key_id, algorithm)
        claims = _signed_claims(token, key, algorithm)
        _check_claims(claims, self._policy, nonce, self._clock.now_ms() / 1000)
        return claims


def _signing_key(keys: Sequence[Mapping[str, Any]], key_id: str | None, algorithm: str) -> Key:
    """Return the key that the header names; without a name, the only one that it can be."""
    fitting = [
        key
        for key in keys
        if key.get("kty") == _KEY_TYPES[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (key_id is None or key.get("kid") == key_id)
    ]
    if len(fitting) != 1:
        raise AnswerRefused("the ID token is signed with a key that is not among the provider's")
    # A private key that was published by mistake is used as a public one.
    public = {name: value for name, value in fitting[0].items() if name in ("kty", "kid", "n", "e", "crv", "x", "y")}
    try:
        return RSAKey.import_key(public) if public["kty"] == "RSA" else ECKey.import_key(public)
    except (JoseError, ValueError, TypeError, KeyError):
        raise AnswerRefused("the provider's key cannot be read") from None


def _signed_claims(token: str, key: Key, algorithm: str) -> dict[str, Any]:
    # Parameters of the header that no standard names are the provider's own business.
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        return jwt.decode(token, key, registry=registry).claims
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise AnswerRefused("the signature of the ID token is not valid") from None


def _check_claims(claims: dict[str, Any], policy: OidcPolicy, nonce: str, now_seconds: float) -> None:
    required = {name: jwt.ClaimsOption(essential=True) for name in ("exp", "iat", "sub")}
    registry = jwt.JWTClaimsRegistry(
        now=int(now_seconds),
        leeway=LEEWAY_SECONDS,
        iss=jwt.ClaimsOption(essential=True, value=policy.issuer),
        aud=jwt.ClaimsOption(essential=True, value=policy.client_id),
        **required,
    )
    try:
        registry.validate(claims)
    except ExpiredTokenError:
        raise AnswerRefused("the ID token has expired; check this machine's clock") from None
    except JoseError as error:
        raise AnswerRefused(_reason(error)) from None
    if not _is_for_this_client(claims, policy.client_id):
        raise AnswerRefused("the ID token is for another client")
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise AnswerRefused("the ID token belongs to another login")
    if len(claims["sub"]) > _MAX_SUBJECT_LENGTH:
        raise AnswerRefused("the ID token has an invalid subject")


def _is_for_this_client(claims: Mapping[str, Any], client_id: str) -> bool:
    """Return whether the party that the token was issued to is this client, which must be named beside others."""
    audience, party = claims["aud"], claims.get("azp")
    is_only_one = isinstance(audience, str) or len(audience) == 1
    return party == client_id or (party is None and is_only_one)


def _reason(error: JoseError) -> str:
    match error.claim if isinstance(error, InvalidClaimError) else None:
        case "iss":
            return "the ID token is of another issuer"
        case "aud":
            return "the ID token is for another client"
        case "iat" | "nbf":
            return "the ID token is not valid yet; check this machine's clock"
        case _:
            return "the ID token has not the claims that it must have"
