"""Checks values against declared fields; every problem is one sentence that names key, value and what is allowed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tiktok_forwarder.domain.errors import MAX_PROBLEMS, suggestion
from tiktok_forwarder.mapping.fields import MAX_EXTRA_IDENTITY_TYPES, Field
from tiktok_forwarder.mparticle.identities import identity_type_of

_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
_REGION: Final = re.compile(r"[A-Z]{2}", re.ASCII)
_HEADER_WORD: Final = re.compile(r"[!-~]+", re.ASCII)
_MAX_SHOWN_LENGTH: Final = 60
_MAX_TEXT_LENGTH: Final = 200


class Problems:
    """Collects the problems of a document, so that its author fixes all of them in one pass."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, key: str, message: str) -> None:
        self.found.append(f"{key}: {message}")

    def has(self, key: str) -> bool:
        return any(problem.startswith(f"{key}: ") for problem in self.found)

    def unknown_keys(self, given: Iterable[object], known: Iterable[str], prefix: str = "") -> None:
        known = list(known)
        for key in given:
            if key not in known:
                # Of more problems, none is shown; a document may have many keys.
                close = suggestion(known, str(key)) if len(self.found) < MAX_PROBLEMS else ""
                start = f"{close} Known keys" if close else "; known keys"
                self.add(f"{prefix}{key}", f"is not a known key{start}: {', '.join(known)}")


def shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN_LENGTH else f"{text[:_MAX_SHOWN_LENGTH]}…"


def read_field(field: Field, given: Mapping[str, object], problems: Problems) -> object:
    """Return the document's value of `field`, the default if absent; a problem is noted and the default returned."""
    value = given.get(field.name)
    if value is None:
        if field.required and field.default is None:
            problems.add(field.name, "is required")
        return field.default
    reader = _READERS[field.kind]
    return reader(field, value, problems)


def _text(field: Field, value: object, problems: Problems) -> object:
    if not isinstance(value, str):
        problems.add(field.name, f"must be text, not {shown(value)}")
        return field.default
    if not value.strip():
        if field.required:
            problems.add(field.name, "must not be empty")
        return field.default
    text = value.strip()
    # A stored connection is read in spite of it.
    if len(text) > _MAX_TEXT_LENGTH or not text.isprintable():
        problems.add(field.name, f"must be one line of at most {_MAX_TEXT_LENGTH} characters, not {shown(value)}")
    return text


def _secret(field: Field, value: object, problems: Problems) -> object:
    # The value is sent in an HTTP header.
    if not isinstance(value, str) or not _HEADER_WORD.fullmatch(value.strip()):
        problems.add(field.name, "must be one word of ASCII characters (its value is not shown)")
        return None
    return value.strip()


def _choice(field: Field, value: object, problems: Problems) -> object:
    allowed = [choice.value for choice in field.choices]
    # `events_api = 2.0` without quotes is a number in TOML.
    value = str(value) if isinstance(value, float) else value
    if value not in allowed:
        problems.add(field.name, f"must be one of {', '.join(allowed)}, not {shown(value)}")
        return field.default
    return value


def _identity_type(field: Field, value: object, problems: Problems) -> object:
    found = identity_type_of(value) if isinstance(value, str) else None
    if found is None:
        allowed = ", ".join(choice.value for choice in field.choices)
        problems.add(field.name, f"must be an mParticle identity type: one of {allowed}, not {shown(value)}")
        return field.default
    return found


def _boolean(field: Field, value: object, problems: Problems) -> object:
    if not isinstance(value, bool):
        problems.add(field.name, f"must be true or false, not {shown(value)}")
        return field.default
    return value


def _number(field: Field, value: object, problems: Problems) -> object:
    whole = field.kind == "integer"
    fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not fits or not _within(field, value):  # type: ignore[arg-type]  # a number by `fits`
        kind = "a whole number" if whole else "a number"
        problems.add(field.name, f"must be {kind} from {field.minimum} to {field.maximum}, not {shown(value)}")
        return field.default
    return value


def _within(field: Field, value: float) -> bool:
    # An integer may be too large for a float; NaN is within no bounds.
    above = field.minimum is None or value >= field.minimum
    return above and (field.maximum is None or value <= field.maximum)


def _code(field: Field, value: object, problems: Problems) -> object:
    pattern, example = (_CURRENCY, "USD") if field.kind == "currency" else (_REGION, "US")
    code = value.strip().upper() if isinstance(value, str) else ""
    if code == "" and isinstance(value, str):
        return None
    if not pattern.fullmatch(code) or (field.kind == "region" and not _is_region(code)):
        kind = "a currency code of three letters" if field.kind == "currency" else "a country code of two letters"
        problems.add(field.name, f"must be {kind}, such as {example}, not {shown(value)}")
        return None
    return code


def _is_region(code: str) -> bool:
    # Imported here: the tables take 70 ms to load, and most installations never name a region.
    from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415

    return code in SUPPORTED_REGIONS


def _choices(field: Field, value: object, problems: Problems) -> object:
    allowed = [choice.value for choice in field.choices]
    given = value if isinstance(value, list | tuple) else None
    if given is None or not all(item in allowed for item in given):
        problems.add(field.name, f"must be a list of {', '.join(allowed)}, not {shown(value)}")
        return field.default
    return tuple(dict.fromkeys(given))


def _identity_types(field: Field, value: object, problems: Problems) -> object:
    allowed = [choice.value for choice in field.choices]
    given = value if isinstance(value, list | tuple) else ()
    found = [_identity_name(item, allowed) for item in given]
    if not isinstance(value, list | tuple) or None in found or len(found) > MAX_EXTRA_IDENTITY_TYPES:
        most = f"at most {MAX_EXTRA_IDENTITY_TYPES} mParticle identity types"
        problems.add(field.name, f"must be a list of {most}: {', '.join(allowed)}, not {shown(value)}")
        return ()
    return tuple(found)


def _identity_name(given: object, allowed: Sequence[str]) -> str | None:
    """Return the name of an identity type, however it is spelled; `mpid`, which is none of the 22, by itself."""
    if not isinstance(given, str):
        return None
    name = given.strip().lower()
    return name if name in allowed else identity_type_of(given)


def _texts(field: Field, value: object, problems: Problems) -> object:
    """Read a text or a list of them."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not all(isinstance(item, str) and item.strip() for item in given):
        if isinstance(value, str):
            return ()
        problems.add(field.name, f"must be text or a list of texts, not {shown(value)}")
        return ()
    return tuple(dict.fromkeys(item.strip() for item in given))


def _names(field: Field, value: object, problems: Problems) -> object:
    names = value if isinstance(value, list | tuple) else None
    if names is None or not all(isinstance(name, str) and name.strip() for name in names):
        problems.add(field.name, f"must be a list of names, not {shown(value)}")
        return ()
    return tuple(name.strip() for name in names)


_READERS: Final = {
    "text": _text,
    "secret": _secret,
    "choice": _choice,
    "identity_type": _identity_type,
    "boolean": _boolean,
    "integer": _number,
    "number": _number,
    "currency": _code,
    "region": _code,
    "names": _names,
    "choices": _choices,
    "identity_types": _identity_types,
    "texts": _texts,
}
