"""Pasted connections, prepared for the API: tokens are typed by the user, never resolved from the environment."""

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.connections.connections import Difference
from tiktok_forwarder.mapping.connection_toml import read_toml, referenced_variable

_LABEL: Final = "the text"
_TO_BE_TYPED: Final = "to-be-typed"


class TokenField(Struct, frozen=True):
    """A connection whose token must be typed: the form's field, and the variable that its text names."""

    field: str
    connection: str
    variable: str


class Pasted(Struct, frozen=True):
    """`connections` are as the API expects them; `tokens` are those the user types, `missing` those still empty."""

    connections: list[dict[str, Any]]
    tokens: list[TokenField]
    missing: list[TokenField]

    def for_dry_run(self) -> list[dict[str, Any]]:
        """Return the connections with a placeholder for each missing token: a dry run stores none."""
        lacking = {each.field for each in self.missing}
        return [
            {**each, "access_token": _TO_BE_TYPED} if _field(index) in lacking else each
            for index, each in enumerate(self.connections)
        ]


def read_pasted(text: str, known: Collection[str], typed: Mapping[str, str]) -> Pasted:
    """Read the connections. Those `known` by name keep their token. Raises `ConfigurationError`."""
    connections: list[dict[str, Any]] = []
    tokens: list[TokenField] = []
    for index, (_, given) in enumerate(read_toml(text, _LABEL)):
        connections.append(_with_token(given, typed.get(_field(index), "")))
        if _needs_token(given, known):
            name = str(given.get("name", "")).strip() or f"connection {index + 1}"
            tokens.append(TokenField(_field(index), name, referenced_variable(given) or ""))
    return Pasted(connections, tokens, [each for each in tokens if not typed.get(each.field)])


def _field(index: int) -> str:
    return f"token-{index}"


def _needs_token(given: Mapping[str, Any], known: Collection[str]) -> bool:
    is_new = str(given.get("name", "")).strip().lower() not in known
    return is_new and (referenced_variable(given) is not None or given.get("access_token") is None)


def _with_token(given: Mapping[str, Any], typed: str) -> dict[str, Any]:
    plain = {
        name: value for name, value in given.items() if referenced_variable(given) is None or name != "access_token"
    }
    return {**plain, "access_token": typed} if typed else plain


def digest_of(differences: Sequence[Difference]) -> str:
    """Return a digest that shows whether the changes to apply are those of the preview."""
    return sha256(msgspec.json.encode(differences, order="deterministic")).hexdigest()
