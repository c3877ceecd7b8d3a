"""Connections in TOML files, fit for version control: access tokens are in the environment, not in the file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.mapping.connection import Connection, read_connection
from tiktok_forwarder.mapping.connection_toml import read_toml, referenced_variable
from tiktok_forwarder.mapping.fields import RECORD


def read_files(files: Sequence[Path], known: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the connections in the files, with `env:NAME` replaced by the variable's value.

    A connection that is `known` by name may lack its variable: its token then does not change. So may one that only
    records. Raises `ConfigurationError` with every problem.
    """
    problems: list[str] = []
    found: list[dict[str, Any]] = []
    for file in files:
        for label, given in _connections(file, problems):
            _resolve_token(label, given, {name.lower() for name in known}, problems)
            found.append(given)
    if problems:
        raise ConfigurationError(problems)
    return found


def load_connection(file: Path) -> Connection:
    """Return the only connection in a file, without its token. Raises `ConfigurationError` with every problem."""
    problems: list[str] = []
    found = _connections(file, problems)
    if problems:
        raise ConfigurationError(problems)
    if len(found) != 1:
        raise ConfigurationError([f"{file}: has {len(found)} connections; one is needed"])
    ((label, settings),) = found
    try:
        return read_connection(settings, needs_token=False, may_be_placeholder=True).connection
    except ConfigurationError as error:
        raise ConfigurationError([f"{label}: {problem}" for problem in error.problems]) from None


def _connections(file: Path, problems: list[str]) -> list[tuple[str, dict[str, Any]]]:
    try:
        return read_toml(file.read_text("utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{file}: {error}")
    except ConfigurationError as error:
        problems += error.problems
    return []


def _resolve_token(label: str, given: dict[str, Any], known: set[str], problems: list[str]) -> None:
    variable = referenced_variable(given)
    if variable is None:
        return
    if os.environ.get(variable):
        given["access_token"] = os.environ[variable]
    elif given.get("delivery") == RECORD or str(given.get("name", "")).strip().lower() in known:
        del given["access_token"]
    else:
        problems.append(f"{label}: access_token: the environment variable {variable} is not set")
