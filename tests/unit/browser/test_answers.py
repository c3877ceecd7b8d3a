"""What the Web SDK is answered; the bodies are as the SDK sent them."""

import json
from pathlib import Path

import pytest

from tests.unit.parts import sender
from tiktok_forwarder.browser.answers import config_answer, identity_answer, modify_answer
from tiktok_forwarder.browser.mpids import Mpids
from tiktok_forwarder.intake.refusals import Refusal

SAMPLES = Path(__file__).parents[2] / "samples"
MPIDS = Mpids(b"k" * 32)


def sample(name: str) -> bytes:
    return (SAMPLES / f"websdk_{name}.json").read_bytes()


def test_config_has_the_members_that_were_seen_to_work() -> None:
    """Its flags make the SDK capture TikTok's click ID and cookie, send in groups, and store nothing in the browser."""
    answer = json.loads(config_answer(sender("web")))
    recorded = json.loads(sample("config_answer"))
    assert answer == {**recorded, "appName": "web", "workspaceToken": "in_1"}


@pytest.mark.parametrize("kind", ["identify", "login", "logout"])
def test_identity_answer_has_the_members_that_were_seen_to_work(kind: str) -> None:
    """Identities are not in it: the SDK knows them already."""
    answer = json.loads(identity_answer(MPIDS, sender("web"), sample(f"identity_{kind}"), is_login=kind == "login"))
    recorded = json.loads(sample("identity_answer"))
    assert isinstance(answer["mpid"], str)
    assert answer == {**recorded, "mpid": answer["mpid"], "is_logged_in": kind == "login"}


def test_login_and_logout_change_the_visitor() -> None:
    """After a logout only the device is known."""
    kinds = ("identify", "login", "logout")
    answers = [identity_answer(MPIDS, sender("web"), sample(f"identity_{kind}"), is_login=False) for kind in kinds]
    assert len({json.loads(answer)["mpid"] for answer in answers}) == 3


def test_changed_identities_leave_the_visitor_who_they_were() -> None:
    """The mpid of the path comes back."""
    assert json.loads(modify_answer("-42"))["mpid"] == "-42"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", b'{"known_identities":"ann@example.com"}', b"{}", b'{"known_identities":{}}']
)
def test_unreadable_identity_request_is_refused_without_quoting_it(body: bytes) -> None:
    """What may contain an identity is in no message."""
    with pytest.raises(Refusal) as refused:
        identity_answer(MPIDS, sender("web"), body, is_login=False)
    assert refused.value.status == 400 and "ann" not in str(refused.value)
