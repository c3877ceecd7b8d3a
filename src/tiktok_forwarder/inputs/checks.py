"""Checks of what an input may be given: names, keys, secrets, and the origins of a browser input."""

import re
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv6Address
from typing import Final

MAX_ORIGINS: Final = 50
# Why an input of a kind has no secrets to rotate.
NO_SECRETS: Final = {
    "browser": "a browser input has no secrets; rotate its key",
    "kafka": "a Kafka input has no key and no secrets for senders; change its password in its settings",
}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_KEY: Final = re.compile(r"[A-Za-z0-9._~-]{4,100}")
_SHORTEST_SECRET: Final = 8
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_ORIGIN: Final = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?"
    r"(?P<rest>[/?#].*)?",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
_MAX_HOST_LENGTH: Final = 253
_MAX_PORT: Final = 65_535
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def name_problems(name: str) -> list[str]:
    if _NAME.fullmatch(name):
        return []
    return [f"name: must be 1 to 63 letters, digits, dots, dashes or underscores, not {name!r}"]


def key_problems(key: str) -> list[str]:
    if _KEY.fullmatch(key):
        return []
    return ["key: must be 4 to 100 letters, digits, dots, dashes, tildes or underscores"]


def secret_problems(secret: str, authorization: str) -> list[str]:
    problems: list[str] = []
    for field, value in (("secret", secret), ("authorization", authorization)):
        if len(value) < _SHORTEST_SECRET or not value.isprintable() or value != value.strip():
            problems.append(
                f"{field}: must be at least {_SHORTEST_SECRET} printable characters, without spaces at the ends"
            )
    if not authorization.isascii():
        problems.append("authorization: must be ASCII: senders encode other characters in headers differently")
    return problems


def read_origins(given: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the origins as browsers send them, without repeats, and a problem for each that is none."""
    origins: list[str] = []
    problems: list[str] = []
    for text in given:
        origin = _origin_of(text.strip())
        if origin is None:
            problems.append(_origin_problem(text))
        elif origin not in origins:
            origins.append(origin)
    if not given:
        problems.append("origins: a browser input needs at least one, such as https://shop.example.com")
    if len(given) > MAX_ORIGINS:
        problems = [f"origins: at most {MAX_ORIGINS} are allowed, not {len(given):,}"]
    return tuple(origins), problems


def _origin_of(text: str) -> str | None:
    """Return the origin with lower-case host and without a default port, as browsers write it; None if it is none."""
    found = _ORIGIN.fullmatch(text)
    if found is None or found["rest"]:
        return None
    scheme, host = found["scheme"].lower(), found["host"].lower()
    if host.startswith("["):
        try:
            host = f"[{IPv6Address(host[1:-1]).compressed}]"
        except AddressValueError:
            return None
    port = int(found["port"]) if found["port"] else _DEFAULT_PORTS[scheme]
    if len(host) > _MAX_HOST_LENGTH or not 1 <= port <= _MAX_PORT:
        return None
    return f"{scheme}://{host}" if port == _DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"


def _origin_problem(text: str) -> str:
    found = _ORIGIN.fullmatch(text.strip())
    if found is not None and found["rest"]:
        return f"origins: must end after the host or port, without {found['rest'][:50]!r}, not {text[:100]!r}"
    return f"origins: must be a scheme and an ASCII host, such as https://shop.example.com, not {text[:100]!r}"
