"""What TikTok's events are called and mean, in words for people."""

from typing import Final

from msgspec import Struct


class EventWords(Struct, frozen=True):
    title: str
    meaning: str


_TITLES: Final = {
    "AddPaymentInfo": ("Add Payment Info", "Somebody enters how they want to pay during checkout."),
    "AddToCart": ("Add to Cart", "Somebody puts a product into their cart."),
    "AddToWishlist": ("Add to Wishlist", "Somebody puts a product on their wish list."),
    "CompletePayment": ("Complete Payment", "Somebody pays for an order. TikTok's newer name for it is Purchase."),
    "InitiateCheckout": ("Initiate Checkout", "Somebody begins to check out."),
    "PlaceAnOrder": ("Place an Order", "Somebody places an order. TikTok supports this event until 2027."),
    "ViewContent": ("View Content", "Somebody looks at a product or another page that matters."),
    "Search": ("Search", "Somebody searches the site."),
    "Subscribe": ("Subscribe", "Somebody subscribes, to a newsletter or a paid service."),
    "ClickButton": ("Click Button", "Somebody clicks a button. TikTok supports this event until 2027."),
    "Contact": ("Contact", "Somebody gets in touch with the business."),
    "Download": ("Download", "Somebody opens a download page or clicks a download button."),
    "CompleteRegistration": ("Complete Registration", "Somebody signs up, for an account for example."),
    "SubmitForm": ("Submit Form", "Somebody sends a form. TikTok's newer name for it is Lead."),
    "Purchase": ("Purchase", "Somebody pays for an order."),
    "StartTrial": ("Start Trial", "Somebody begins to try a product or service before buying it."),
    "ApplicationApproval": ("Application Approval", "Somebody's application is approved, for a loan for example."),
    "CustomizeProduct": ("Customize Product", "Somebody chooses the details of a product that is made for them."),
    "FindLocation": ("Find Location", "Somebody looks for a place of the business, such as the nearest shop."),
    "Lead": ("Lead", "Somebody leaves their contact details, in a form for example."),
    "Schedule": ("Schedule", "Somebody books an appointment or a visit."),
    "SubmitApplication": ("Submit Application", "Somebody sends an application, for a job or a loan for example."),
}
EVENT_WORDS: Final = {name: EventWords(*words) for name, words in _TITLES.items()}
