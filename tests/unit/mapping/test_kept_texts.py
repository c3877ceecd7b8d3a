"""What is kept for people of events that are not sent: nothing of an address, a phone number or an identity."""

from time import process_time

import msgspec
import pytest

from tests.unit.mapping.batches import batch_of
from tiktok_forwarder.mapping.redaction.identities import identity_values_of
from tiktok_forwarder.mapping.redaction.kept import kept_text
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.mparticle.parse import Bounds, parse_body


def _batch(**identities: str) -> Batch:
    return parse_body(msgspec.json.encode(batch_of(user_identities=identities)), Bounds())[0]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Site Search", "Site Search"),
        ("signup jane@example.com now", "signup redacted now"),
        ("signup:jane!doe@example.com", "redacted"),
        ('signup "jane doe"@mail.example.com', "signup redacted"),
        ("jane@", "redacted"),
        ("jane@local", "redacted"),
        ("a jane%40example.com", "a redacted"),
        ("a jane%252540example.com", "a redacted"),
        ("a jane&#64;example.com", "a redacted"),
        ("a jane\uff20example.com", "a redacted"),
        ("a ja\u200bne@example.com", "a redacted"),
        ("follow @shop", "follow @shop"),
        ("50%25 off & more", "50%25 off & more"),
        ("call +1 415 555 0123 today", "call redacted today"),
        ("call +1 (415) 555-0123", "call redacted"),
        ("call %2B14155550123", "call redacted"),
        ("1 + 2345678", "1 redacted"),
        ("1 + 234567", "1 + 234567"),
        ("order 14155550123", "order 14155550123"),
    ],
)
def test_kept_text(text: str, kept: str) -> None:
    """Words with an address go whole, whatever stands around it; so do numbers that are written as phone numbers."""
    assert kept_text(text, 200) == kept


@pytest.mark.parametrize("length", [0, 1, 5, 196, 199, 200, 201, 4080, 4095, 4096, 4097, 10_000])
def test_address_at_any_place_leaves_no_fragment(length: int) -> None:
    """What is too long is redacted before it is cut, or cut before the address."""
    for begin in ("x" * length, "x " * (length // 2)):
        kept = kept_text(f"{begin}jane.doe@example.com {'y' * 5000}", 200)
        assert not any(fragment in kept for fragment in ("jane", "doe", "@", "example"))
        assert len(kept) <= 200


@pytest.mark.parametrize(
    "text",
    ["welcome cust-829311", "WELCOME CUST-829311", "welcome cust%2D829311", "call 1 (415) 555-0123", "id:14155550123"],
)
def test_identity_of_the_user_costs_the_whole_text(text: str) -> None:
    """Whatever it is written like; what belongs to no identity of this user stays."""
    values = identity_values_of(_batch(customer_id="cust-829311", mobile_number="+1 415 555 0123"))
    assert kept_text(text, 200, values) == "redacted"
    assert kept_text(text, 200, identity_values_of(_batch(customer_id="cust-5"))) == text


def test_identity_of_three_characters_is_not_looked_for() -> None:
    """It would be found in many names."""
    assert kept_text("abc", 200, identity_values_of(_batch(customer_id="abc"))) == "abc"
    assert kept_text("abcd", 200, identity_values_of(_batch(customer_id="abcd"))) == "redacted"


@pytest.mark.parametrize("piece", ["+", "+1", '"', '"@', "x@", "% ", "+ 1", "@ "])
def test_long_kept_text_takes_little_longer_than_a_plain_one(piece: str) -> None:
    """A name of a megabyte is worked on for no longer than its size deserves."""

    def least(text: str) -> float:
        times = []
        for _ in range(5):
            begun = process_time()
            kept_text(text, 200)
            times.append(process_time() - begun)
        return min(times)

    assert least(piece * (1_000_000 // len(piece))) < 100 * max(least("x" * 1_000_000), 0.0005)
