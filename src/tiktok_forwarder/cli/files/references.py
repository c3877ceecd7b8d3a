"""Secrets by reference: where a file or an option has env:NAME, the value of the environment variable counts."""

import os
from collections.abc import Iterable
from typing import Any

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.mapping.connection_toml import FROM_ENVIRONMENT


def resolved_secret(text: str, label: str) -> str:
    """Return the text, or of `env:NAME` the variable's value.

    Raises `ConfigurationError` if the variable is not set or empty; its message begins with `label`.
    """
    if not text.startswith(FROM_ENVIRONMENT):
        return text
    variable = text.removeprefix(FROM_ENVIRONMENT)
    value = os.environ.get(variable)
    if not value:
        raise ConfigurationError([f"{label}: the environment variable {variable} is not set"])
    return value


def resolve_secrets(given: dict[str, Any], fields: Iterable[str]) -> None:
    """Replace `env:NAME` in those of the fields that have a text. Raises `ConfigurationError` with every problem."""
    problems: list[str] = []
    for field in fields:
        text = given.get(field)
        if isinstance(text, str):
            try:
                given[field] = resolved_secret(text, field)
            except ConfigurationError as error:
                problems += error.problems
    if problems:
        raise ConfigurationError(problems)
