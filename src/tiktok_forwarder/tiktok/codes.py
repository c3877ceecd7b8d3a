"""TikTok's return codes: what each means for the events sent, what it blames, and what to do about it.

The numbers are in this file only: all other code uses the class or the culprit.

Codes and meanings are those of TikTok's return code pages and of the error names in its Business API SDK (2026). What
to do with each is our conclusion from the meaning.
"""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from tiktok_forwarder.domain.outcome import Culprit

CodeClass = Literal[
    "done", "done_with_note", "throttled", "try_later", "few_attempts", "bad_event", "too_large", "misconfigured"
]


class CodeMeaning(Struct, frozen=True):
    """The meaning of a code. For a quota, `culprit` is what has used it up.

    `explanation` is for people: for a misconfiguration it states what is wrong and what to do.
    """

    code_class: CodeClass
    culprit: Culprit
    explanation: str


_RENEW: Final = "Generate a new access token in TikTok Events Manager and set it on the connection."
_RIGHTS: Final = (
    "Give the token's user the Admin or Operator role on the pixel's ad account, or use another user's token."
)
_APP: Final = (
    "Check the developer app that the access token belongs to, or use a token generated in TikTok Events Manager."
)
_BASE_URL: Final = "Check the setting tiktok_base_url; if it is right, this version of the forwarder may be too old."
OUTDATED: Final = "This version of the forwarder may be too old."

CODES: Final[Mapping[int, CodeMeaning]] = {
    0: CodeMeaning("done", "nothing", "TikTok accepted the request."),
    20001: CodeMeaning("done_with_note", "nothing", "TikTok accepted part of the group."),
    40050: CodeMeaning("done_with_note", "nothing", "TikTok received this request before."),
    # quotas
    40016: CodeMeaning("throttled", "app", "Requests are too frequent."),
    40100: CodeMeaning("throttled", "app", "Requests are too frequent for the app of the access token."),
    40132: CodeMeaning("throttled", "pixel", "Requests are too frequent for this pixel."),
    40133: CodeMeaning("throttled", "account", "Requests are too frequent for the advertiser."),
    61000: CodeMeaning("throttled", "service", "Too many requests."),
    # problems at TikTok; 51xxx are service errors and 52xxx database errors, by range
    40202: CodeMeaning("try_later", "service", "Conflicting writes at TikTok."),
    50000: CodeMeaning("try_later", "service", "System error at TikTok."),
    50002: CodeMeaning("try_later", "service", "Error on TikTok's side."),
    51010: CodeMeaning("try_later", "service", "A service inside TikTok did not answer in time."),
    51012: CodeMeaning("try_later", "service", "TikTok's pixel service failed."),
    60001: CodeMeaning("try_later", "service", "TikTok is under maintenance."),
    40700: CodeMeaning("few_attempts", "service", "A validation inside TikTok failed."),
    # errors of the event itself
    40000: CodeMeaning("bad_event", "event", "Parameters are invalid."),
    40002: CodeMeaning("bad_event", "event", "A parameter is wrong."),
    40011: CodeMeaning("bad_event", "event", "Too many ids."),
    40062: CodeMeaning("bad_event", "event", "Personal data is not hashed."),
    40061: CodeMeaning("too_large", "event", "The group holds too many events."),
    # the token
    40101: CodeMeaning("misconfigured", "token", f"The access token is not valid. {_RENEW}"),
    40102: CodeMeaning("misconfigured", "token", f"The access token has expired. {_RENEW}"),
    40104: CodeMeaning("misconfigured", "token", f"The access token is empty. {_RENEW}"),
    40105: CodeMeaning("misconfigured", "token", f"The access token is incorrect or has been revoked. {_RENEW}"),
    40106: CodeMeaning("misconfigured", "token", f"The access token's user is not valid. {_RENEW}"),
    40110: CodeMeaning(
        "misconfigured", "token", f"The authorization code behind the access token is not valid. {_RENEW}"
    ),
    40113: CodeMeaning("misconfigured", "app", f"The access token's developer app is blocked or missing. {_APP}"),
    40115: CodeMeaning("misconfigured", "token", f"The authorization's timestamp is not valid. {_RENEW}"),
    40116: CodeMeaning("misconfigured", "token", f"The authorization's signature is not valid. {_RENEW}"),
    # rights
    40001: CodeMeaning("misconfigured", "pixel", f"The access token has no permission for this pixel. {_RIGHTS}"),
    40003: CodeMeaning("misconfigured", "pixel", f"TikTok forbids the operation to this access token. {_RIGHTS}"),
    40117: CodeMeaning("misconfigured", "app", f"The access token may not use this method. {_APP}"),
    40118: CodeMeaning(
        "misconfigured", "account", "The account is not on TikTok's allowlist. Ask your TikTok representative."
    ),
    40119: CodeMeaning("misconfigured", "pixel", f"Access token and pixel belong to different companies. {_RIGHTS}"),
    40124: CodeMeaning("misconfigured", "app", f"The developer profile is not approved. {_APP}"),
    40125: CodeMeaning("misconfigured", "app", f"The developer lacks the permission. {_APP}"),
    40130: CodeMeaning("misconfigured", "token", f"The access token lacks the scope to report events. {_RENEW}"),
    40131: CodeMeaning("misconfigured", "token", f"The authorization by a TikTok user failed. {_RENEW}"),
    40300: CodeMeaning("misconfigured", "pixel", f"The advertiser does not exist. {_RIGHTS}"),
    40301: CodeMeaning("misconfigured", "pixel", f"The advertiser does not match the access token. {_RIGHTS}"),
    41000: CodeMeaning(
        "misconfigured", "network", "TikTok refuses this server's IP address. Send from another country or network."
    ),
    # path or version
    40006: CodeMeaning(
        "misconfigured", "address", f"TikTok does not support this version of its API here. {_BASE_URL}"
    ),
    40007: CodeMeaning(
        "misconfigured", "pixel", "The pixel does not exist at TikTok. Check the connection's Pixel ID."
    ),
    40008: CodeMeaning("misconfigured", "address", f"TikTok has no such endpoint. {_BASE_URL}"),
    40009: CodeMeaning("misconfigured", "address", f"TikTok's sandbox does not accept events. {_BASE_URL}"),
    40010: CodeMeaning("misconfigured", "address", f"This TikTok host does not accept events. {_BASE_URL}"),
    40013: CodeMeaning(
        "misconfigured", "address", f"TikTok's sandbox has no such account and does not accept events. {_BASE_URL}"
    ),
    40014: CodeMeaning("misconfigured", "address", f"TikTok's sandbox does not support this. {_BASE_URL}"),
    40051: CodeMeaning("misconfigured", "address", f"TikTok does not know this version of its API. {_BASE_URL}"),
    40063: CodeMeaning("misconfigured", "forwarder", f"TikTok does not accept the request's partner name. {OUTDATED}"),
    40400: CodeMeaning("misconfigured", "address", f"TikTok has no such route. {_BASE_URL}"),
    41001: CodeMeaning("misconfigured", "address", f"TikTok has taken this interface offline. {_BASE_URL}"),
    41002: CodeMeaning("misconfigured", "forwarder", f"The request has fields that TikTok no longer uses. {OUTDATED}"),
}


def is_listed(code: int) -> bool:
    """Return whether the code's meaning is known, and not only derived from its range."""
    return code in CODES


def code_meaning(code: int) -> CodeMeaning | None:
    """Return a code's meaning, an unlisted one's by its range; None for a number that is not a verdict at all."""
    if code in CODES:
        return CODES[code]
    if 40100 <= code <= 40199:
        return CodeMeaning("misconfigured", "token", f"TikTok refuses the authorization with code {code}. {_RENEW}")
    if 40000 <= code <= 49999:
        return CodeMeaning("bad_event", "event", "TikTok refused an event. TikTok's message shows why.")
    if 50000 <= code <= 69999:
        return CodeMeaning("try_later", "service", "Temporary failure at TikTok. Nothing is wrong with the events.")
    return None
