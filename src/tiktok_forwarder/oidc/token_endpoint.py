"""The exchange of an authorization code for an ID token: RFC 6749 section 4.1.3, with RFC 7636 section 4.5."""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote_plus

import msgspec
from msgspec import Struct

from tiktok_forwarder.oidc.errors import AnswerRefused
from tiktok_forwarder.oidc.policy import OidcPolicy
from tiktok_forwarder.oidc.provider import Metadata
from tiktok_forwarder.oidc.requests import ProviderRequests

_ERROR_CODE: Final = re.compile(r"[a-z_]{1,50}")


class _Tokens(Struct, frozen=True):
    id_token: str


class _Error(Struct, frozen=True):
    error: str = ""


class TokenEndpoint:
    def __init__(self, policy: OidcPolicy, requests: ProviderRequests) -> None:
        self._policy = policy
        self._requests = requests

    async def fetch_id_token(self, code: str, verifier: str, redirect_uri: str, metadata: Metadata) -> str:
        """Return the ID token for the code, unchecked. Raises `AnswerRefused` and `ProviderUnreachable`."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers = self._authenticate(fields, metadata.token_endpoint_auth_methods_supported)
        answer = await self._requests.post_form(metadata.token_endpoint, fields, headers)
        try:
            if answer.status == 200:
                return msgspec.json.decode(answer.body, type=_Tokens).id_token
            error = msgspec.json.decode(answer.body, type=_Error).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise AnswerRefused(f"the token endpoint answered HTTP {answer.status} without an ID token") from None
        raise AnswerRefused(f"the token endpoint refused the code ({error_code(error) or f'HTTP {answer.status}'})")

    def _authenticate(self, fields: dict[str, str], methods: tuple[str, ...]) -> Mapping[str, str]:
        """Return the headers that authenticate this client, or add it to the form, as the provider accepts it."""
        client_id, secret = self._policy.client_id, self._policy.client_secret
        if secret and "client_secret_basic" in methods:
            # RFC 6749 section 2.3.1: each part is encoded as in a form.
            encoded = b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()
            return {"Authorization": f"Basic {encoded}"}
        if secret and "client_secret_post" not in methods:
            raise AnswerRefused("the token endpoint accepts no client secret, neither in a header nor in a form")
        fields["client_id"] = client_id
        if secret:
            fields["client_secret"] = secret
        return {}


def error_code(text: str) -> str:
    """Return an error code of OAuth as it may be shown; empty if it is none."""
    return text if _ERROR_CODE.fullmatch(text) else ""
