"""Facts from TikTok's pages about events, fields and codes, without the forwarder's tables: the sandbox is independent.

Sources: TikTok's "Report App, Web, Offline or CRM events" and supported-events pages (2.0), TikTok's Business API SDK
(1.0), the Marketing API's list of return codes. Fields that only partners' integrations are known to send are among
them: `device` and a content's `content_type` in 2.0; `test_event_code`, `partner_name`, `limited_data_use`, a lead's
source and subscription, a content's brand and description, and all properties from `order_id` on in 1.0.
"""

from typing import Final, Literal

Api = Literal["1.0", "2.0"]
EventSource = Literal["web", "app", "offline", "crm"]
EVENT_SOURCES: Final[tuple[EventSource, ...]] = ("web", "app", "offline", "crm")

OK: Final = 0
PARTLY: Final = 20001
DUPLICATE_REQUEST: Final = 40050
NO_PERMISSION: Final = 40001
BAD_PARAMETER: Final = 40002
NOT_HASHED: Final = 40062
TOO_FREQUENT: Final = 40100
TOKEN_EMPTY: Final = 40104
TOKEN_INCORRECT: Final = 40105
NOT_ON_ALLOWLIST: Final = 40118
PIXEL_TOO_FREQUENT: Final = 40132

MESSAGES: Final = {
    OK: "OK",
    PARTLY: "Partially successful",
    NO_PERMISSION: "No permission to operate pixel code: {pixel}. "
    "You must be an admin or operator of this advertiser account.",
    BAD_PARAMETER: "Parameter error",
    40016: "Requests made too frequently",
    DUPLICATE_REQUEST: "Duplicated requests have been sent",
    40061: "Invalid batch size",
    NOT_HASHED: "PII not hashed",
    TOO_FREQUENT: "Too many requests. Please retry in some time.",
    TOKEN_EMPTY: "Access token is empty",
    TOKEN_INCORRECT: "Access token is incorrect or has been revoked.",
    NOT_ON_ALLOWLIST: "Not on the allowlist",
    PIXEL_TOO_FREQUENT: "The request QPS is limited by pixel_code's value.",
    50000: "System error",
    50002: "Error on TikTok's side",
    60001: "System under maintenance",
}
TOKEN_MISSING_MESSAGE: Final = "Access token is null, you should set it in http header with key Access-Token."  # noqa: S105 - TikTok's own text

# HTTP statuses of the 2.0 page on responses and errors; the Marketing API's pages say 200 throughout.
STATUS_BY_CODE: Final = {
    NO_PERMISSION: 400,
    BAD_PARAMETER: 400,
    40061: 400,
    NOT_HASHED: 400,
    NOT_ON_ALLOWLIST: 400,
    TOO_FREQUENT: 401,
    TOKEN_EMPTY: 401,
    TOKEN_INCORRECT: 401,
}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Web, offline and crm alike (2.0); an offline event may have no other name.
STANDARD_EVENTS: Final = _names(
    """
    AddPaymentInfo AddToCart AddToWishlist ApplicationApproval CompleteRegistration Contact CustomizeProduct
    Download FindLocation InitiateCheckout Lead Purchase Schedule Search StartTrial SubmitApplication Subscribe
    ViewContent
    """
)
ORDER_EVENTS: Final = frozenset({"Purchase", "CompletePayment", "PlaceAnOrder"})

CURRENCIES: Final = _names(
    """
    AED ARS AUD BDT BHD BIF BOB BRL CAD CHF CLP CNY COP CRC CZK DKK DZD EGP EUR GBP GTQ HKD HNL HUF IDR ILS INR ISK
    JPY KES KHR KRW KWD KZT MAD MOP MXN MYR NGN NIO NOK NZD OMR PEN PHP PKR PLN PYG QAR RON RUB SAR SEK SGD THB TRY
    TWD UAH USD VES VND ZAR
    """
)
CONTENT_TYPES: Final = ("product", "product_group")
CUSTOMER_TYPES: Final = frozenset({"new", "returning"})
ATT_STATUSES: Final = frozenset({"AUTHORIZED", "DENIED", "NOT_DETERMINED", "RESTRICTED", "NOT_APPLICABLE"})
MAX_TTCLID_CHARACTERS: Final = 1000
TTCLID_PREFIX: Final = "E.C.P"

# --- fields that TikTok or a known partner's integration sends, object by object --------------------------------------

ENVELOPE_2_0: Final = frozenset({"event_source", "event_source_id", "data", "test_event_code", "partner_name"})
EVENT_2_0: Final = _names("event event_time event_id user properties page app ad limited_data_use lead device")
# From `first_name` on: fields of TikTok's newer parameters page.
USER_2_0: Final = _names(
    """
    ttclid ttp email phone external_id ip user_agent idfa idfv gaid locale att_status first_name last_name zip_code
    city state country
    """
)
# From `query` on: partners' fields, among them those of travel and vehicle advertising.
PROPERTIES_2_0: Final = _names(
    """
    content_ids contents content_type currency value search_string num_items description order_id shop_id
    customer_type query gtm_version event_trigger_source delivery_category predicted_ltv city region country
    checkin_date checkout_date num_adults num_children num_infants suggested_hotels departing_departure_date
    returning_departure_date origin_airport destination_airport destination_ids departing_arrival_date
    returning_arrival_date travel_class user_score preferred_num_stops travel_start travel_end
    suggested_destinations postal_code make model year state_of_vehicle mileage exterior_color transmission
    body_style fuel_type drivetrain preferred_price_range trim vin interior_color condition_of_vehicle
    viewcontent_type search_type registration_type
    """
)
CONTENT_2_0: Final = _names("price quantity content_id content_category content_name brand content_type")
PAGE: Final = frozenset({"url", "referrer"})
APP: Final = frozenset({"app_id", "app_name", "app_version"})
LEAD: Final = frozenset({"lead_id", "lead_event_source"})
AD_2_0: Final = _names(
    """
    callback campaign_id ad_id creative_id is_retargeting attributed attribution_type attribution_provider
    attribution_share
    """
)

TRACK_1_0: Final = _names(
    "pixel_code event event_id timestamp context properties test_event_code partner_name limited_data_use"
)
BATCH_1_0: Final = frozenset({"pixel_code", "batch", "partner_name"})
BATCH_ITEM_1_0: Final = _names("type event event_id timestamp context properties limited_data_use")
CONTEXT_1_0: Final = frozenset({"ad", "page", "user", "ip", "user_agent"})
AD_1_0: Final = frozenset({"callback"})
USER_1_0: Final = _names("external_id phone_number email ttp lead_id lead_event_source subscription_id")
PROPERTIES_1_0: Final = _names(
    """
    contents content_type currency value query description order_id shop_id status content_name content_id
    content_category
    """
)
CONTENT_1_0: Final = _names(
    "price quantity content_type content_id content_category content_name status brand description"
)

# 2.0 fields that TikTok ignores for an event source, since they belong to another.
FOREIGN_EVENT_FIELDS: Final[dict[EventSource, frozenset[str]]] = {
    "web": frozenset({"app", "lead"}),
    "app": frozenset({"event_id", "page", "lead"}),
    "offline": frozenset({"page", "app", "ad", "limited_data_use", "lead"}),
    "crm": frozenset({"page", "app", "ad", "limited_data_use"}),
}
_WEB_ONLY_USER: Final = _names("ttclid ttp first_name last_name zip_code city state country")
_APP_ONLY_USER: Final = frozenset({"idfa", "idfv", "gaid", "att_status"})
_ONLINE_USER: Final = frozenset({"ip", "user_agent", "locale"})
FOREIGN_USER_FIELDS: Final[dict[EventSource, frozenset[str]]] = {
    "web": _APP_ONLY_USER,
    "app": _WEB_ONLY_USER | {"external_id"},
    "offline": _WEB_ONLY_USER | _APP_ONLY_USER | _ONLINE_USER | {"external_id"},
    "crm": _WEB_ONLY_USER | _APP_ONLY_USER | _ONLINE_USER,
}
