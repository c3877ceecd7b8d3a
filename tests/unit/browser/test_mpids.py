"""Who is the same visitor: by a keyed hash of what a page knows, without anything stored."""

import pytest

from tiktok_forwarder.browser.mpids import Mpids

MPIDS = Mpids(b"k" * 32)
DEVICE = "16a4a6e8-3266-48f4-11bc-690b26390c15"


def mpid(input_id: str = "in_1", mpids: Mpids = MPIDS, **identities: object) -> str | None:
    return mpids.find_mpid(input_id, identities)


def test_mpid_is_the_text_of_a_signed_64_bit_number() -> None:
    """The Web SDK throws an error in the page's own code for a number, and mParticle's mpids are signed."""
    found = [int(mpid(customerid=f"c-{number}") or "") for number in range(200)]
    assert all(-(2**63) <= each < 2**63 for each in found)
    assert len(set(found)) == 200 and min(found) < 0 < max(found)


def test_same_person_has_the_same_mpid_wherever_a_page_is() -> None:
    """The most telling identity decides: device and later identities differ from browser to browser."""
    one = mpid(customerid="cust-42", email="a@example.com", device_application_stamp=DEVICE)
    assert one == mpid(customerid="cust-42", email="b@example.com", device_application_stamp="other")
    assert one == mpid(customer_id=" cust-42 ")
    assert mpid(email="Ann@Example.com", other="o") == mpid(email="ann@example.com", device_application_stamp=DEVICE)


@pytest.mark.parametrize(
    ("identities", "others"),
    [
        ({"customerid": "1"}, {"customerid": "2"}),
        ({"customerid": "1"}, {"email": "1"}),
        ({"email": "1"}, {"mobile_number": "1"}),
        ({"other": "1"}, {"device_application_stamp": "1"}),
        ({"customerid": "1", "email": "e"}, {"email": "e"}),
        ({"mobile_number": "1", "email": "e"}, {"mobile_number": "1"}),
    ],
)
def test_other_people_have_other_mpids(identities: dict[str, object], others: dict[str, object]) -> None:
    """A value counts with its type, and the first type that is given."""
    assert MPIDS.find_mpid("in_1", identities) != MPIDS.find_mpid("in_1", others)


def test_mpids_of_inputs_and_installations_have_nothing_in_common() -> None:
    """No shop learns from its mpids who visits another."""
    found = {mpid(customerid="1"), mpid("in_2", customerid="1"), mpid(mpids=Mpids(b"l" * 32), customerid="1")}
    assert len(found) == 3


@pytest.mark.parametrize(
    "identities", [{}, {"customerid": None}, {"email": "  "}, {"unknown": "x"}, {"customerid": []}]
)
def test_no_identity_is_no_visitor(identities: dict[str, object]) -> None:
    """Visitors without any identity must not become one person."""
    assert MPIDS.find_mpid("in_1", identities) is None
