"""Inputs in TOML files, fit for version control: secrets are never in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import tomli_w

from tiktok_forwarder.api.types import InputView
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.domain.toml_text import UnreadableToml, parse_toml
from tiktok_forwarder.inputs.settings import InputSettings

_MANY: Final = "inputs"


def read_input_files(files: Sequence[Path]) -> list[InputSettings]:
    """Return the inputs in the files. Raises `ConfigurationError` with every problem."""
    problems: list[str] = []
    found: list[InputSettings] = []
    for file in files:
        for index, table in enumerate(_tables(file, problems)):
            try:
                found.append(msgspec.convert(table, InputSettings))
            except msgspec.ValidationError as error:
                problems.append(f"{file}: {_MANY}[{index}]: {error}")
    if problems:
        raise ConfigurationError(problems)
    return found


def _tables(file: Path, problems: list[str]) -> list[Any]:
    try:
        given = parse_toml(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, UnreadableToml) as error:
        problems.append(f"{file}: {error}")
        return []
    tables = given.get(_MANY)
    if not isinstance(tables, list) or len(given) > 1:
        problems.append(f"{file}: {_MANY} must be a list of tables, [[{_MANY}]], and the only key")
        return []
    return tables


def inputs_toml(inputs: Sequence[InputView]) -> str:
    """Return the inputs as one text."""
    # The library alone would put each on one line.
    return "\n".join(f"[[{_MANY}]]\n{tomli_w.dumps(_table(each))}" for each in inputs)


def _table(found: InputView) -> dict[str, Any]:
    table: dict[str, Any] = {"name": found.name, "kind": found.kind, "key": found.key}
    if found.kind == "browser":
        table["origins"] = found.origins
    return {**table, "allows_purchases": found.allows_purchases}
