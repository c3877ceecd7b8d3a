"""What a setting of the process is, and how its value is read from text, a file or the command line."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from tiktok_forwarder.notices.addresses import parse_allowed_hosts
from tiktok_forwarder.store.postgres.address import is_address, without_passwords
from tiktok_forwarder.web.trusted_proxies import parse_networks

# Larger numbers of seconds or events mean nothing, and no sum of times with them overflows.
LARGEST_NUMBER: Final = 10**9

# A host name or address and an optional port.
_HTTPS_URL: Final = re.compile(r"https://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")

_LARGEST_PORT: Final = 65_535

# A base URL, to which /v1/metrics and /v1/traces are added. What could be a credential in it has no place.
_OTLP_URL: Final = re.compile(
    r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>\d{1,5}))?(?:/[a-z0-9._~/-]*)?(?<!/v1/metrics)(?<!/v1/traces)",
    re.I,
)

# An issuer may have a path. Without TLS anyone on the way could name the users, so plain HTTP is for this machine only.
_ISSUER: Final = re.compile(
    r"(?:https://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])|http://(?:127\.0\.0\.1|localhost|\[::1\]))(?::\d{1,5})?"
    r"(?:/[A-Za-z0-9._~%!$&'()*+,;=:@/-]*)?"
)

# One part only: no other path of the service's has that form, so none is hidden.
_SCRIPT_PATH: Final = re.compile(r"/[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}\.js")

SettingKind = Literal[
    "text",
    "path",
    "integer",
    "number",
    "choice",
    "https_url",
    "otlp_url",
    "issuer",
    "networks",
    "hosts",
    "values",
    "script_path",
    "store",
    "time_zone",
]


class Setting(Struct, frozen=True):
    """How a setting is read and explained. Numbers are bounded, both ends included and finite; `choices` are for text.

    A setting of kind `store` is one of its `choices` or a PostgreSQL URL.

    Name and kind are those of the member of `Settings` that it annotates, unless it names another kind.
    """

    default: str | int | float
    help: str
    minimum: float = 0
    maximum: float = LARGEST_NUMBER
    choices: tuple[str, ...] = ()
    kind: SettingKind | None = None
    name: str = ""


Value = str | int | float


def read_value(setting: Setting, given: object) -> Value | None:
    """Return the value in its type, None if it is not allowed.

    Text may contain a number: the environment has only text.
    """
    return _READERS[setting.kind or "text"](setting, given)


def _text(setting: Setting, given: object) -> str | None:
    text = str(given).strip() if isinstance(given, str | Path) else ""
    return text if text or (given == "" and setting.default == "") else None


def _choice(setting: Setting, given: object) -> str | None:
    return str(given) if given in setting.choices else None


def _number(setting: Setting, given: object) -> float | None:
    try:
        number = float(given) if isinstance(given, str | int | float) and not isinstance(given, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    if not setting.minimum <= number <= setting.maximum or not math.isfinite(number):
        return None
    if setting.kind == "integer":
        return int(number) if number.is_integer() else None
    return number


def _https_url(_: Setting, given: object) -> str | None:
    address = given.strip().lower().rstrip("/") if isinstance(given, str) else " "
    return address if not address or _HTTPS_URL.fullmatch(address) else None


def _otlp_url(_: Setting, given: object) -> str | None:
    address = given.strip().rstrip("/") if isinstance(given, str) else " "
    found = _OTLP_URL.fullmatch(address)
    return address if not address or (found and int(found["port"] or 0) <= _LARGEST_PORT) else None


def _issuer(_: Setting, given: object) -> str | None:
    """Return the issuer unchanged: a provider's own spelling of it is compared, with case and last slash."""
    text = given.strip() if isinstance(given, str) else " "
    return text if not text or _ISSUER.fullmatch(text) else None


def _values(_: Setting, given: object) -> str | None:
    """Return texts as one; a file may also have them as a list."""
    if isinstance(given, list) and all(isinstance(part, str) and "," not in part for part in given):
        given = ",".join(given)
    return ", ".join(filter(None, map(str.strip, given.split(",")))) if isinstance(given, str) else None


def _networks(_: Setting, given: object) -> str | None:
    """Return the networks as one text; a file may also have them as a list."""
    if isinstance(given, list) and all(isinstance(part, str) for part in given):
        given = ",".join(given)
    try:
        return ", ".join(map(str, parse_networks(given))) if isinstance(given, str) else None
    except ValueError:
        return None


def _hosts(_: Setting, given: object) -> str | None:
    """Return host names and networks as one text; a file may also have them as a list."""
    if isinstance(given, list) and all(isinstance(part, str) for part in given):
        given = ",".join(given)
    try:
        allowed = parse_allowed_hosts(given) if isinstance(given, str) else None
    except ValueError:
        return None
    return ", ".join([*sorted(allowed.names), *map(str, allowed.networks)]) if allowed is not None else None


def _script_path(_: Setting, given: object) -> str | None:
    return given if isinstance(given, str) and _SCRIPT_PATH.fullmatch(given) else None


def _store(setting: Setting, given: object) -> str | None:
    text = given.strip() if isinstance(given, str) else ""
    return text if text in setting.choices or is_address(text) else None


def _time_zone(_: Setting, given: object) -> str | None:
    try:
        return str(time_zone_named(given)) if isinstance(given, str) else None
    except (ValueError, LookupError, OSError):
        return None


def time_zone_named(name: str) -> tzinfo:
    """Return a time zone by its IANA name. Raises `LookupError`, `ValueError` and `OSError` if there is none.

    UTC needs no database of time zones.
    """
    return UTC if name == "UTC" else ZoneInfo(name)


_READERS: Final[Mapping[SettingKind, Callable[[Setting, object], Value | None]]] = {
    "text": _text,
    "path": _text,
    "integer": _number,
    "number": _number,
    "choice": _choice,
    "https_url": _https_url,
    "otlp_url": _otlp_url,
    "issuer": _issuer,
    "values": _values,
    "networks": _networks,
    "hosts": _hosts,
    "script_path": _script_path,
    "store": _store,
    "time_zone": _time_zone,
}


def shown_value(setting: Setting, value: Value) -> Value:
    """Return the value without its passwords: what a person, a log or another program may see."""
    return without_passwords(str(value)) if setting.kind == "store" else value


def refused_value(setting: Setting, given: object) -> str:
    """Return the end of a sentence that quotes a value that is not allowed; it may be a mistyped password."""
    return "" if setting.kind in ("store", "otlp_url") else f", not {given!r}"


def allowed_values(setting: Setting) -> str:
    choices = ", ".join(setting.choices)
    in_words: Mapping[SettingKind | None, str] = {
        "https_url": "https:// and a host, without a path, or empty",
        "otlp_url": (
            "http:// or https:// and a host, optionally a port and a path before /v1/traces, without user name, "
            "password and query, or empty"
        ),
        "issuer": "https:// and a host, with or without a path, or empty; http:// for this machine only",
        "values": "texts, separated by commas",
        "networks": f"networks in CIDR form, separated by commas, such as {setting.default}",
        "hosts": "host names and networks in CIDR form, separated by commas, such as smtp.example.com, 10.0.0.0/8",
        "script_path": "a slash and a file name that ends in .js, such as /shop.js",
        "choice": f"one of {choices}",
        "time_zone": "the IANA name of a time zone that this system knows, such as UTC or Europe/Berlin",
        "store": (
            f"{choices} or a PostgreSQL URL such as postgresql://user@host/database, in which special characters of "
            "user and password are percent-encoded"
        ),
    }
    if setting.kind in in_words:
        return in_words[setting.kind]
    if setting.kind in ("text", "path"):
        return "text" if setting.default == "" else "text that is not empty"
    kind = "a whole number" if setting.kind == "integer" else "a number"
    return f"{kind} from {setting.minimum:.15g} to {setting.maximum:.15g}"
