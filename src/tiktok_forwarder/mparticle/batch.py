"""A batch as the mapping reads it: mParticle's own names, every scalar as loose as senders make them.

Scalars are typed `object` because real traffic has numbers in text, text in numbers and `null` anywhere; `values`
decides what they mean when they are read. Members that nothing reads are skipped by the decoder.
"""

from msgspec import UNSET, Struct, UnsetType


class Product(Struct, gc=False):
    """A product of a product action (also Firehose's, whose `total_amount` and `attributes` the reader renames)."""

    id: object = None
    name: object = None
    category: object = None
    brand: object = None
    variant: object = None
    price: object = None
    quantity: object = None
    position: object = None
    coupon_code: object = None
    total_product_amount: object = None
    custom_attributes: dict[str, object] | None = None


class ProductAction(Struct, gc=False):
    """`currency` and `currency_code` belong to the event, not here; some senders put them here all the same."""

    action: object = None
    transaction_id: object = None
    affiliation: object = None
    coupon_code: object = None
    total_amount: object = None
    shipping_amount: object = None
    tax_amount: object = None
    currency: object = None
    currency_code: object = None
    checkout_options: object = None
    checkout_step: object = None
    product_list_source: object = None
    product_action_list: object = None
    products: list[Product] | None = None


class EventData(Struct, gc=False):
    timestamp_unixtime_ms: object = None
    source_message_id: object = None
    event_id: object = None
    event_name: object = None
    screen_name: object = None
    custom_event_type: object = None
    currency_code: object = None
    page_url: object = None
    custom_flags: dict[str, object] | None = None
    product_action: ProductAction | None = None
    custom_attributes: dict[str, object] | None = None


class Event(Struct, gc=False):
    """An event. `data` is None if it was not an object: such an event is malformed."""

    event_type: object = None
    data: EventData | None = None


class DeviceInfo(Struct, gc=False):
    platform: object = None
    http_header_user_agent: object = None


class ConsentState(Struct, gc=False):
    gdpr: dict[str, object] | None = None
    ccpa: dict[str, object] | None = None


class Batch(Struct, gc=False):
    """One user's events with what they share. An event of None was not an object.

    `user_identities` and `partner_identities` keep their original form: an object, or a list of objects. `type` is
    Firehose's mark of its own request form, `msgs` that of a mobile SDK's upload.
    """

    events: list[Event | None] | None = None
    environment: object = None
    mpid: object = None
    ip: object = None
    timestamp_unixtime_ms: object = None
    device_info: DeviceInfo | None = None
    user_identities: dict[str, object] | list[object] | None = None
    user_attributes: dict[str, object] | None = None
    partner_identities: dict[str, object] | list[object] | None = None
    consent_state: ConsentState | None = None
    type: object = None
    msgs: object | UnsetType = UNSET


class NotABatch(Batch, gc=False):
    """What stands where a batch belongs, as a batch with one malformed event; `problem` is a sentence for people."""

    problem: str = ""
