"""Properties of a commerce event: value, currency and contents, as TikTok takes them.

Every function notes what it leaves out or changes in `warnings`, and what it chooses in `sources`. The loops over
products are the mapping's hot path: they inspect a value's exact type first and call the slower functions only for
unusual values.
"""

import math
import re
from collections.abc import Sequence
from typing import Final

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.places import DEFAULT_CURRENCY, SUM, SUM_FOR_ZERO
from tiktok_forwarder.mparticle.batch import Product, ProductAction
from tiktok_forwarder.mparticle.values import Number, number_of, text_of
from tiktok_forwarder.tiktok.events import CONTENT_PROPERTIES, CURRENCIES
from tiktok_forwarder.tiktok.payload import Content, Properties
from tiktok_forwarder.tiktok.wire_form import WireForm

_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
# A sum of floats has digits that no shop means.
_SUM_DECIMALS: Final = 4
_INFINITY: Final = math.inf
MAX_QUANTITY: Final = 1_000_000_000
INVALID_VALUE: Final = "invalid_value"


def checked_amount(value: object, warnings: list[str]) -> Number | None:
    """Return a price or value: a number that is neither negative nor non-finite; None if it is not usable."""
    amount = number_of(value)
    if amount is None:
        _warn_of_text(value, warnings)
        return None
    if 0 <= amount < _INFINITY:
        return amount
    warnings.append(INVALID_VALUE)
    return None


def checked_quantity(value: object, warnings: list[str]) -> Number | None:
    """Return a quantity as TikTok wants it: whole, at least 1, halves rounded up; None if it is not usable."""
    given = number_of(value)
    if given is None:
        _warn_of_text(value, warnings)
        return None
    if not given <= MAX_QUANTITY or given == -_INFINITY:
        warnings.append(INVALID_VALUE)
        return None
    whole = max(1, math.floor(given + 0.5))
    if whole != given:
        warnings.append("quantity_rounded")
    return whole


def _warn_of_text(value: object, warnings: list[str]) -> None:
    if isinstance(value, str) and value.strip():
        warnings.append(INVALID_VALUE)


def checked_currency(
    given: object, default: str | None, *, has_value: bool, warnings: list[str], sources: FieldSources
) -> str | None:
    """Return the currency to send. The default replaces only a missing currency, and only beside a value."""
    text = text_of(given)
    if text is None:
        if not has_value:
            return None
        if default is None:
            warnings.append("missing_currency")
            return None
        sources["currency"] = DEFAULT_CURRENCY
        currency = default
    else:
        currency = text.upper()
    if currency in CURRENCIES:
        return currency
    if text is not None and not _CURRENCY.fullmatch(currency):
        warnings.append("invalid_currency")
        return None
    warnings.append("currency_not_listed")
    return currency


def order_value(
    action: ProductAction, connection: Connection, warnings: list[str], sources: FieldSources
) -> Number | None:
    """Return the event's total, or if it is missing the sum of its products."""
    total = action.total_amount
    if type(total) is float and 0 < total < _INFINITY:
        return total
    given = number_of(total)
    if given is None:
        if isinstance(total, str) and total.strip():
            warnings.append(INVALID_VALUE)
            return None
        return _sum_of_products(action, warnings, sources) if connection.value_from_products else None
    if given == 0:
        return _instead_of_zero(action, connection, warnings, sources)
    return checked_amount(given, warnings)


def _instead_of_zero(
    action: ProductAction, connection: Connection, warnings: list[str], sources: FieldSources
) -> Number | None:
    """Return 0, or the sum of the products: the Web SDK writes 0 where a page passes no revenue."""
    noted: FieldSources = {}
    total = _sum_of_products(action, [], noted)
    if total is None or total <= 0:
        return 0
    if not connection.zero_total_is_missing:
        warnings.append("zero_total_with_priced_products")
        return 0
    warnings.append("zero_total_replaced")
    sources.update(noted)
    sources["value"] = SUM_FOR_ZERO
    return total


def _sum_of_products(action: ProductAction, warnings: list[str], sources: FieldSources) -> Number | None:
    found = [_product_amount(product) for product in action.products or ()]
    amounts = [amount for amount, _ in found if amount is not None]
    if not amounts:
        return None
    sources["value"] = SUM
    sources["summed"] = "".join([letter for _, letter in found])
    total = sum(amounts)
    return checked_amount(round(total, _SUM_DECIMALS) if math.isfinite(total) else total, warnings)


def _product_amount(product: Product) -> tuple[Number | None, str]:
    """Return what a product adds to the sum (None if nothing), and how, as a letter of `AMOUNTS`.

    A negative amount or price is a discount.
    """
    amount = number_of(product.total_product_amount)
    price = number_of(product.price)
    quantity = number_of(product.quantity)
    for number in (amount, price, quantity):
        if number is not None and not math.isfinite(number):
            return None, "-"
    if quantity is not None and quantity < 0:
        return None, "-"
    if amount is not None:
        return amount, "t"
    if price is None:
        return None, "-"
    return (price, "p") if quantity is None else (price * quantity, "q")


def product_contents(
    products: Sequence[Product] | None,
    content_type: str | None,
    omitted: frozenset[str],
    warnings: list[str],
    sources: FieldSources,
) -> list[Content] | None:
    """Return the products as items of `contents`, or None if nothing of them maps. `omitted` are never sent.

    `content_type` is for a wire form that has the content type in each item.
    """
    contents: list[Content] = []
    skipped: list[int] = []
    for product in products or ():
        price = product.price
        if not (type(price) is float and 0 <= price < _INFINITY) and price is not None:
            price = checked_amount(price, warnings)
        quantity = product.quantity
        if not (type(quantity) is int and 0 < quantity <= MAX_QUANTITY) and quantity is not None:
            quantity = checked_quantity(quantity, warnings)
        content_id = product.id
        category = product.category
        name = product.name
        brand = product.brand
        content = Content(
            price,
            quantity,
            content_id.strip() or None if type(content_id) is str else text_of(content_id),
            category.strip() or None if type(category) is str else text_of(category),
            name.strip() or None if type(name) is str else text_of(name),
            brand.strip() or None if type(brand) is str else text_of(brand),
            content_type,
        )
        if (omitted or (price is None and content.content_id is None)) and without_omitted(content, omitted) is None:
            skipped.append(len(contents) + len(skipped))
        else:
            contents.append(content)
    if skipped:
        note_skipped(skipped, len(contents) + len(skipped), sources)
    return contents or None


def without_omitted(content: Content, omitted: frozenset[str]) -> Content | None:
    """Return the item without what is never sent, or None if nothing else is left of it."""
    for name in omitted.intersection(CONTENT_PROPERTIES):
        setattr(content, name, None)
    return content if any(getattr(content, name) is not None for name in CONTENT_PROPERTIES) else None


def note_skipped(skipped: Sequence[int], products: int, sources: FieldSources) -> None:
    """Note which of the products became no item."""
    letters = ["i"] * products
    for number in skipped:
        letters[number] = "-"
    sources["items"] = "".join(letters)


def add_content_summary(properties: Properties, contents: Sequence[Content], content_type: str, form: WireForm) -> None:
    """Add what accompanies `contents`: the content type and, if the form has them, IDs without repeats and number.

    IDs and number that are given already stay.
    """
    properties.content_type = content_type
    if not form.has_content_ids_and_number:
        return
    ids: dict[str, None] = {}
    number: Number | None = 0
    for content in contents:
        content_id, quantity = content.content_id, content.quantity
        if content_id is not None:
            ids[content_id] = None
        if quantity is None:
            number = None
        elif number is not None:
            number += quantity
    if properties.content_ids is None:
        properties.content_ids = list(ids) or None
    if properties.num_items is None:
        properties.num_items = number
