"""The places that fields may come from, for fields with several places, in the order in which the mapping tries them.

The rules note which of them they chose (`domain/sources.py`); `explain.py` has the transformation of each. `event_type`
and paths that begin with `data.` are in the event, those with `connection.` in the settings, all others in the batch.
Words describe several paths, or none.
"""

from collections.abc import Mapping
from typing import Final

ACTION: Final = "data.product_action"
ACTION_NAME: Final = f"{ACTION}.action"
TRANSACTION_ID: Final = f"{ACTION}.transaction_id"
EVENT_NAME: Final = "data.event_name"
SCREEN_NAME: Final = "data.screen_name"
NAMES: Final[Mapping[str, str]] = {
    "commerce_event": ACTION_NAME,
    "screen_view": SCREEN_NAME,
    "custom_event": EVENT_NAME,
}
"""The place of an event's name, by its type."""

SENDERS_ID: Final = "data.source_message_id"
MPARTICLES_ID: Final = "data.event_id"
MADE_ID: Final = "an ID derived from what identifies the event"
EVENT_IDS: Final = (SENDERS_ID, MPARTICLES_ID, MADE_ID)

EVENT_TIME: Final = "data.timestamp_unixtime_ms"
BATCH_TIME: Final = "timestamp_unixtime_ms"
RECEIPT: Final = "time of receipt"
EVENT_TIMES: Final = (EVENT_TIME, BATCH_TIME, RECEIPT)
# Never searched: the replacement for a time in the future.
RECEIPT_FOR_FUTURE: Final = "time of receipt, instead of a time in the future"

URL_FLAG: Final = "data.custom_flags.TikTok.URL"
PAGE_URL: Final = "data.page_url"
URLS: Final = (URL_FLAG, PAGE_URL)

CALLBACK_FLAG: Final = "data.custom_flags.TikTok.Callback"
URL_PARAMETER: Final = "the page URL's ttclid parameter"
CLICK_IDS: Final = (CALLBACK_FLAG, URL_PARAMETER)

CURRENCY: Final = "data.currency_code"
ACTION_CURRENCY: Final = f"{ACTION}.currency"
ACTION_CURRENCY_CODE: Final = f"{ACTION}.currency_code"
GIVEN_CURRENCIES: Final = (CURRENCY, ACTION_CURRENCY, ACTION_CURRENCY_CODE)
DEFAULT_CURRENCY: Final = "connection.default_currency"

TOTAL: Final = f"{ACTION}.total_amount"
SUM: Final = "the sum of the products"
AMOUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "t": ("total_product_amount",),
    "p": ("price",),
    "q": ("price", "quantity"),
    "-": (),
}
"""How a product counts in that sum: the members that its amount is worked out from."""
