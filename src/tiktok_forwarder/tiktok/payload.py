"""The parts of an event object that all wire forms share, member by member in the order in which they are written."""

from typing import Final

import msgspec
from msgspec import Struct

# Without a function around it, which would be called for each event.
encode: Final = msgspec.json.Encoder().encode
Number = int | float


class Content(Struct, omit_defaults=True, gc=False):
    """One item. `content_type` is not in every wire form's items."""

    price: Number | None = None
    quantity: Number | None = None
    content_id: str | None = None
    content_category: str | None = None
    content_name: str | None = None
    brand: str | None = None
    content_type: str | None = None


class Properties(Struct, omit_defaults=True, gc=False):
    """The properties.

    `query` and `search_string` are one property, named by the wire form, which may lack what follows the content type.
    """

    contents: list[Content] | None = None
    currency: str | None = None
    value: Number | None = None
    description: str | None = None
    query: str | None = None
    search_string: str | None = None
    content_type: str | None = None
    content_ids: list[str] | None = None
    num_items: Number | None = None
    order_id: str | None = None
    shop_id: str | None = None
    predicted_ltv: Number | None = None
    customer_type: str | None = None
    delivery_category: str | None = None


class Page(Struct, omit_defaults=True, gc=False):
    url: str | None = None
    referrer: str | None = None
