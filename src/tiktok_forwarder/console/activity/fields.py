"""The fields of an event sent to TikTok: each with its value, its sources and the transformation."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.mapping.explanation.explain import Explanation, fields
from tiktok_forwarder.mapping.fields import FIELD_BY_NAME

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SHOWN_OF_DIGEST: Final = 12
_MAX_SHOWN_LENGTH: Final = 120
_CUSTOM_MAPPING: Final = re.compile(r"connection\.custom_mappings\[([0-9]+)\]\.(?:event|properties\.\w+\.(static))")


class FieldRow(Struct, frozen=True):
    """One field. `shown` is the value, shortened if `full` is too long."""

    path: str
    shown: str
    full: str
    is_digest: bool
    sources: tuple[str, ...]
    done: str

    @property
    def is_shortened(self) -> bool:
        return self.shown != self.full


def field_rows(payload: Any, explanation: Sequence[Explanation]) -> list[FieldRow]:
    """Return a row for each field, in the order of the payload."""
    explained = {each.field: each for each in explanation}
    return [_row(path, value, explained.get(path)) for path, value in fields(payload)]


def _row(path: str, value: object, explained: Explanation | None) -> FieldRow:
    full = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    is_digest = bool(_DIGEST.fullmatch(full))
    length = _SHOWN_OF_DIGEST if is_digest else _MAX_SHOWN_LENGTH
    shown = full if len(full) <= length else f"{full[:length]}…"
    sources = tuple(map(_source_words, explained.sources)) if explained is not None else ()
    return FieldRow(path, shown, full, is_digest, sources, explained.transformation if explained is not None else "")


def _source_words(source: str) -> str:
    """Name a source; settings by the label of their form field."""
    mapping = _CUSTOM_MAPPING.fullmatch(source)
    if mapping is not None:
        return f"custom mapping {int(mapping[1]) + 1}{', static value' if mapping[2] else ''}"
    setting = FIELD_BY_NAME.get(source.removeprefix("connection."))
    return f"setting “{setting.label}”" if setting is not None and source.startswith("connection.") else source
