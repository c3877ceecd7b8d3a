"""Where each field of a mapped event came from and what was done to it, for people who wonder.

The explanation is worked out beside the mapping, not by it, so that the mapping stays quick. A test alters every source
named here and sees its field move: the two cannot drift apart unnoticed.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.outcome import Mapped
from tiktok_forwarder.mapping import commerce
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.custom import Occurrence, PropertySource, given_currency, source_value
from tiktok_forwarder.mapping.custom_properties import PRODUCT_FIELD, PropertyReader
from tiktok_forwarder.mapping.event import FUTURE_TOLERANCE_MS, Mapper
from tiktok_forwarder.mapping.identity import is_digest
from tiktok_forwarder.mapping.page import usable_click_id
from tiktok_forwarder.mparticle.batch import Batch, CustomFlags, Event, EventData, Product
from tiktok_forwarder.mparticle.identities import EMPTY_DIGEST, identity_type_of
from tiktok_forwarder.mparticle.values import flag_text, milliseconds_of, number_of, text_of

RECEIPT: Final = "time of receipt"


class Explanation(Struct, frozen=True):
    """`field` is a path in the payload; `sources` are paths in the batch, or `connection.…` for a setting."""

    field: str
    sources: tuple[str, ...]
    done: str


def explain(
    batch: Batch, event: Event, mapped: Mapped, connection: Connection, received_at_ms: int
) -> list[Explanation]:
    """One explanation for each field of the payload. The event must be the one that `mapped` came from."""
    if event.data is None:
        return []
    explainer = _Explainer(batch, event, event.data, mapped, connection, received_at_ms)
    payload = msgspec.json.decode(mapped.payload)
    return [explainer.explained(path) for path, _ in fields(payload)]


def fields(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Each field of a payload with its value, in order, by paths such as `properties.contents[0].price`."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from fields(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, member in enumerate(value):
            yield from fields(member, f"{path}[{index}]")
    else:
        yield path, value


Answer = tuple[tuple[str, ...], str]
"""Sources, and what was done."""

RULE_NAMES: Final = {
    "callback": "ttclid",
    "phone_number": "phone",
    "timestamp": "event_time",
    "search_string": "query",
}
"""The rule of a field's last name, where 1.0 and 2.0 or payload and rule differ in it."""


class _Explainer:
    def __init__(
        self,
        batch: Batch,
        event: Event,
        data: EventData,
        mapped: Mapped,
        connection: Connection,
        received_at_ms: int,
    ) -> None:
        self._batch = batch
        self._data = data
        self._flags = data.custom_flags or CustomFlags()
        self._connection = connection
        self._received_at_ms = received_at_ms
        self._event_path = f"events[{mapped.event_index}]"
        self._data_path = f"{self._event_path}.data"
        self._action_path = f"{self._data_path}.product_action"
        self._occurrence = Occurrence(batch, event, data, (flag_text(event.event_type) or "").lower())
        self._custom = Mapper(connection).custom_mapping_of(self._occurrence, mapped.event)
        self._products = self._contributing_products()

    def explained(self, path: str) -> Explanation:
        name = path.rpartition(".")[2]
        if ".contents[" in path and name != "content_type":
            content = int(path.partition("contents[")[2].partition("]")[0])
            sources, done = self._content(name, content)
        else:
            rule: Callable[[], Answer] = getattr(self, f"_{RULE_NAMES.get(name, name)}")
            sources, done = rule()
        return Explanation(path, sources, done)

    # --- the event itself ---

    def _event(self) -> Answer:
        if self._custom is not None:
            number = self._connection.custom_mappings.index(self._custom)
            return (self._name_path(), f"connection.custom_mappings[{number}].event"), f"custom mapping {number + 1}"
        action = self._occurrence.name or ""
        setting = ("connection.purchase_event",) if action.lower() == "purchase" else ()
        return (f"{self._action_path}.action", *setting), "standard mapping of the product action"

    def _name_path(self) -> str:
        names = {"commerce_event": "product_action.action", "screen_view": "screen_name"}
        return f"{self._data_path}.{names.get(self._occurrence.event_type, 'event_name')}"

    def _event_id(self) -> Answer:
        for name in ("source_message_id", "event_id"):
            if text_of(getattr(self._data, name)) is not None:
                return (f"{self._data_path}.{name}",), "as text"
        parts = (
            ("mpid", self._batch.mpid),
            (f"{self._data_path}.timestamp_unixtime_ms", self._data.timestamp_unixtime_ms),
            (self._name_path(), self._occurrence.name),
        )
        given = tuple(path for path, value in parts if text_of(value) is not None)
        return given, "made from what identifies the event, since it has no id: SHA-256, shortened"

    def _event_time(self) -> Answer:
        form = self._connection.wire_form.time_format
        candidates = (
            (f"{self._data_path}.timestamp_unixtime_ms", self._data.timestamp_unixtime_ms),
            ("timestamp_unixtime_ms", self._batch.timestamp_unixtime_ms),
        )
        for path, value in candidates:
            given = milliseconds_of(value)
            if given is not None and given <= self._received_at_ms + FUTURE_TOLERANCE_MS:
                return (path,), form
            if given is not None:
                return (RECEIPT,), f"in place of a time in the future; {form}"
        return (RECEIPT,), form

    def _limited_data_use(self) -> Answer:
        path = "consent_state.ccpa.data_sale_opt_out.consented"
        return (path, "connection.ccpa_opt_out"), "true because the user opted out of data sale"

    # --- user and page ---

    def _ip(self) -> Answer:
        return ("ip",), "as it is, not hashed"

    def _user_agent(self) -> Answer:
        return ("device_info.http_header_user_agent",), "as it is, not hashed"

    def _ttp(self) -> Answer:
        identities = self._batch.partner_identities
        if isinstance(identities, dict):
            return ("partner_identities.tiktok_cookie_id",), "as it is, not hashed"
        entries = enumerate(identities or ())
        found = (
            n for n, entry in entries if isinstance(entry, dict) and entry.get("identity_type") == "tiktok_cookie_id"
        )
        return tuple(f"partner_identities[{n}].identity" for n in found)[:1], "as it is, not hashed"

    def _email(self) -> Answer:
        return self._identity("email", "stripped, lower case, SHA-256")

    def _phone(self) -> Answer:
        return self._identity("phone", "E.164 with the plus, SHA-256")

    def _external_id(self) -> Answer:
        return self._identity("external", "stripped, SHA-256")

    def _identity(self, setting: str, done: str) -> Answer:
        wanted = getattr(self._connection, f"{setting}_identity_type")
        identities = self._batch.user_identities
        entries: list[tuple[str, str, object]] = []
        if isinstance(identities, dict):
            entries = [(key, f"user_identities.{key}", value) for key, value in identities.items()]
        else:
            for number, entry in enumerate(identities or ()):
                if isinstance(entry, dict):
                    kind = str(entry.get("identity_type"))
                    entries.append((kind, f"user_identities[{number}].identity", entry.get("identity")))
        for kind, path, value in entries:
            text = text_of(value)
            if identity_type_of(kind) == wanted and text is not None and text.lower() != EMPTY_DIGEST:
                return (path,), done if not is_digest(text) else "already hashed: lower case"
        return (), done

    def _url(self) -> Answer:
        return (self._url_path(),), self._page_form()

    def _url_path(self) -> str:
        flag = flag_text(self._flags.url)
        return f"{self._data_path}.custom_flags.TikTok.URL" if flag is not None else f"{self._data_path}.page_url"

    def _referrer(self) -> Answer:
        return (f"{self._data_path}.custom_flags.TikTok.Referrer",), self._page_form()

    def _page_form(self) -> str:
        return "as it is, e-mail addresses redacted" if self._connection.redact_emails else "as it is"

    def _ttclid(self) -> Answer:
        flag = flag_text(self._flags.callback)
        if flag is not None and usable_click_id(flag, "", []) is not None:
            return (f"{self._data_path}.custom_flags.TikTok.Callback",), "as it is, not hashed"
        return (self._url_path(),), "the address's ttclid parameter, percent-decoded"

    # --- properties ---

    def _mapped(self, name: str) -> Answer | None:
        source = self._custom.properties.get(name) if self._custom is not None else None
        if source is None:
            return None
        return (self._source_path(name, source, None),), "custom mapping"

    def _source_path(self, name: str, source: PropertySource, product: int | None) -> str:
        where = {
            "attribute": f"{self._data_path}.custom_attributes.",
            "user_attribute": "user_attributes.",
            "product": f"{self._action_path}.products[{product}].",
            "product_attribute": f"{self._action_path}.products[{product}].custom_attributes.",
            "field": f"{self._action_path}.",
        }
        if source.kind == "static":
            number = self._connection.custom_mappings.index(self._custom) if self._custom is not None else 0
            return f"connection.custom_mappings[{number}].properties.{name}.static"
        if source.kind == "field" and source.value == "name":
            return self._name_path()
        if source.kind == "field" and source.value == "currency_code":
            return self._currency_path()
        return f"{where[source.kind]}{source.value}"

    def _currency(self) -> Answer:
        mapped = self._mapped("currency")
        action = self._occurrence.product_action
        if mapped is not None and text_of(self._mapped_value("currency")) is not None:
            return mapped[0], "upper case; custom mapping"
        if mapped is None and action is not None and text_of(given_currency(self._data, action)) is not None:
            return (self._currency_path(),), "upper case"
        return ("connection.default_currency",), "the default, since the event names none"

    def _mapped_value(self, name: str) -> object:
        source = self._custom.properties[name] if self._custom is not None else None
        return source_value(source, self._occurrence, None) if source is not None else None

    def _currency_path(self) -> str:
        if text_of(self._data.currency_code) is not None:
            return f"{self._data_path}.currency_code"
        action = self._data.product_action
        name = "currency" if action is not None and text_of(action.currency) is not None else "currency_code"
        return f"{self._action_path}.{name}"

    def _value(self) -> Answer:
        mapped = self._mapped("value")
        action = self._occurrence.product_action
        if mapped is not None or action is None:
            return mapped or ((), "")
        if number_of(action.total_amount) is not None:
            return (f"{self._action_path}.total_amount",), "as a number"
        sources = tuple(
            path for n, product in enumerate(action.products or ()) for path in self._amountpaths(n, product)
        )
        return (*sources, "connection.value_from_products"), "the sum of the products, rounded to 4 decimals"

    def _amountpaths(self, number: int, product: Product) -> tuple[str, ...]:
        if commerce.product_amount(product) is None:
            return ()
        path = f"{self._action_path}.products[{number}]."
        if number_of(product.total_product_amount) is not None:
            return (f"{path}total_product_amount",)
        quantity = (f"{path}quantity",) if number_of(product.quantity) is not None else ()
        return (f"{path}price", *quantity)

    def _description(self) -> Answer:
        default = ((f"{self._data_path}.custom_attributes.description",), "as text")
        return self._mapped("description") or default

    def _query(self) -> Answer:
        return self._mapped("query") or ((), "")

    def _content_type(self) -> Answer:
        return ("connection.content_type",), "the connection's setting"

    def _content_ids(self) -> Answer:
        return self._of_contents("content_id"), "the items' content_id, in order, without repeats"

    def _num_items(self) -> Answer:
        return self._of_contents("quantity"), "the sum of the items' quantities"

    def _order_id(self) -> Answer:
        return (f"{self._action_path}.transaction_id",), "as text"

    def _of_contents(self, name: str) -> tuple[str, ...]:
        sources = [source for content in range(len(self._products)) for source in self._content(name, content)[0]]
        return tuple(dict.fromkeys(sources))

    # --- contents ---

    def _contributing_products(self) -> list[int | None]:
        """For each item of `contents`, the index of its product, or None if it is of no product."""
        custom, action = self._custom, self._occurrence.product_action
        if custom is not None:
            return PropertyReader(self._connection, custom, self._occurrence, []).content_products()
        products = (action.products if action is not None else None) or ()
        return [n for n, product in enumerate(products) if commerce.product_content(product, None, []) is not None]

    def _content(self, name: str, content: int) -> Answer:
        product = self._products[content]
        source = self._custom.properties.get(name) if self._custom is not None else None
        form = {"price": "as a number", "quantity": "whole, at least 1"}.get(name, "as text")
        if source is not None:
            return (self._source_path(name, source, product),), f"{form}; custom mapping"
        return (f"{self._action_path}.products[{product}].{PRODUCT_FIELD.get(name, name)}",), form
