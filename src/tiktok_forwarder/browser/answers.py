"""What the Web SDK is answered: its configuration, and who its visitor is."""

from typing import Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.browser.mpids import Mpids
from tiktok_forwarder.inputs.inputs import Input
from tiktok_forwarder.intake.refusals import Refusal

# The flags are texts, as mParticle's are. TikTok's click ID and cookie are captured only if asked for. The SDK ignores
# Retry-After: it waits for the interval before it repeats an upload. Without offline storage, batches with identities
# are not kept in the browser, and no purchase is sent twice when a page is left.
FLAGS: Final = {
    "captureIntegrationSpecificIds.V2": "all",
    "eventBatchingIntervalMillis": "5000",
    "cacheIdentity": "True",
    "offlineStorage": "0",
}


class _IdentityRequest(Struct):
    known_identities: dict[str, object] = {}


class _IdentityAnswer(Struct):
    """An mpid must be a text: a number makes the SDK throw an error inside the page's own code."""

    mpid: str
    is_logged_in: bool
    context: None = None
    matched_identities: dict[str, str] = {}
    is_ephemeral: bool = False


_IDENTITY_REQUEST: Final = msgspec.json.Decoder(_IdentityRequest)


def config_answer(sender: Input) -> bytes:
    """Return the SDK's configuration. It overrides the page's own, member by member."""
    return msgspec.json.encode(
        {
            "appName": sender.name,
            "workspaceToken": sender.id,
            "kitConfigs": [],
            "pixelConfigs": [],
            "minWebviewBridgeVersion": 1,
            "flags": FLAGS,
        }
    )


def identity_answer(mpids: Mpids, sender: Input, body: bytes, *, is_login: bool) -> bytes:
    """Return who the visitor with these identities is. Raises `Refusal` for a body that names no one."""
    try:
        request = _IDENTITY_REQUEST.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The decoder's own message may quote the body.
        raise _unreadable("the body is not an identity request in JSON") from None
    mpid = mpids.find_mpid(sender.id, request.known_identities)
    if mpid is None:
        raise _unreadable("known_identities: must contain an identity or a device_application_stamp")
    return msgspec.json.encode(_IdentityAnswer(mpid, is_login))


def modify_answer(mpid: str) -> bytes:
    """Return that the visitor is who they were: changed identities arrive with the next events."""
    return msgspec.json.encode(_IdentityAnswer(mpid, is_logged_in=False))


def _unreadable(message: str) -> Refusal:
    return Refusal(400, "BAD_REQUEST", message, reason="unreadable")
