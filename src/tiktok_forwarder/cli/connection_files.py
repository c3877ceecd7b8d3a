"""Connections as TOML files, fit for version control: tokens stand in the environment, not in the file."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import tomli_w

from tiktok_forwarder.domain.errors import ConfigurationError

_FROM_ENVIRONMENT: Final = "env:"
_MANY: Final = "connections"


def read_files(files: Sequence[Path], known: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The connections of the files, `env:NAME` replaced by the variable. Raises `ConfigurationError` naming all faults.

    A connection that is `known` by name may lack its variable: its token then stays as it is.
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


def _connections(file: Path, problems: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """A file is one connection, or a list of them under `connections`."""
    try:
        given = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{file}: {error}")
        return []
    many = given.get(_MANY)
    if many is None:
        return [(str(file), given)]
    if not isinstance(many, list) or not all(isinstance(each, dict) for each in many) or len(given) > 1:
        problems.append(f"{file}: {_MANY} must be a list of tables, and nothing may stand beside it")
        return []
    return [(f"{file}: connections[{index}]", each) for index, each in enumerate(many)]


def _resolve_token(label: str, given: dict[str, Any], known: set[str], problems: list[str]) -> None:
    token = given.get("access_token")
    if not isinstance(token, str) or not token.startswith(_FROM_ENVIRONMENT):
        return
    variable = token.removeprefix(_FROM_ENVIRONMENT)
    if os.environ.get(variable):
        given["access_token"] = os.environ[variable]
    elif str(given.get("name", "")).strip().lower() in known:
        del given["access_token"]
    else:
        problems.append(f"{label}: access_token: the environment variable {variable} is not set")


def token_variable(name: str) -> str:
    """The environment variable that an exported connection takes its token from."""
    return f"{re.sub(r'[^A-Z0-9]+', '_', name.upper()).strip('_') or 'CONNECTION'}_ACCESS_TOKEN"


def written(connections: Sequence[Mapping[str, Any]]) -> str:
    """Connections as one TOML file."""
    tables: list[dict[str, Any]] = []
    for each in connections:
        name, pixel, *_ = each["name"], each["pixel_id"]
        rest = {key: value for key, value in each.items() if key not in ("name", "pixel_id")}
        token = f"{_FROM_ENVIRONMENT}{token_variable(name)}"
        tables.append({"name": name, "pixel_id": pixel, "access_token": token, **rest})
    return tomli_w.dumps({_MANY: tables})
