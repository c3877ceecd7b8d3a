"""Titles and meanings of TikTok's events."""

from typing import Final

from msgspec import Struct


class EventWords(Struct, frozen=True):
    title: str
    meaning: str


_TITLES: Final = {
    "AddPaymentInfo": ("Add Payment Info", "A visitor enters payment details during checkout."),
    "AddToCart": ("Add to Cart", "A visitor adds a product to the cart."),
    "AddToWishlist": ("Add to Wishlist", "A visitor adds a product to the wish list."),
    "CompletePayment": ("Complete Payment", "A customer pays for an order. TikTok's newer name for it is Purchase."),
    "InitiateCheckout": ("Initiate Checkout", "A visitor starts the checkout."),
    "PlaceAnOrder": ("Place an Order", "A customer places an order. TikTok supports this event until 2027."),
    "ViewContent": ("View Content", "A visitor views a product or another important page."),
    "Search": ("Search", "A visitor searches the site."),
    "Subscribe": ("Subscribe", "A visitor subscribes, to a newsletter or a paid service."),
    "ClickButton": ("Click Button", "A visitor clicks a button. TikTok supports this event until 2027."),
    "Contact": ("Contact", "A visitor contacts the business."),
    "Download": ("Download", "A visitor opens a download page or clicks a download button."),
    "CompleteRegistration": ("Complete Registration", "A visitor signs up, for an account for example."),
    "SubmitForm": ("Submit Form", "A visitor submits a form. TikTok's newer name for it is Lead."),
    "Purchase": ("Purchase", "A customer pays for an order."),
    "StartTrial": ("Start Trial", "A visitor starts to try a product or service before buying it."),
    "ApplicationApproval": ("Application Approval", "An application is approved, for a loan for example."),
    "CustomizeProduct": ("Customize Product", "A visitor customizes a product."),
    "FindLocation": ("Find Location", "A visitor searches for a location of the business, such as the nearest shop."),
    "Lead": ("Lead", "A visitor leaves contact details, in a form for example."),
    "Schedule": ("Schedule", "A visitor books an appointment or a visit."),
    "SubmitApplication": ("Submit Application", "A visitor submits an application, for a job or a loan for example."),
}
EVENT_WORDS: Final = {name: EventWords(*words) for name, words in _TITLES.items()}
_OWN: Final = "An event with a name of your own. A commerce event fills it in like Complete Payment."


def event_words(name: str) -> EventWords:
    """Return the words for an event, which may have a name of one's own."""
    return EVENT_WORDS.get(name) or EventWords(name, _OWN)
