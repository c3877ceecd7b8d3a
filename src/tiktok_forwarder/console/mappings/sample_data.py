"""A generated batch that a custom mapping matches, as mParticle would send it. It contains no real data."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from tiktok_forwarder.console.conditions import sentence_of
from tiktok_forwarder.console.mappings.choices import COMMERCE
from tiktok_forwarder.console.mappings.sample_values import Place, conditions_by_place, is_met, meeting_value
from tiktok_forwarder.mapping.conditions import Condition
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.custom import MappingDocument
from tiktok_forwarder.mapping.page import is_page_url
from tiktok_forwarder.mapping.shared import sampling_refusal
from tiktok_forwarder.mapping.source_reading import FIRST
from tiktok_forwarder.mapping.sources import COMMERCE_FIELDS, CommonField, Source
from tiktok_forwarder.mparticle.values import text_of

_USER_AGENT: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
_HOST: Final = "shop.example.com"
_PATH: Final = "/sample"
_IP: Final = "203.0.113.7"
_VALUES: Final[Mapping[str, str | float]] = {
    "description": "a sample text",
    "query": "rain jacket",
    "order_id": "order-1001",
    "shop_id": "shop-7",
    "delivery_category": "standard",
    "content_ids": "SKU-3310, SKU-3311",
    "content_id": "SKU-3310",
    "content_name": "Rain Jacket",
    "content_category": "apparel",
    "brand": "Fjellkind",
    "currency": "USD",
    "customer_type": "returning",
    "quantity": 2,
    "num_items": 2,
    "price": 149,
    "predicted_ltv": 1200,
    "value": 298,
}
_FIELDS: Final[Mapping[str, str | float]] = {
    "transaction_id": "order-1001",
    "affiliation": "Web shop",
    "coupon_code": "SUMMER",
    "total_amount": 298,
    "shipping_amount": 4.9,
    "tax_amount": 24.6,
    "currency_code": "USD",
    "checkout_options": "express",
    "checkout_step": 1,
    "product_list_source": "sample list",
    "product_action_list": "sample list",
}
_PRODUCT: Final[Mapping[str, str | float]] = {
    "id": "SKU-3310",
    "name": "Rain Jacket",
    "brand": "Fjellkind",
    "category": "apparel",
    "variant": "blue, M",
    "price": 149,
    "quantity": 2,
    "position": 1,
    "coupon_code": "JACKET10",
    "total_product_amount": 298,
}
_MAX_USERS_TRIED: Final = 1000
_USUAL_FIELDS: Final = ("transaction_id", "total_amount")

Values = dict[str, Any]
Holder = Literal["attribute", "user_attribute", "flag"]
"""What holds values by name."""


class GeneratedSample(Struct, frozen=True):
    """`unmet` are the conditions that the sample does not meet, as sentences."""

    batch: Values
    unmet: list[str]


def generated_sample(mapping: MappingDocument, connection: Connection, now_ms: int) -> GeneratedSample:
    """Return a batch of one event that the mapping matches, of a user that the connection accepts."""
    return _Generator(mapping, connection).sample(now_ms)


class _Generator:
    """Generates one sample. Conditions that are dealt with are taken out; `_unmet` are those that cannot be met."""

    def __init__(self, mapping: MappingDocument, connection: Connection) -> None:
        self._mapping = mapping
        self._connection = connection
        self._event_type = mapping.get("event_type", "")
        self._event_name = mapping.get("event_name", "")
        self._is_commerce = self._event_type == COMMERCE
        self._sources = [(name, *each) for name, source in _sources(mapping) for each in source.items()]
        self._conditions = conditions_by_place(mapping)
        self._unmet: list[Condition] = []

    def sample(self, now_ms: int) -> GeneratedSample:
        page_url = self._page_url()
        data = {
            **self._named(),
            "timestamp_unixtime_ms": now_ms,
            "source_message_id": "sample-event",
            "custom_flags": self._held("flag", page_url),
            "custom_attributes": self._held("attribute", page_url),
        }
        if Source("field", "page_url") == self._source_of("page_url"):
            data["page_url"] = page_url
        batch = {**self._batch(), "user_attributes": self._held("user_attribute", page_url)}
        self._check_fixed()
        event = {"event_type": self._event_type, "data": _without_empty(data)}
        unmet = [sentence_of(each.subject, each.name, each.test, each.expected) for each in self._unmet]
        return GeneratedSample({**_without_empty(batch), "events": [event]}, unmet)

    # --- values that meet conditions ---

    def _chosen(self, place: Place, usual: object, convert: Callable[[object], object]) -> Any:
        """Return a value that meets the conditions on this place, the usual one if there are none."""
        conditions = self._conditions.pop(place, [])
        found = meeting_value(conditions, usual, convert)
        if found is None:
            self._unmet += conditions
            return convert(usual)
        return found[0]

    def _fixed(self, place: Place, value: object) -> None:
        """Check the conditions on a value that nothing can change."""
        conditions = self._conditions.pop(place, [])
        self._unmet += [condition for condition in conditions if not is_met([condition], value)]

    def _named_by_conditions(self, subject: str) -> list[str]:
        return [name for about, name in self._conditions if about == subject]

    def _held(self, kind: Holder, page_url: str) -> Values:
        """Return the attributes or flags that sources and conditions read, but for those that must be absent."""
        usual = {**self._read(kind), **self._common(kind, page_url)}
        convert = text_of if kind == "flag" else _unchanged
        names = dict.fromkeys([*usual, *self._named_by_conditions(kind)])
        chosen = {name: self._chosen((kind, name), usual.get(name), convert) for name in names}
        return {name: value for name, value in chosen.items() if value is not None}

    def _read(self, kind: str) -> Values:
        """Return a value for each name that sources of this kind read, a number if any reads it as one."""
        read = {read: name for name in _VALUES for of, each, read in self._sources if of == name and each == kind}
        return {name: _VALUES[of] for name, of in read.items() if name}

    # --- what every event has ---

    def _source_of(self, field: CommonField) -> Source:
        return self._connection.sources_of(field)[0]

    def _common(self, kind: Holder, page_url: str) -> Values:
        """Return the values that the connection takes from attributes or flags of this kind."""
        values: Mapping[CommonField, str] = {"page_url": page_url, "ip": _IP, "user_agent": _USER_AGENT}
        return {
            str(source.value): value
            for field, value in values.items()
            if (source := self._source_of(field)).kind == kind
        }

    def _page_url(self) -> str:
        host = self._chosen(("page_host", ""), _HOST, _host)
        path = self._chosen(("page_path", ""), _PATH, _path)
        return f"https://{host}{path}"

    def _batch(self) -> Values:
        connection = self._connection
        consent = {purpose: {"consented": True} for purpose in connection.consent_purpose}
        return {
            "environment": "production" if connection.environment == "production" else "development",
            "mpid": _mpid(connection.sample_percent),
            "ip": _IP,
            "device_info": {"platform": "web", "http_header_user_agent": _USER_AGENT},
            "user_identities": self._identities(),
            "consent_state": {"gdpr": consent} if consent else {},
        }

    def _identities(self) -> dict[str, str]:
        """Return the identities that the connection sends, but for those that conditions want absent."""
        connection = self._connection
        types = {
            "phone": (connection.phone_identity_type, "+1 415 555 0101"),
            "external_id": (connection.external_identity_type, "customer-1001"),
            "email": (connection.email_identity_type, "visitor@example.com"),
        }
        absent = {kind for kind in ("any", *types) if not is_met(self._conditions.get(("identity", kind), []), kind)}
        given = {kind: each for kind, each in types.items() if kind not in absent and "any" not in absent}
        sent = [kind for kind in given if kind not in connection.omit]
        self._fixed(("identity", "any"), next(iter(sent), None))
        for kind in types:
            self._fixed(("identity", kind), kind if kind in sent else None)
        return dict(given.values())

    # --- the event ---

    def _named(self) -> Values:
        name = self._event_name
        if self._is_commerce:
            fields = self._fields()
            currency = {"currency_code": fields.pop("currency_code", None)}
            action = {"action": name, **fields, "products": [self._product()]}
            return {"product_action": action, **{key: value for key, value in currency.items() if value is not None}}
        if self._event_type == "screen_view":
            return {"screen_name": name}
        return {"event_name": name, "custom_event_type": self._mapping.get("custom_event_type") or "other"}

    def _fields(self) -> Values:
        """Return the usual fields of a product action, and those that the mapping reads."""
        read = [read for _, kind, read in self._sources if kind == "field"]
        wanted = {"currency_code", *_USUAL_FIELDS, *read, *self._named_by_conditions("field")}
        names = [name for name in COMMERCE_FIELDS if name in wanted]
        chosen = {name: self._chosen(("field", name), _FIELDS[name], _unchanged) for name in names}
        return {name: value for name, value in chosen.items() if value is not None}

    def _product(self) -> Values:
        chosen = {name: self._chosen(("product", name), value, _unchanged) for name, value in _PRODUCT.items()}
        fields = {name: value for name, value in chosen.items() if value is not None}
        attributes = self._read("product_attribute")
        return {**fields, "custom_attributes": attributes} if attributes else fields

    def _check_fixed(self) -> None:
        """Check the conditions on what the mapping itself determines, and on what its kind of event lacks."""
        fixed: Mapping[Place, str] = {
            ("event_type", ""): self._event_type,
            ("event_name", ""): self._event_name,
            ("field", "name"): self._event_name,
            ("tiktok_event", ""): self._mapping.get("event", ""),
        }
        for place in list(self._conditions):
            self._fixed(place, fixed.get(place))


def _sources(mapping: MappingDocument) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield property and source, one at a time, of each source."""
    for name, given in mapping.get("properties", {}).items():
        sources: Sequence[Mapping[str, Any]] = given.get(FIRST) or [given]
        for source in sources:
            yield name, {kind: value for kind, value in source.items() if kind != "required"}


def _without_empty(values: Values) -> Values:
    return {name: value for name, value in values.items() if value != {}}


def _unchanged(value: object) -> object:
    return value


def _host(value: object) -> str:
    """Return the value as a page's host, the usual host if it cannot be one."""
    host = str(value)
    url = f"https://{host}/"
    return host if is_page_url(url) and urlsplit(url).hostname == host.lower() else _HOST


def _path(value: object) -> str:
    """Return the value as a page's path, the usual path if it cannot be one."""
    text = text_of(value) or ""
    path = text if text.startswith("/") else f"/{text}"
    url = f"https://{_HOST}{path}"
    return path if is_page_url(url) and urlsplit(url).path == path else _PATH


def _mpid(sample_percent: float) -> str:
    """Return a user ID within the connection's sample, if one is found."""
    users = (str(number) for number in range(1001, 1001 + _MAX_USERS_TRIED))
    return next((mpid for mpid in users if sampling_refusal(mpid, sample_percent) is None), "1001")
