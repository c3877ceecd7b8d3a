"""The properties that a custom mapping gives, completed from the commerce event if there is one."""

from typing import Final

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.commerce import (
    add_content_summary,
    checked_amount,
    checked_currency,
    checked_quantity,
    note_skipped,
    order_value,
    product_content,
)
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.custom import CustomMapping, Occurrence, PropertySource, given_currency, source_value
from tiktok_forwarder.mparticle.batch import Product
from tiktok_forwarder.mparticle.values import Number, number_of, text_of
from tiktok_forwarder.tiktok.events import CONTENT_PROPERTIES, EVENTS, INTEGER_PROPERTIES, NUMBER_PROPERTIES
from tiktok_forwarder.tiktok.payload import Content, Properties

_Value = str | Number | None


class MissingAttribute(Exception):
    """A required property has no usable value: the mapping yields no event."""


class PropertyReader:
    """Reads one mapping's properties from one occurrence.

    `warnings` grow with what is left out or changed, `sources` with what is chosen.
    """

    def __init__(
        self,
        connection: Connection,
        mapping: CustomMapping,
        occurrence: Occurrence,
        warnings: list[str],
        sources: FieldSources,
    ) -> None:
        self._connection = connection
        self._mapping = mapping
        self._occurrence = occurrence
        self._warnings = warnings
        self._sources = sources
        self._event = EVENTS[mapping.event]
        self._form = connection.wire_form

    def properties(self) -> Properties:
        """Return the properties. Raises `MissingAttribute`."""
        properties = Properties()
        if self._event.has_contents:
            properties.contents = self._contents()
        if "value" in self._event.properties:
            properties.value = self._order_value()
            properties.currency = self._currency(has_value=properties.value is not None)
        properties.description = self._description()
        setattr(properties, self._form.search_property, self._mapped_text("query"))
        add_content_summary(properties, self._connection.content_type, self._form)
        properties.order_id = self._order_id()
        return properties

    def _order_value(self) -> Number | None:
        source = self._mapping.properties.get("value")
        action = self._occurrence.product_action
        if source is not None:
            value = self._converted("value", self._given(source, None))
            amount = checked_amount(value, self._warnings)
            _require(source, amount)
            return amount
        if action is None:
            return None
        return order_value(
            action,
            from_products=self._connection.value_from_products,
            warnings=self._warnings,
            sources=self._sources,
        )

    def _currency(self, *, has_value: bool) -> str | None:
        source = self._mapping.properties.get("currency")
        action = self._occurrence.product_action
        given: object = None
        if source is not None:
            given = self._converted("currency", self._given(source, None))
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

    def _description(self) -> str | None:
        if "description" in self._mapping.properties or self._occurrence.product_action is None:
            return self._mapped_text("description")
        return text_of((self._occurrence.data.custom_attributes or {}).get("description"))

    def _mapped_text(self, name: str) -> str | None:
        source = self._mapping.properties.get(name)
        if source is None:
            return None
        value = self._converted(name, self._given(source, None))
        text = text_of(value)
        _require(source, text)
        return text

    def _order_id(self) -> str | None:
        action = self._occurrence.product_action
        if not self._form.has_order_id or action is None or not self._event.has_contents:
            return None
        return text_of(action.transaction_id) if (self._occurrence.name or "").lower() == "purchase" else None

    # --- contents ---

    def _contents(self) -> list[Content] | None:
        properties = self._mapping.properties
        mapped = {name: properties[name] for name in CONTENT_PROPERTIES if name in properties}
        action = self._occurrence.product_action
        if mapped and not any(source.is_of_product for source in mapped.values()):
            content = self._content(mapped, None)
            return [content] if content is not None else None
        if action is None:
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
        try:
            return self._content(mapped, product)
        except MissingAttribute:
            del self._warnings[kept:]
            return None

    def _content(self, mapped: dict[str, PropertySource], product: Product | None) -> Content | None:
        content = self._filled(mapped, product)
        for name, source in mapped.items():
            setattr(content, name, self._mapped(name, source, product))
        if content == _NOTHING:
            return None
        if self._form.has_content_type_in_items:
            content.content_type = self._connection.content_type
        return content

    def _filled(self, mapped: dict[str, PropertySource], product: Product | None) -> Content:
        """Return the product's own values for what the mapping does not name; their warnings must not show."""
        if product is None:
            return Content()
        unnamed = Product(
            brand=product.brand,
            **{field: getattr(product, field) for name, field in PRODUCT_FIELD.items() if name not in mapped},
        )
        return product_content(unnamed, None, self._warnings) or Content()

    # --- one value ---

    def _mapped(self, name: str, source: PropertySource, product: Product | None) -> _Value:
        value = self._converted(name, self._given(source, product))
        if name in NUMBER_PROPERTIES:
            value = checked_amount(value, self._warnings)
        elif name in INTEGER_PROPERTIES:
            value = checked_quantity(value, self._warnings)
        _require(source, value)
        return value

    def _given(self, source: PropertySource, product: Product | None) -> object:
        return source_value(source, self._occurrence, product, self._sources)

    def _converted(self, name: str, given: object) -> _Value:
        """Return the value in the property's type; None if it is absent or does not convert, which adds a warning."""
        value: _Value
        value = number_of(given) if name in NUMBER_PROPERTIES | INTEGER_PROPERTIES else text_of(given)
        if value is None and given is not None and not (isinstance(given, str) and not given.strip()):
            self._warnings.append("mistyped_attribute")
        return value


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
}
