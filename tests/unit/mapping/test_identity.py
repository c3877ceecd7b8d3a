"""Identities: normal forms, digests and the warnings for what gives none."""

from hashlib import sha256
from typing import Any

import pytest

from tests.golden.cases import connection_of
from tests.unit.mapping.batches import batch_of, one_mapped, purchase
from tiktok_forwarder.mapping.identity import IdentityKind, digest_of_identity, digests_of_identity

# printf '' | sha256sum
EMPTY_DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
PHONE = "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd"


def _user(identities: Any, **settings: Any) -> tuple[dict[str, str], set[str]]:
    settings = {"anonymous_events": "forward", **settings}
    payload, warnings = one_mapped(batch_of(purchase(), user_identities=identities), **settings)
    found = {key: value for key, value in payload["user"].items() if key in ("email", "phone", "external_id")}
    return found, warnings


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("email", "digest", "warnings"),
    [
        (" ALICE_abc@gmail.com ", "848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f", set()),
        ("a" * 64, "a" * 64, set()),
        ("A" * 64, "a" * 64, set()),
        ("g" * 64, None, {"invalid_email"}),
        (EMPTY_DIGEST, None, set()),
        ("alice", None, {"invalid_email"}),
        ("a@b@c", None, {"invalid_email"}),
        ("@example.com", None, {"invalid_email"}),
        ("alice@", None, {"invalid_email"}),
        ("ali ce@example.com", None, {"invalid_email"}),
        (True, None, {"invalid_email"}),
        ("", None, set()),
        ([], None, set()),
    ],
)
def test_email(email: Any, digest: str | None, warnings: set[str]) -> None:
    """Stripped and lower case; what is no address gives no digest."""
    found, given = _user({"email": email})
    assert (found.get("email"), given) == (digest, warnings)


@pytest.mark.parametrize(
    ("external_id", "digest", "warnings"),
    [
        ("user_123", "80fba0ae1c48e3978e43e4efc365e14e12ea0c830ba8ba5b9a2dafc7e3f2ab8b", set()),
        (" User_123 ", _digest("User_123"), set()),
        (42, _digest("42"), set()),
        *((dummy, None, {"dummy_identity"}) for dummy in ("0", 0, "false", False, True, "NULL", "undefined", "n/a")),
        *((dummy, None, {"dummy_identity"}) for dummy in ("None", "NaN", "true", 0.0)),
    ],
)
def test_external_id(external_id: Any, digest: str | None, warnings: set[str]) -> None:
    """Case stays; values that stand for nobody give no digest."""
    found, given = _user({"customer_id": external_id})
    assert (found.get("external_id"), given) == (digest, warnings)


@pytest.mark.parametrize(
    ("phone", "region", "e164"),
    [
        ("+12133734253", None, "+12133734253"),
        ("(+1)2133734253", None, "+12133734253"),
        ("+1 213-373-4253", None, "+12133734253"),
        ("+1\u00a0213.373/4253", None, "+12133734253"),
        ("0012133734253", None, "+12133734253"),
        ("2133734253", "US", "+12133734253"),
        ("1 (213) 373-4253", "US", "+12133734253"),
        (2133734253, "US", "+12133734253"),
        ("+44 (0)20 7946 0000", None, "+442079460000"),
        ("(+44)(0) 20 7946 0000", "US", "+442079460000"),
        ("0044 (0) 20 7946 0000", None, "+442079460000"),
        ("020 7946 0000", "GB", "+442079460000"),
        ("(0)20 7946 0000", "GB", "+442079460000"),
        ("011 44 20 7946 0000", "US", "+442079460000"),
        ("06 1234 5678", "IT", "+390612345678"),
        ("+4912345", None, "+4912345"),
        ("+491234567890123", None, "+491234567890123"),
        ("+44 0161 496 0123", None, "+441614960123"),
        ("+49 (0)151 12345678", None, "+4915112345678"),
        ("+39 06 1234 5678", None, "+390612345678"),
        ("+1 1 415 555 0123", None, "+14155550123"),
        ("+1\u2011415\u2013555\u22120123", None, "+14155550123"),
        ("\u202a+14155550123\u202c", None, "+14155550123"),
    ],
)
def test_phone(phone: Any, region: str | None, e164: str) -> None:
    """E.164 with the plus, from whatever people write."""
    assert _user({"mobile_number": phone}, default_phone_region=region) == ({"phone": _digest(e164)}, set())


@pytest.mark.parametrize(
    ("phone", "region", "warning"),
    [
        ("2133734253", None, "phone_without_country_code"),
        ("+123456", None, "invalid_phone"),
        ("+1234567890123456", None, "invalid_phone"),
        ("+0123456789", None, "invalid_phone"),
        ("000123456789", None, "invalid_phone"),
        ("call me", None, "invalid_phone"),
        ("+1 213 373 4253 ext 5", None, "invalid_phone"),
        ("+١٢٣٤٥٦٧٨٩", None, "invalid_phone"),
        ("1+2133734253", None, "invalid_phone"),
        ("++12133734253", None, "invalid_phone"),
        ("-", None, "invalid_phone"),
        ("+", "US", "invalid_phone"),
        ("12", "US", "invalid_phone"),
        ("213373425300000", "US", "invalid_phone"),
    ],
)
def test_phone_without_digest(phone: str, region: str | None, warning: str) -> None:
    """Each kind of number that cannot be made E.164 says which."""
    assert _user({"mobile_number": phone}, default_phone_region=region) == ({}, {warning})


def test_trunk_prefix_of_no_country_stays() -> None:
    """`(0)` goes only right after a country code that there is."""
    assert _user({"mobile_number": "+999 (0) 12345678"})[0] == {"phone": _digest("+999012345678")}
    assert _user({"mobile_number": "+44 20 (0) 79460000"})[0] == {"phone": _digest("+4420079460000")}


@pytest.mark.parametrize(
    ("encoding", "value", "digest", "warnings"),
    [
        ("raw", "a@example.com", _digest("a@example.com"), set()),
        ("SHA256", "A" * 64, "a" * 64, set()),
        ("sha256", "a@example.com", None, {"unusable_hash"}),
        ("md5", "2db01f61391e64daca47444941c407a7", None, {"unusable_hash"}),
        ("sha1", "a" * 40, None, {"unusable_hash"}),
        (None, "a@example.com", _digest("a@example.com"), set()),
    ],
)
def test_encoding(encoding: Any, value: str, digest: str | None, warnings: set[str]) -> None:
    """Firehose says how a value is encoded; TikTok takes SHA-256 alone."""
    found, given = _user([{"identity_type": "email", "identity": value, "encoding": encoding}])
    assert (found.get("email"), given) == (digest, warnings)


def test_identity_types_are_the_connections_choice() -> None:
    """Any of mParticle's types can serve, and one may serve twice."""
    settings = {"email_identity_type": "Other 2", "phone_identity_type": "google", "external_identity_type": "google"}
    found, warnings = _user({"other2": "a@example.com", "google": "+12133734253"}, **settings)
    assert found == {"email": _digest("a@example.com"), "phone": PHONE, "external_id": PHONE}
    assert warnings == set()


def test_1_0_names_them_otherwise() -> None:
    """`phone_number`, inside the context."""
    batch = batch_of(purchase(), user_identities={"mobile_number": "+12133734253"})
    assert one_mapped(batch, events_api="1.0")[0]["context"]["user"] == {"phone_number": PHONE}


@pytest.mark.parametrize(
    ("kind", "text", "digests"),
    [
        ("email", "Ann@Example.com", [_digest("ann@example.com")]),
        ("external_id", "Ann@Example.com", [_digest("Ann@Example.com")]),
        ("phone", "213-373-4253", [PHONE]),
        ("email", "A" * 64, ["a" * 64]),
        ("email", "no address", []),
        ("external_id", "null", []),
        ("phone", "call me", []),
    ],
)
def test_identity_to_erase_is_hashed_as_its_kind_alone(kind: IdentityKind, text: str, digests: list[str]) -> None:
    """An erasure must not reach a person whose external ID reads like another's email."""
    assert digests_of_identity(text, kind, connection_of({"default_phone_region": "US"})) == digests


def test_identity_to_erase_is_hashed_as_each_kind_of_its_type() -> None:
    """Where one identity type serves several kinds, the person's events hold a digest of each."""
    connection = connection_of({"email_identity_type": "other", "external_identity_type": "other"})
    both = {_digest("ann@example.com"), _digest("Ann@example.com")}
    kinds: tuple[IdentityKind, ...] = ("email", "external_id")
    assert [set(digests_of_identity("Ann@example.com", kind, connection)) for kind in kinds] == [both, both]
    assert digests_of_identity("+12133734253", "phone", connection) == [PHONE]


def test_identity_to_erase_is_hashed_without_a_connection() -> None:
    """Events of a connection that is gone are found too; only a national phone number needs its region."""
    assert digest_of_identity("Ann@Example.com", "email") == _digest("ann@example.com")
    assert digest_of_identity("+1 213-373-4253", "phone") == PHONE
    assert digest_of_identity("213-373-4253", "phone") is None
