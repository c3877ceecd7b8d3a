"""Identity types in every spelling, and which value of a type counts."""

import tracemalloc

import pytest

from tiktok_forwarder.mparticle.identities import IDENTITY_TYPES, identities_by_type, identity_type_of

# printf '' | sha256sum
EMPTY_DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("customer_id", "customer_id"),
        ("customerid", "customer_id"),
        ("Customer ID", "customer_id"),
        ("customer", "customer_id"),
        ("Email Address", "email"),
        ("MobileNumber", "mobile_number"),
        ("Mobile Telephone Number", "mobile_number"),
        ("phone_number_3", "phone_number_3"),
        ("other2", "other_id_2"),
        ("other_id_2", "other_id_2"),
        ("Other 2", "other_id_2"),
        ("otherid10", "other_id_10"),
        ("facebookcustomaudienceid", "facebook_custom_audience_id"),
        ("Twitter Handle", "twitter"),
        ("Google ID", "google"),
        ("mpid", None),
        ("other1", None),
        ("", None),
    ],
)
def test_spelling_names_its_type(spelling: str, name: str | None) -> None:
    """Case, spaces and underscores do not matter; the older SDKs' and Firehose's names count too."""
    assert identity_type_of(spelling) == name


def test_there_are_22_types() -> None:
    """As many as mParticle's schema names."""
    assert len(IDENTITY_TYPES) == 22


def test_first_value_that_is_not_empty_counts() -> None:
    """Blank values, empty digests and values of the wrong kind are passed over."""
    entries: list[object] = [
        {"identity_type": "email", "identity": " "},
        {"identity_type": "Email", "identity": EMPTY_DIGEST.upper()},
        {"identity_type": "email", "identity": {"a": 1}},
        {"identity_type": "email", "identity": "a@example.com", "encoding": "RAW"},
        {"identity_type": "email", "identity": "b@example.com"},
        {"identity_type": 5, "identity": "x"},
        "no object",
    ]
    assert identities_by_type(entries, []) == {"email": ("a@example.com", "raw", "user_identities[3].identity")}


def test_object_form_gives_the_same() -> None:
    """Inbound batches have an object."""
    identities: dict[str, object] = {"customerid": 7, "email": None, "mobile_number": "+1", "google": "g"}
    texts: list[str] = []
    assert identities_by_type(identities, texts) == {
        "customer_id": ("7", "raw", "user_identities.customerid"),
        "mobile_number": ("+1", "raw", None),
        "google": ("g", "raw", None),
    }
    assert texts == ["7", "+1", "g"]


def test_values_of_counted_types_are_searched_for_behind_a_hundred_others() -> None:
    """A batch may name any number of identities; those that are sent must not be left in a URL."""
    entries: list[object] = [{"identity_type": "other", "identity": f"o{number}"} for number in range(101)]
    texts: list[str] = []
    identities_by_type([*entries, {"identity_type": "email", "identity": "a@example.com"}], texts)
    assert texts == [*(f"o{number}" for number in range(100)), "o0", "a@example.com"]


def test_long_spellings_fill_no_memory() -> None:
    """A sender chooses the names of members; 500 of 100 kB must not stay in memory."""
    tracemalloc.start()
    try:
        for number in range(500):
            assert identity_type_of(f"{number:0100000}") is None
        assert identities_by_type({"_" * 100_000 + "email": "a@example.com"}, [])["email"][0] == "a@example.com"
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
