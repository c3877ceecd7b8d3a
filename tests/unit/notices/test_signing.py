"""Signatures of webhooks, verified by the specification's own library."""

import base64
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tiktok_forwarder.notices.signing import new_signing_secret, signed_headers

BODY = b'{"type":"test","text":"\xc3\xa4"}'


def test_signature_is_accepted_by_receivers() -> None:
    """ID, time and body are signed together: none of them can be changed."""
    secret, now = new_signing_secret(), int(time.time())
    headers = signed_headers([secret], "msg_1", now, BODY)
    assert Webhook(secret).verify(BODY, headers) == {"type": "test", "text": "ä"}
    changed = (
        (headers, BODY + b" "),
        ({**headers, "webhook-id": "msg_2"}, BODY),
        ({**headers, "webhook-timestamp": str(now + 1)}, BODY),
    )
    for other_headers, body in changed:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, other_headers)


def test_message_is_accepted_with_either_secret_during_a_rotation() -> None:
    """The receiver changes over in its own time; a third secret verifies nothing."""
    new, old = new_signing_secret(), new_signing_secret()
    headers = signed_headers([new, old], "msg_1", int(time.time()), BODY)
    for secret in (new, old):
        Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_signing_secret()).verify(BODY, headers)


def test_secret_has_the_form_and_length_of_the_specification() -> None:
    """24 to 64 random bytes after the prefix."""
    secret = new_signing_secret()
    assert secret.startswith("whsec_") and len(base64.b64decode(secret[6:])) == 32
    assert secret != new_signing_secret()


def test_signature_is_that_of_the_specification() -> None:
    """The example of its reference implementation."""
    headers = signed_headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
