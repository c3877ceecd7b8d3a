"""The event objects of Events API 1.0 and 2.0, member by member in the order in which they are written."""

from typing import Final

import msgspec
from msgspec import Struct

_ENCODER: Final = msgspec.json.Encoder()
Number = int | float


class Content(Struct, omit_defaults=True, gc=False):
    """One item. `content_type` stands here in 1.0 only."""

    price: Number | None = None
    quantity: Number | None = None
    content_id: str | None = None
    content_category: str | None = None
    content_name: str | None = None
    brand: str | None = None
    content_type: str | None = None


class Properties(Struct, omit_defaults=True, gc=False):
    """`query` is 1.0's name of `search_string`; the last three are 2.0's."""

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


class Page(Struct, omit_defaults=True, gc=False):
    url: str | None = None
    referrer: str | None = None


class User(Struct, omit_defaults=True, gc=False):
    """2.0. E-mail, phone and external id are digests; nothing else is hashed."""

    ttclid: str | None = None
    ttp: str | None = None
    email: str | None = None
    phone: str | None = None
    external_id: str | None = None
    ip: str | None = None
    user_agent: str | None = None


class Event20(Struct, omit_defaults=True, gc=False):
    """An item of `data` in a 2.0 request. `event_time` is in whole seconds."""

    event: str
    event_time: int
    event_id: str
    user: User | None = None
    page: Page | None = None
    properties: Properties | None = None
    limited_data_use: bool | None = None


class Ad(Struct, omit_defaults=True, gc=False):
    callback: str


class ContextUser(Struct, omit_defaults=True, gc=False):
    """1.0. Digests but for `ttp`."""

    external_id: str | None = None
    phone_number: str | None = None
    email: str | None = None
    ttp: str | None = None


class Context(Struct, omit_defaults=True, gc=False):
    ad: Ad | None = None
    page: Page | None = None
    user: ContextUser | None = None
    ip: str | None = None
    user_agent: str | None = None


class Event10(Struct, omit_defaults=True, gc=False):
    """An item of `batch` in a 1.0 request, without its `type`. `timestamp` is ISO 8601 in UTC with milliseconds."""

    event: str
    event_id: str
    timestamp: str
    context: Context | None = None
    properties: Properties | None = None
    limited_data_use: bool | None = None


def encode(event: Event10 | Event20) -> bytes:
    return _ENCODER.encode(event)
