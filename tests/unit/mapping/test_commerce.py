"""Value, currency and contents of a standard commerce event."""

import math
from typing import Any

import pytest

from tests.unit.mapping.batches import batch_of, one_mapped, order, purchase


@pytest.mark.parametrize(
    ("code", "default", "currency", "warnings"),
    [
        (" usd ", None, "USD", set()),
        ("BGN", None, "BGN", {"currency_not_listed"}),
        ("US", "EUR", None, {"invalid_currency"}),
        ("dollars", None, None, {"invalid_currency"}),
        (840, None, None, {"invalid_currency"}),
        (None, "EUR", "EUR", set()),
        (None, "BGN", "BGN", {"currency_not_listed"}),
        (" ", None, None, {"missing_currency"}),
    ],
)
def test_currency(code: Any, default: str | None, currency: str | None, warnings: set[str]) -> None:
    """The default stands in only where none is given."""
    payload, given = one_mapped(batch_of(purchase(currency_code=code)), default_currency=default)
    assert (payload["properties"].get("currency"), given) == (currency, warnings)


def test_currency_inside_the_product_action_counts_last() -> None:
    """Some senders put it where the help page says."""
    event = order(total_amount=1, currency="", currency_code="gbp")
    event["data"]["currency_code"] = None
    assert one_mapped(batch_of(event))[0]["properties"]["currency"] == "GBP"


def test_no_value_needs_no_currency() -> None:
    """Neither default nor warning."""
    event = order(products=[{"id": "a"}])
    event["data"]["currency_code"] = None
    payload, warnings = one_mapped(batch_of(event), default_currency="EUR")
    assert ("currency" in payload["properties"], warnings) == (False, set())


@pytest.mark.parametrize(
    ("total", "value", "warnings"),
    [
        ("100.00", 100, set()),
        (0, 0, {"zero_total_with_priced_products"}),
        ("", 20, set()),
        (None, 20, set()),
        ("abc", None, {"invalid_value"}),
        ("1,299.00", None, {"invalid_value"}),
        ([5], 20, set()),
        (True, 20, set()),
        (0.0, 0, {"zero_total_with_priced_products"}),
        ("0", 0, {"zero_total_with_priced_products"}),
        (-1, None, {"invalid_value"}),
        (-0.5, None, {"invalid_value"}),
        ("-0.5", None, {"invalid_value"}),
        ("NaN", None, {"invalid_value"}),
        (math.nan, None, {"invalid_value"}),
        (math.inf, None, {"invalid_value"}),
        (10**400, None, {"invalid_value"}),
    ],
)
def test_value(total: Any, value: float | None, warnings: set[str]) -> None:
    """A total that is no good is left out, and the products do not stand in for it."""
    event = order(total_amount=total, products=[{"id": "a", "price": 10, "quantity": 2}])
    payload, given = one_mapped(batch_of(event))
    assert (payload["properties"].get("value"), given) == (value, warnings)


@pytest.mark.parametrize(
    ("products", "value"),
    [
        ([{"total_product_amount": "9.5"}, {"price": 3}, {"price": "2", "quantity": "1.5"}], 15.5),
        ([{"price": 0.1, "quantity": 3}, {"price": 0.2}], 0.5),
        ([{"price": 1.00004}], 1),
        ([{"price": 1.00006}], 1.0001),
        ([{"price": 0.12344}], 0.1234),
        ([{"price": 5, "quantity": 0}], 0),
        ([{"price": -5, "quantity": -1}, {"price": 1}], 1),
        ([{"total_product_amount": -1, "price": 5}, {"price": 3}], 2),
        ([{"price": -0.5}, {"price": 1}], 0.5),
        ([{"price": -0.5, "quantity": 2}, {"price": 1}], 0),
        ([{"price": -2}, {"price": 1}], None),
        ([{"price": math.nan}, {"price": 1}], 1),
        ([{"price": 3, "quantity": math.inf}, {"price": 1}], 1),
        ([{"total_product_amount": math.inf}, {"price": 1}], 1),
        ([{"price": 1e308}, {"price": 1e308}], None),
        ([{"total_product_amount": "inf"}, {"price": "x"}, {"name": "a"}], None),
        ([], None),
    ],
)
def test_sum_of_products(products: Any, value: float | None) -> None:
    """Amounts, else price times quantity; what is no good is skipped; rounded to four decimals."""
    event = order(products=products)
    assert one_mapped(batch_of(event))[0].get("properties", {}).get("value") == value
    assert "value" not in one_mapped(batch_of(event), value_from_products=False)[0].get("properties", {})


@pytest.mark.parametrize(
    ("quantity", "sent", "warnings"),
    [
        (2, 2, set()),
        ("4", 4, set()),
        (2.0, 2, set()),
        (2.5, 3, {"quantity_rounded"}),
        (2.4, 2, {"quantity_rounded"}),
        (0.5, 1, {"quantity_rounded"}),
        (0, 1, {"quantity_rounded"}),
        (-3, 1, {"quantity_rounded"}),
        (-2.5, 1, {"quantity_rounded"}),
        ("NaN", None, {"invalid_value"}),
        (math.nan, None, {"invalid_value"}),
        (math.inf, None, {"invalid_value"}),
        (-math.inf, None, {"invalid_value"}),
        (True, None, set()),
        ("many", None, {"invalid_value"}),
        (1_000_000_000, 1_000_000_000, set()),
        (1_000_000_001, None, {"invalid_value"}),
        (None, None, set()),
        ([], None, set()),
        (10**400, None, {"invalid_value"}),
    ],
)
def test_quantity(quantity: Any, sent: float | None, warnings: set[str]) -> None:
    """Whole, at least one, halves up."""
    payload, given = one_mapped(batch_of(order(total_amount=1, products=[{"id": "a", "quantity": quantity}])))
    assert payload["properties"]["contents"][0].get("quantity") == sent
    assert (payload["properties"].get("num_items"), given) == (sent, warnings)


@pytest.mark.parametrize("quantity", [2, "4", 2.0, 2.5, "0.2", 10**9])
def test_quantity_is_written_without_a_decimal_point(quantity: Any) -> None:
    """TikTok takes integers only, for items and for their number."""
    properties = one_mapped(batch_of(order(total_amount=1, products=[{"id": "a", "quantity": quantity}])))[0][
        "properties"
    ]
    assert {type(properties["contents"][0]["quantity"]), type(properties["num_items"])} == {int}


@pytest.mark.parametrize(
    ("price", "sent", "warnings"),
    [
        (12.5, 12.5, set()),
        ("12.50", 12.5, set()),
        (0, 0, set()),
        (0.0, 0, set()),
        (-1, None, {"invalid_value"}),
        (-1.5, None, {"invalid_value"}),
        ("-1.5", None, {"invalid_value"}),
        (-0.0001, None, {"invalid_value"}),
        ("NaN", None, {"invalid_value"}),
        (math.nan, None, {"invalid_value"}),
        (math.inf, None, {"invalid_value"}),
        (-math.inf, None, {"invalid_value"}),
        (10**400, None, {"invalid_value"}),
        ("cheap", None, {"invalid_value"}),
        ("1,299.00", None, {"invalid_value"}),
        (" ", None, set()),
        (True, None, set()),
        ([1], None, set()),
    ],
)
def test_price_is_left_out_unless_it_is_a_finite_number_from_zero_up(
    price: Any, sent: float | None, warnings: set[str]
) -> None:
    """The product is sent without a price that TikTok would refuse, and a warning names a number that is unusable."""
    payload, given = one_mapped(batch_of(order(total_amount=1, products=[{"id": 5, "price": price}])))
    content = {"content_id": "5"} if sent is None else {"price": sent, "content_id": "5"}
    assert (payload["properties"]["contents"], given) == ([content], warnings)


PRODUCT_TEXTS = [("id", "content_id"), ("category", "content_category"), ("name", "content_name"), ("brand", "brand")]


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u3000", None, [], {}, math.nan])
@pytest.mark.parametrize(("member", "name"), PRODUCT_TEXTS)
def test_product_text_is_left_out_when_blank(member: str, name: str, blank: Any) -> None:
    """An empty text says nothing to TikTok: neither the item nor the list of content ids has it."""
    payload, warnings = one_mapped(batch_of(order(total_amount=1, products=[{"price": 1.5, member: blank}])))
    assert (payload["properties"]["contents"], warnings) == ([{"price": 1.5}], set())
    assert "content_ids" not in payload["properties"]


@pytest.mark.parametrize(("given", "sent"), [(" a b ", "a b"), (7, "7"), (7.0, "7"), (0, "0"), (False, "false")])
@pytest.mark.parametrize(("member", "name"), PRODUCT_TEXTS)
def test_product_text_is_sent_stripped_and_as_text(member: str, name: str, given: Any, sent: str) -> None:
    """Product catalogs number their items, and a number in place of a text is no reason to lose it."""
    payload, _ = one_mapped(batch_of(order(total_amount=1, products=[{"price": 1.5, member: given}])))
    assert payload["properties"]["contents"] == [{"price": 1.5, name: sent}]


def test_product_of_blank_members_is_no_item() -> None:
    """A product of which nothing can be sent is skipped, and without items there is no content type."""
    products = [{"id": " ", "name": "", "price": None, "quantity": " "}, {}]
    payload, warnings = one_mapped(batch_of(order(total_amount=1, products=products)))
    assert (payload["properties"], warnings) == ({"currency": "USD", "value": 1}, set())


def test_contents_and_what_follows_from_them() -> None:
    """Ids without repeats; no number of items unless every one has a quantity; empty products are skipped."""
    products = [{"id": "a", "quantity": 1}, {"id": " a ", "quantity": 2}, {"variant": "x"}, 7, {"name": "n"}]
    properties = one_mapped(batch_of(order(total_amount=1, products=products)), content_type="product_group")[0][
        "properties"
    ]
    assert properties["contents"] == [
        {"quantity": 1, "content_id": "a"},
        {"quantity": 2, "content_id": "a"},
        {"content_name": "n"},
    ]
    assert properties["content_ids"] == ["a"]
    assert properties["content_type"] == "product_group"
    assert "num_items" not in properties


def test_1_0_has_content_types_inside_and_no_summaries() -> None:
    """What Events API 2.0 added is not sent to 1.0."""
    event = order(total_amount=1, transaction_id="o", products=[{"id": "a", "quantity": 1}])
    properties = one_mapped(batch_of(event), events_api="1.0")[0]["properties"]
    assert properties == {
        "contents": [{"quantity": 1, "content_id": "a", "content_type": "product"}],
        "currency": "USD",
        "value": 1,
        "content_type": "product",
    }


def test_order_id_is_of_purchases_only() -> None:
    """A cart has no order."""
    event = purchase(product_action={"action": "add_to_cart", "transaction_id": "o1", "total_amount": 1})
    assert "order_id" not in one_mapped(batch_of(event))[0]["properties"]


def test_no_content_no_content_type() -> None:
    """It accompanies contents; a description stands alone."""
    event = order()
    event["data"]["currency_code"] = None
    event["data"]["custom_attributes"] = {"description": 5}
    assert one_mapped(batch_of(event))[0]["properties"] == {"description": "5"}


@pytest.mark.parametrize("name", ["CompletePayment", "Purchase"])
def test_purchase_is_called_as_the_connection_says(name: str) -> None:
    """And no other event is renamed."""
    assert one_mapped(batch_of(purchase()), purchase_event=name)[0]["event"] == name
    cart = purchase(product_action={"action": "ADD_to_cart"})
    assert one_mapped(batch_of(cart), purchase_event=name)[0]["event"] == "AddToCart"
