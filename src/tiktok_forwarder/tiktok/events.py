"""TikTok's standard events, their properties, and its currencies, as on TikTok's supported-events pages.

Each version's wire form lists which of them it knows.
"""

import re
from typing import Final

from msgspec import Struct

_FILLED_CONTENT_PROPERTIES: Final = ("price", "quantity", "content_id", "content_name", "content_category")
_COMMERCE: Final = (*_FILLED_CONTENT_PROPERTIES, "currency", "value")
CONTENT_PROPERTIES: Final = (*_FILLED_CONTENT_PROPERTIES, "brand")
NUMBER_PROPERTIES: Final = frozenset({"price", "value", "predicted_ltv"})
INTEGER_PROPERTIES: Final = frozenset({"quantity", "num_items"})
DESCRIPTION: Final = "description"
FURTHER_PROPERTIES: Final = (
    "brand",
    "order_id",
    "shop_id",
    "predicted_ltv",
    "customer_type",
    "delivery_category",
    "num_items",
    "content_ids",
)
"""Properties that belong to no event of TikTok's table, and that every event takes in the versions that have them."""
MATCHING_FIELDS: Final = ("first_name", "last_name", "zip_code", "city", "state", "country")
"""The fields of advanced matching."""
CUSTOMER_TYPES: Final = ("new", "returning")


class TikTokEvent(Struct, frozen=True):
    """An event and the properties that TikTok's table gives it, beside `description`, which every event takes."""

    name: str
    properties: tuple[str, ...] = ()

    @property
    def has_contents(self) -> bool:
        return "content_id" in self.properties


EVENTS: Final[dict[str, TikTokEvent]] = {
    event.name: event
    for event in (
        TikTokEvent("AddPaymentInfo", _COMMERCE),
        TikTokEvent("AddToCart", _COMMERCE),
        TikTokEvent("AddToWishlist", _COMMERCE),
        TikTokEvent("CompletePayment", _COMMERCE),
        TikTokEvent("InitiateCheckout", _COMMERCE),
        TikTokEvent("PlaceAnOrder", _COMMERCE),
        TikTokEvent("ViewContent", _COMMERCE),
        TikTokEvent("Search", ("query",)),
        TikTokEvent("Subscribe", ("currency", "value")),
        TikTokEvent("ClickButton"),
        TikTokEvent("Contact"),
        TikTokEvent("Download"),
        TikTokEvent("CompleteRegistration"),
        TikTokEvent("SubmitForm"),
        TikTokEvent("Purchase", _COMMERCE),
        TikTokEvent("StartTrial", _COMMERCE),
        TikTokEvent("ApplicationApproval"),
        TikTokEvent("CustomizeProduct"),
        TikTokEvent("FindLocation"),
        TikTokEvent("Lead"),
        TikTokEvent("Schedule"),
        TikTokEvent("SubmitApplication"),
    )
}

# Under each of these names TikTok counts money that was spent.
PURCHASE_EVENTS: Final = frozenset({"Purchase", "CompletePayment", "PlaceAnOrder"})

ALL_PROPERTIES: Final = (*_COMMERCE, "query", *FURTHER_PROPERTIES)

# Names that TikTok keeps for itself.
_RESERVED: Final = frozenset(
    """
    AddBilling Browse Checkout ClickForm ClickInDownloadPage ClickToDownload Consult ConsultByPhone Registration
    StartCheckout ViewConsultationPage ViewDownloadPage ViewForm
    """.split()  # noqa: SIM905  # names, as TikTok's page lists them
)
MAX_OWN_NAME_LENGTH: Final = 50
_OWN_NAME: Final = re.compile(rf"[A-Za-z][A-Za-z0-9_-]{{0,{MAX_OWN_NAME_LENGTH - 1}}}", re.ASCII)
_LOWERED_NAMES: Final = frozenset(name.lower() for name in EVENTS)


def own_event(name: str) -> TikTokEvent | None:
    """Return an event with a name of one's own, which takes what CompletePayment does; None if TikTok refuses it."""
    if not _OWN_NAME.fullmatch(name) or name in _RESERVED or name.lower() in _LOWERED_NAMES:
        return None
    return TikTokEvent(name, _COMMERCE)


# The 62 currency codes of TikTok's list, the same in all API versions.
CURRENCIES: Final = frozenset(
    """
    AED ARS AUD BDT BHD BIF BOB BRL CAD CHF CLP CNY COP CRC CZK DKK DZD EGP EUR GBP GTQ HKD HNL HUF IDR ILS INR ISK JPY
    KES KHR KRW KWD KZT MAD MOP MXN MYR NGN NIO NOK NZD OMR PEN PHP PKR PLN PYG QAR RON RUB SAR SEK SGD THB TRY TWD UAH
    USD VES VND ZAR
    """.split()  # noqa: SIM905  # the list as TikTok prints it
)

# TikTok's click IDs start like this; no grammar is documented, so another form is only worth a warning.
CLICK_ID_PREFIX: Final = "E.C.P"
MAX_CLICK_ID_CHARACTERS: Final = 1000
