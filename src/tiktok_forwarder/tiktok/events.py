"""TikTok's standard events, their properties, and its currencies, as on TikTok's supported-events pages.

Each version's wire form lists which of them it knows.
"""

from typing import Final

from msgspec import Struct

CONTENT_PROPERTIES: Final = ("price", "quantity", "content_id", "content_name", "content_category")
_COMMERCE: Final = (*CONTENT_PROPERTIES, "currency", "value")
NUMBER_PROPERTIES: Final = frozenset({"price", "value"})
INTEGER_PROPERTIES: Final = frozenset({"quantity"})


class TikTokEvent(Struct, frozen=True):
    """A standard event. `properties` may be mapped beside `description`, which every event takes."""

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
