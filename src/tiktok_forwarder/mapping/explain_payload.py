"""Where the fields of a payload came from, told from the payload and the connection alone: the input is not kept.

It names the places that a field is taken from under these settings. `explain` says of an event at hand which it was.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.custom import CustomMapping, PropertySource
from tiktok_forwarder.mapping.custom_properties import PRODUCT_FIELD
from tiktok_forwarder.mapping.explain import RULE_NAMES, Answer, Explanation, fields
from tiktok_forwarder.tiktok.events import CONTENT_PROPERTIES

_ACTION: Final = "data.product_action"
_PRODUCT: Final = f"{_ACTION}.products[…]"
_AS_IS: Final = "as it is, not hashed"
_ATTRIBUTES: Final[Mapping[str, str]] = {
    "attribute": "data.custom_attributes.",
    "user_attribute": "user_attributes.",
    "product": f"{_PRODUCT}.",
    "product_attribute": f"{_PRODUCT}.custom_attributes.",
    "field": f"{_ACTION}.",
}


def explain_payload(payload: Mapping[str, Any], connection: Connection, source: str) -> list[Explanation]:
    """One explanation for each field. `source` is what the event was at mParticle, such as `custom_event Site Search`;
    empty if that is not known."""
    explainer = _Explainer(str(payload.get("event", "")), connection, source)
    return [explainer.explained(path) for path, _ in fields(payload)]


class _Explainer:
    def __init__(self, event: str, connection: Connection, source: str) -> None:
        self._event_name = event
        self._connection = connection
        self._event_type, _, self._source_name = source.partition(" ")
        self._custom = self._mapping()

    def _mapping(self) -> CustomMapping | None:
        wanted = (self._event_name, self._event_type, self._source_name.lower())
        found = (
            mapping
            for mapping in self._connection.custom_mappings
            if (mapping.event, mapping.event_type, mapping.event_name.lower()) == wanted
        )
        return next(found, None)

    def explained(self, path: str) -> Explanation:
        name = path.rpartition(".")[2]
        if ".contents[" in path and name != "content_type":
            return Explanation(path, *self._content(name))
        rule: Callable[[], Answer] | None = getattr(self, f"_{RULE_NAMES.get(name, name)}", None)
        return Explanation(path, *(rule() if rule is not None else ((), "")))

    def _event(self) -> Answer:
        if self._custom is not None:
            number = self._connection.custom_mappings.index(self._custom)
            return (
                f"custom mapping {number + 1}, {self._custom.event_type} {self._custom.event_name}",
            ), "custom mapping"
        setting = ("connection.purchase_event",) if self._source_name.lower() == "purchase" else ()
        return (f"{_ACTION}.action", *setting), "standard mapping of the product action"

    def _event_id(self) -> Answer:
        return ("data.source_message_id", "data.event_id"), "the first that is there, as text"

    def _event_time(self) -> Answer:
        form = self._connection.wire_form.time_format
        return (
            "data.timestamp_unixtime_ms",
            "timestamp_unixtime_ms",
            "time of receipt",
        ), f"the first that is there; {form}"

    def _limited_data_use(self) -> Answer:
        path = "consent_state.ccpa.data_sale_opt_out.consented"
        return (path, "connection.ccpa_opt_out"), "true because the user opted out of data sale"

    def _ip(self) -> Answer:
        return ("ip",), _AS_IS

    def _user_agent(self) -> Answer:
        return ("device_info.http_header_user_agent",), _AS_IS

    def _ttp(self) -> Answer:
        return ("partner_identities.tiktok_cookie_id",), _AS_IS

    def _email(self) -> Answer:
        return self._identity("email", "stripped, lower case, SHA-256")

    def _phone(self) -> Answer:
        return self._identity("phone", "E.164 with the plus, SHA-256")

    def _external_id(self) -> Answer:
        return self._identity("external", "stripped, SHA-256")

    def _identity(self, setting: str, done: str) -> Answer:
        kind = getattr(self._connection, f"{setting}_identity_type")
        return (f"user_identities.{kind}", f"connection.{setting}_identity_type"), f"{done}; as it is if already hashed"

    def _url(self) -> Answer:
        fallback = ("data.page_url",) if self._connection.page_url_fallback else ()
        return ("data.custom_flags.TikTok.URL", *fallback), self._page_form()

    def _referrer(self) -> Answer:
        return ("data.custom_flags.TikTok.Referrer",), self._page_form()

    def _page_form(self) -> str:
        return "as it is, e-mail addresses redacted" if self._connection.redact_emails else "as it is"

    def _ttclid(self) -> Answer:
        return (
            "data.custom_flags.TikTok.Callback",
            "the page address's ttclid parameter",
        ), f"the first usable; {_AS_IS}"

    # --- properties ---

    def _mapped(self, name: str) -> Answer | None:
        source = self._custom.properties.get(name) if self._custom is not None else None
        return ((_place(source),), "custom mapping") if source is not None else None

    def _currency(self) -> Answer:
        default = ("connection.default_currency",) if self._connection.default_currency else ()
        mapped = self._mapped("currency")
        given = mapped[0] if mapped is not None else ("data.currency_code", f"{_ACTION}.currency")
        return (*given, *default), "the first that is there, upper case"

    def _value(self) -> Answer:
        products = ("the sum of the products", "connection.value_from_products")
        more = products if self._connection.value_from_products else ()
        return self._mapped("value") or ((f"{_ACTION}.total_amount", *more), "the first that is there, as a number")

    def _description(self) -> Answer:
        return self._mapped("description") or (("data.custom_attributes.description",), "as text")

    def _query(self) -> Answer:
        return self._mapped("query") or ((), "")

    def _content_type(self) -> Answer:
        return ("connection.content_type",), "the connection's setting"

    def _content_ids(self) -> Answer:
        return self._content("content_id")[0], "the items' content_id, in order, without repeats"

    def _num_items(self) -> Answer:
        return self._content("quantity")[0], "the sum of the items' quantities"

    def _order_id(self) -> Answer:
        return (f"{_ACTION}.transaction_id",), "as text"

    def _content(self, name: str) -> Answer:
        form = {"price": "as a number", "quantity": "whole, at least 1"}.get(name, "as text")
        source = self._custom.properties.get(name) if self._custom is not None else None
        if source is not None and name in CONTENT_PROPERTIES:
            return (_place(source),), f"{form}; custom mapping"
        return (f"{_PRODUCT}.{PRODUCT_FIELD.get(name, name)}",), form


def _place(source: PropertySource) -> str:
    if source.kind == "static":
        return f"the mapping's static value {source.value}"
    if source.kind == "field" and source.value == "name":
        return "the event's name"
    return f"{_ATTRIBUTES[source.kind]}{source.value}"
