"""How long a text may be that is mapped; of one that is longer, the beginning is read, or nothing, with a warning."""

from typing import Any

import pytest

from tests.unit.mapping.batches import batch_of, one_mapped, outcomes_of, purchase
from tiktok_forwarder.domain.outcome import Dropped, Mapped
from tiktok_forwarder.mapping.redaction.memory import TextMemory
from tiktok_forwarder.mparticle.values import is_dummy, number_of, visible_text

CUT = "text_cut"


@pytest.mark.parametrize(
    ("identity_type", "field", "longest"),
    [
        ("email", "email", "a" * 4084 + "@example.com"),
        ("customer_id", "external_id", "c" * 4096),
        ("mobile_number", "phone", "+1 213 373 4253" + " " * 4080 + "0"),
    ],
)
def test_identity_of_4096_characters_is_the_longest(identity_type: str, field: str, longest: str) -> None:
    """TikTok's own are a tenth of it; a longer one gives no digest, and the event says so."""
    assert len(longest) == 4096
    identities = {identity_type: longest, "other": "known"}
    settings: dict[str, Any] = {"anonymous_events": "forward"}
    payload, warnings = one_mapped(batch_of(purchase(), user_identities=identities), **settings)
    assert (field in payload["user"], CUT in warnings) == (field != "phone", False)
    identities[identity_type] = f"x{longest}" if field != "phone" else f"{longest}0"
    payload, warnings = one_mapped(batch_of(purchase(), user_identities=identities), **settings)
    assert field not in payload["user"]
    assert CUT in warnings


def test_mpid_of_4096_characters_is_the_longest() -> None:
    """Each event that has no ID of its own gets one that is made of it."""
    settings: dict[str, Any] = {"extra_external_identity_types": ["mpid"], "external_identity_type": "other"}
    settings["anonymous_events"] = "forward"
    payload, warnings = one_mapped(batch_of(purchase(), mpid="m" * 4096, user_identities={}), **settings)
    assert "external_id" in payload["user"]
    assert CUT not in warnings
    payload, warnings = one_mapped(batch_of(purchase(), mpid="m" * 4097, user_identities={}), **settings)
    assert "external_id" not in payload["user"]
    assert CUT in warnings


def test_list_of_addresses_of_4096_characters_is_the_longest() -> None:
    """A longer list of IP addresses is not read."""
    address = "198.51.100.7"
    longest = f"{',' * (4096 - len(address))}{address}"
    payload, warnings = one_mapped(batch_of(purchase(), ip=longest))
    assert (payload["user"]["ip"], CUT in warnings) == (address, False)
    payload, warnings = one_mapped(batch_of(purchase(), ip=f",{longest}"), require_ip_and_user_agent=False)
    assert "ip" not in payload["user"]
    assert CUT in warnings


@pytest.mark.parametrize(("attribute", "field"), [("$firstname", "first_name"), ("$city", "city")])
def test_attribute_of_advanced_matching_has_at_most_4096_characters(attribute: str, field: str) -> None:
    """A longer one is no name of a person or a place."""
    for length, is_sent in ((4096, True), (4097, False)):
        batch = batch_of(purchase(), user_attributes={attribute: "a" * length})
        payload, warnings = one_mapped(batch, advanced_matching=True)
        assert (field in payload["user"], CUT in warnings) == (is_sent, not is_sent)


@pytest.mark.parametrize(("length", "is_met", "is_cut"), [(4095, True, False), (4096, False, True)])
def test_condition_reads_the_first_4096_characters(length: int, is_met: bool, is_cut: bool) -> None:
    """What stands behind them is not found, and the event says that its text was cut."""
    rule = {"name": "r", "action": "limit_data_use", "when": [{"attribute": "a", "contains": ["z"]}]}
    batch = batch_of(purchase(custom_attributes={"a": "a" * length + "z"}))
    payload, warnings = one_mapped(batch, forwarding_rules=[rule])
    assert (payload.get("limited_data_use", False), CUT in warnings) == (is_met, is_cut)


def test_attribute_of_the_batch_is_cut_for_each_item_that_takes_it() -> None:
    """A payload must not grow to many times its request."""
    mapping = {
        "event": "Purchase",
        "event_type": "commerce_event",
        "event_name": "purchase",
        "properties": {"content_id": {"product": "id"}, "content_name": {"user_attribute": "a"}},
    }
    products = [{"id": str(number)} for number in range(100)]
    event = purchase(product_action={"action": "purchase", "products": products})
    batch = batch_of(event, user_attributes={"a": "a" * 100_000})
    (outcome,) = outcomes_of(batch, custom_mappings=[mapping])
    assert isinstance(outcome, Mapped)
    assert len(outcome.payload) < 100 * 4200
    assert CUT in outcome.warnings


@pytest.mark.parametrize(("ids", "sent", "is_cut"), [(1000, 1000, False), (1001, 1000, True)])
def test_list_of_content_ids_has_at_most_1000(ids: int, sent: int, is_cut: bool) -> None:
    """The first of them are sent."""
    mapping = {
        "event": "Purchase",
        "event_type": "commerce_event",
        "event_name": "purchase",
        "properties": {"content_ids": {"attribute": "a"}},
    }
    batch = batch_of(purchase(custom_attributes={"a": [str(number) for number in range(ids)]}))
    payload, warnings = one_mapped(batch, custom_mappings=[mapping])
    assert (len(payload["properties"]["content_ids"]), CUT in warnings) == (sent, is_cut)


def test_text_of_content_ids_ends_before_the_id_that_would_be_cut() -> None:
    """Of 16,384 characters each ID is sent, of more those that are whole."""
    mapping = {
        "event": "Purchase",
        "event_type": "commerce_event",
        "event_name": "purchase",
        "properties": {"content_ids": {"attribute": "a"}},
    }
    for last, sent, is_cut in (("b" * 3, 2, False), ("b" * 4, 1, True)):
        batch = batch_of(purchase(custom_attributes={"a": "a" * 16_380 + "," + last}))
        payload, warnings = one_mapped(batch, custom_mappings=[mapping])
        assert len(payload["properties"]["content_ids"]) == sent
        # The first of them has more than 4,096 characters.
        assert CUT in warnings or not is_cut


@pytest.mark.parametrize(("digits", "number"), [(4096, float("inf")), (4097, None)])
def test_text_of_a_number_has_at_most_4096_characters(digits: int, number: float | None) -> None:
    """A longer one is no number."""
    assert number_of("9" * digits) == number


@pytest.mark.parametrize(("length", "kept"), [(16_384, 8_192), (16_385, 16_385)])
def test_text_beyond_every_bound_keeps_its_invisible_characters(length: int, kept: int) -> None:
    """It is too long without them too."""
    text = visible_text(("a\u200b" * length)[:length])
    assert text is not None
    assert len(text) == kept


def test_hundred_identities_of_a_batch_are_looked_for() -> None:
    """Each URL and each name is searched for them all."""
    identities = [{"identity_type": "other", "identity": f"value-{number:03}"} for number in range(101)]
    identities.append({"identity_type": "customer_id", "identity": "cust-829311"})
    for number, is_found in ((98, True), (99, True), (100, False)):
        url = f"https://shop.example.com/?u=value-{number:03}"
        batch = batch_of(purchase(custom_flags={"TikTok.URL": url}), user_identities=identities)
        payload, warnings = one_mapped(batch)
        assert ("identity_redacted" in warnings) == is_found
        assert (payload["page"]["url"] == url) != is_found


def test_long_event_name_is_dropped_with_a_short_reason() -> None:
    """The reason names the beginning of it."""
    (outcome,) = outcomes_of(batch_of({"event_type": "n" * 100_000, "data": {}}))
    assert isinstance(outcome, Dropped)
    assert "n" * 60 in outcome.detail
    assert len(outcome.detail) < 200


def test_texts_are_remembered_up_to_a_bound_of_their_characters() -> None:
    """Several connections look at the same texts of a request; a request of other texts replaces them."""
    asked: list[str] = []

    def work(text: str) -> str:
        asked.append(text)
        return text

    memory = TextMemory(work)
    half = "a" * 500_000
    assert memory(half) == memory(half) == half
    assert asked == [half]
    memory("b" * 500_001)
    memory(half)
    assert len(asked) == 3
    memory.clear()
    memory(half)
    assert len(asked) == 4


@pytest.mark.parametrize(("length", "is_one"), [(16_384, True), (16_385, False)])
def test_placeholder_has_at_most_16384_characters(length: int, is_one: bool) -> None:
    """A longer text of marks is not searched for a letter."""
    assert is_dummy("," * length) == is_one
    assert is_dummy("0" * length) == is_one
