"""A connection's settings as JSON Schema, from the same fields that validate and document them."""

from typing import Any, Final

from tiktok_forwarder.mapping.condition_reading import MAX_RULES
from tiktok_forwarder.mapping.fields import FIELDS, MAX_EXTRA_IDENTITY_TYPES, Field, FieldKind

_TYPES: Final[dict[FieldKind, dict[str, Any]]] = {
    "boolean": {"type": ["boolean", "null"]},
    "integer": {"type": ["integer", "null"]},
    "number": {"type": ["number", "null"]},
    "names": {"type": ["array", "null"], "items": {"type": "string", "minLength": 1}},
    "choices": {"type": ["array", "null"]},
    "identity_types": {"type": ["array", "null"], "items": {"type": "string"}, "maxItems": MAX_EXTRA_IDENTITY_TYPES},
    "texts": {"type": ["string", "array", "null"], "items": {"type": "string", "minLength": 1}},
    "mappings": {"type": ["array", "null"], "items": {"type": "object"}},
    "rules": {"type": ["array", "null"], "items": {"type": "object"}, "maxItems": MAX_RULES},
    "sources": {"type": ["object", "null"], "additionalProperties": {"type": "array", "items": {"type": "object"}}},
}
_TEXT: Final[dict[str, Any]] = {"type": ["string", "null"]}
_NEEDED_TEXT: Final[dict[str, Any]] = {"type": "string", "minLength": 1}


def settings_schema() -> dict[str, Any]:
    """Return the schema of the settings. Null stands for the default, where there is one."""
    return {
        "type": "object",
        "properties": {field.name: _schema(field) for field in FIELDS},
        "additionalProperties": False,
    }


def needed() -> list[str]:
    """Return the settings that every connection must be given."""
    return [field.name for field in FIELDS if field.required and field.default is None]


def _schema(field: Field) -> dict[str, Any]:
    kind = _NEEDED_TEXT if field.name in needed() else _TYPES.get(field.kind, _TEXT)
    schema = {**kind, "title": field.label, "description": field.help}
    # Identity types have several spellings: the choices are the canonical ones.
    if field.kind == "choice":
        schema["enum"] = [*(choice.value for choice in field.choices), None]
    elif field.kind == "choices":
        schema["items"] = {"enum": [choice.value for choice in field.choices]}
    bounds = {"minimum": field.minimum, "maximum": field.maximum, "default": field.default}
    return {**schema, **{name: value for name, value in bounds.items() if value is not None}}
