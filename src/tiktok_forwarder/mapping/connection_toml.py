"""Connections as a TOML text, to store, compare and share them. Access tokens are in it by reference only."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import tomli_w

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.domain.toml_text import UnreadableToml, parse_toml

FROM_ENVIRONMENT: Final = "env:"
_MANY: Final = "connections"


def read_toml(text: str, label: str) -> list[tuple[str, dict[str, Any]]]:
    """Return each connection of the text with its name for messages, which begins with `label`.

    A text is one connection, or a list of them under `connections`. Raises `ConfigurationError`.
    """
    try:
        given = parse_toml(text)
    except UnreadableToml as error:
        raise ConfigurationError([f"{label}: {error}"]) from None
    many = given.get(_MANY)
    if many is None:
        return [(label, given)]
    if not isinstance(many, list) or not all(isinstance(each, dict) for each in many) or len(given) > 1:
        raise ConfigurationError([f"{label}: {_MANY} must be a list of tables and the only key"])
    return [(f"{label}: connections[{index}]", each) for index, each in enumerate(many)]


def referenced_variable(given: Mapping[str, Any]) -> str | None:
    """Return the environment variable that a connection takes its token from, or None."""
    token = given.get("access_token")
    if not isinstance(token, str) or not token.startswith(FROM_ENVIRONMENT):
        return None
    return token.removeprefix(FROM_ENVIRONMENT)


def token_variable(name: str) -> str:
    """Return the environment variable that an exported connection takes its token from."""
    return f"{re.sub(r'[^A-Z0-9]+', '_', name.upper()).strip('_') or 'CONNECTION'}_ACCESS_TOKEN"


def written_toml(connections: Sequence[Mapping[str, Any]]) -> str:
    """Return connections as one text."""
    tables: list[dict[str, Any]] = []
    for each in connections:
        name, pixel = each["name"], each["pixel_id"]
        rest = {key: value for key, value in each.items() if key not in ("name", "pixel_id")}
        token = f"{FROM_ENVIRONMENT}{token_variable(name)}"
        tables.append({"name": name, "pixel_id": pixel, "access_token": token, **rest})
    return tomli_w.dumps({_MANY: tables})
