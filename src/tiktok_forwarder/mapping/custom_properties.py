"""The properties that a custom mapping gives, completed from the commerce event if there is one."""

from typing import Final

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.commerce import (
    INVALID_VALUE,
    add_content_summary,
    checked_amount,
    checked_currency,
    checked_quantity,
    note_skipped,
    order_value,
    product_contents,
)
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.custom import CustomMapping, PropertySource
from tiktok_forwarder.mapping.sources import Occurrence, Source, given_currency, value_of
from tiktok_forwarder.mapping.texts import MAX_CHARACTERS, TEXT_CUT, cut_text
from tiktok_forwarder.mparticle.batch import Product
from tiktok_forwarder.mparticle.values import MAX_RAW_CHARACTERS, Number, flag_text, number_of, text_of
from tiktok_forwarder.tiktok.events import (
    CONTENT_PROPERTIES,
    CUSTOMER_TYPES,
    INTEGER_PROPERTIES,
    NUMBER_PROPERTIES,
    TikTokEvent,
)
from tiktok_forwarder.tiktok.payload import Content, Properties

_Value = str | Number | list[str] | None
_NUMBERS: Final = NUMBER_PROPERTIES | INTEGER_PROPERTIES
_PLAIN_PROPERTIES: Final = ("order_id", "shop_id", "predicted_ltv", "customer_type", "delivery_category")
BRAND: Final = "brand"


class MissingAttribute(Exception):
    """A required property has no usable value: the mapping yields no event."""


class PropertyReader:
    """Reads one mapping's properties from one occurrence.

    `warnings` grow with what is left out or changed, `sources` with what is chosen. `omitted` are properties that are
    never sent.
    """

    def __init__(
        self,
        connection: Connection,
        mapping: CustomMapping,
        event: TikTokEvent,
        occurrence: Occurrence,
        omitted: frozenset[str],
        warnings: list[str],
        sources: FieldSources,
    ) -> None:
        self._connection = connection
        self._event = event
        self._occurrence = occurrence
        self._omitted = omitted
        self._warnings = warnings
        self._sources = sources
        self._form = connection.wire_form
        self._mapped = mapping.properties
        # Places in `first` that were chosen, of the item that is being made.
        self._chosen: dict[str, int] = {}

    def properties(self) -> Properties:
        """Return the properties. Raises `MissingAttribute`."""
        if self._omitted:
            self._leave_out()
        properties = Properties()
        properties.contents = self._contents()
        properties.value = self._order_value()
        if "currency" in self._mapped or "value" in self._mapped or "currency" in self._event.properties:
            properties.currency = self._currency(has_value=properties.value is not None)
        properties.description = self._description()
        setattr(properties, self._form.search_property, self._mapped_value("query"))
        for name in _PLAIN_PROPERTIES:
            if name in self._mapped:
                setattr(properties, name, self._mapped_value(name))
        if "order_id" not in self._mapped:
            properties.order_id = self._order_id()
        properties.num_items = self._mapped_value("num_items")  # type: ignore[assignment]  # a number, by its name
        properties.content_ids = self._mapped_value("content_ids")  # type: ignore[assignment]  # a list, by its name
        if properties.contents is not None:
            add_content_summary(properties, properties.contents, self._connection.content_type, self._form)
        return properties

    def _leave_out(self) -> None:
        """Make properties that are never sent unmapped. Raises `MissingAttribute` if the mapping requires one."""
        for name in self._omitted.intersection(self._mapped):
            if self._mapped[name].required:
                raise MissingAttribute
        self._mapped = {name: source for name, source in self._mapped.items() if name not in self._omitted}

    def _order_value(self) -> Number | None:
        if "value" in self._mapped:
            return self._mapped_value("value")  # type: ignore[return-value]  # a number, by its name
        action = self._occurrence.product_action
        if action is None or "value" not in self._event.properties or "value" in self._omitted:
            return None
        return order_value(action, self._connection, self._warnings, self._sources)

    def _currency(self, *, has_value: bool) -> str | None:
        source = self._mapped.get("currency")
        action = self._occurrence.product_action
        given: object = None
        if source is not None:
            given = self._given_currency(source)
        elif action is not None:
            given = given_currency(self._occurrence.data, action, self._sources)
        currency = checked_currency(
            given,
            self._connection.default_currency,
            has_value=has_value,
            warnings=self._warnings,
            sources=self._sources,
        )
        if source is not None:
            _require(source, currency if given is not None else None)
        return currency

    def _given_currency(self, source: PropertySource) -> object:
        if len(source.sources) == 1:
            return self._converted("currency", self._raw(source.sources[0], None), self._warnings)
        for place, candidate in enumerate(source.sources):
            text = text_of(self._raw(candidate, None))
            usable = checked_currency(text, None, has_value=False, warnings=[], sources={})
            if usable is not None:
                self._note_chosen("currency", place)
                return text
        return None

    def _description(self) -> str | None:
        if "description" in self._mapped or self._occurrence.product_action is None:
            return self._mapped_value("description")  # type: ignore[return-value]  # text, by its name
        if "description" in self._omitted:
            return None
        return text_of((self._occurrence.data.custom_attributes or {}).get("description"))

    def _order_id(self) -> str | None:
        action = self._occurrence.product_action
        if not self._form.has_order_id or action is None or not self._event.has_contents or "order_id" in self._omitted:
            return None
        return text_of(action.transaction_id) if (self._occurrence.name or "").lower() == "purchase" else None

    # --- contents ---

    def _contents(self) -> list[Content] | None:
        mapped = {name: self._mapped[name] for name in CONTENT_PROPERTIES if name in self._mapped}
        action = self._occurrence.product_action
        of_product = any(source.is_of_product for source in mapped.values())
        if mapped and not of_product and mapped.keys() != {BRAND}:
            content = self._content(mapped, None)
            self._keep_chosen(content)
            return [content] if content is not None else None
        if action is None or not (of_product or self._event.has_contents):
            return None
        contents = [self._product_content(mapped, product) for product in action.products or ()]
        items = [content for content in contents if content is not None]
        if len(items) < len(contents):
            skipped = [number for number, content in enumerate(contents) if content is None]
            note_skipped(skipped, len(contents), self._sources)
        if not items and any(source.required for source in mapped.values()):
            raise MissingAttribute
        return items or None

    def _product_content(self, mapped: dict[str, PropertySource], product: Product) -> Content | None:
        """Return one product's item, or None if it lacks a required property; its warnings then do not count."""
        kept = len(self._warnings)
        content: Content | None = None
        try:
            content = self._content(mapped, product)
        except MissingAttribute:
            del self._warnings[kept:]
        self._keep_chosen(content)
        return content

    def _content(self, mapped: dict[str, PropertySource], product: Product | None) -> Content | None:
        content = self._filled(mapped, product)
        for name, source in mapped.items():
            setattr(content, name, self._value(name, source, product))
        if content == _NOTHING:
            return None
        if self._form.has_content_type_in_items:
            content.content_type = self._connection.content_type
        return content

    def _filled(self, mapped: dict[str, PropertySource], product: Product | None) -> Content:
        """Return the product's own values for what the mapping does not name; their warnings must not show."""
        if product is None or not self._event.has_contents:
            return Content()
        unnamed = Product(
            **{field: getattr(product, field) for name, field in PRODUCT_FIELD.items() if name not in mapped},
        )
        contents = product_contents((unnamed,), None, self._omitted, self._warnings, {})
        return contents[0] if contents is not None else Content()

    # --- one value ---

    def _mapped_value(self, name: str) -> _Value:
        source = self._mapped.get(name)
        return self._value(name, source, None) if source is not None else None

    def _value(self, name: str, source: PropertySource, product: Product | None) -> _Value:
        if len(source.sources) == 1:
            value = self._checked(name, self._raw(source.sources[0], product), self._warnings)
        else:
            value = self._first_usable(name, source, product)
        _require(source, value)
        return value

    def _first_usable(self, name: str, source: PropertySource, product: Product | None) -> _Value:
        for place, candidate in enumerate(source.sources):
            warnings: list[str] = []
            value = self._checked(name, self._raw(candidate, product), warnings)
            if value is not None:
                self._warnings += warnings
                if product is None and name not in CONTENT_PROPERTIES:
                    self._note_chosen(name, place)
                else:
                    self._chosen[name] = place
                return value
        return None

    def _raw(self, source: Source, product: Product | None) -> object:
        value = value_of(source, self._occurrence, product, self._sources)
        return flag_text(value) if source.kind == "flag" else value

    def _checked(self, name: str, given: object, warnings: list[str]) -> _Value:
        if name == "content_ids":
            return _content_ids(given, warnings)
        value = self._converted(name, given, warnings)
        if name in NUMBER_PROPERTIES:
            return checked_amount(value, warnings)
        if name in INTEGER_PROPERTIES:
            return checked_quantity(value, warnings)
        if name == "customer_type" and isinstance(value, str):
            value = value.lower()
            if value not in CUSTOMER_TYPES:
                warnings.append(INVALID_VALUE)
                return None
        return value

    def _converted(self, name: str, given: object, warnings: list[str]) -> str | Number | None:
        """Return the value in the property's type; None if it is absent or does not convert, which adds a warning."""
        value = number_of(given) if name in _NUMBERS else self._text(given, warnings)
        if value is None and given is not None and not (isinstance(given, str) and not given.strip()):
            warnings.append(MISTYPED)
        return value

    def _text(self, given: object, warnings: list[str]) -> str | None:
        """Return the text, cut as it is sent: an attribute of the batch may be too long in each item of each event."""
        text = text_of(given)
        if text is None or len(text) <= MAX_CHARACTERS:
            return text
        warnings.append(TEXT_CUT)
        return cut_text(text)

    # --- what was chosen ---

    def _note_chosen(self, name: str, place: int) -> None:
        self._sources.setdefault("first", {})[name] = [place]

    def _keep_chosen(self, content: Content | None) -> None:
        """Note which places an item's values were taken from, unless there is no item."""
        if content is not None:
            for name, place in self._chosen.items():
                self._sources.setdefault("first", {}).setdefault(name, []).append(place)
        self._chosen.clear()


MISTYPED: Final = "mistyped_attribute"
_MAX_CONTENT_IDS: Final = 1000


def _content_ids(given: object, warnings: list[str]) -> list[str] | None:
    """Return the IDs of a list, or of a text with commas, without repeats; of too many, the first."""
    if isinstance(given, list):
        if len(given) > _MAX_CONTENT_IDS:
            warnings.append(TEXT_CUT)
            given = given[:_MAX_CONTENT_IDS]
        texts = [text_of(item) for item in given]
        if None in texts and any(item is not None and item != "" and text_of(item) is None for item in given):
            warnings.append(MISTYPED)
    else:
        text = text_of(given)
        if text is None:
            if given is not None and not isinstance(given, str):
                warnings.append(MISTYPED)
            return None
        if len(text) > MAX_RAW_CHARACTERS:
            warnings.append(TEXT_CUT)
            text = text[:MAX_RAW_CHARACTERS].rpartition(",")[0]
        parts = text.split(",", _MAX_CONTENT_IDS)
        if len(parts) > _MAX_CONTENT_IDS:
            warnings.append(TEXT_CUT)
        texts = [part.strip() for part in parts[:_MAX_CONTENT_IDS]]
    return list(dict.fromkeys([text for text in texts if text])) or None


def _require(source: PropertySource, value: object) -> None:
    if value is None and source.required:
        raise MissingAttribute


_NOTHING: Final = Content()
PRODUCT_FIELD: Final = {
    "price": "price",
    "quantity": "quantity",
    "content_id": "id",
    "content_name": "name",
    "content_category": "category",
    "brand": "brand",
}
