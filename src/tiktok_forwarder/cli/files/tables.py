"""A TOML file that has one list of tables and nothing else."""

from pathlib import Path
from typing import Any

from tiktok_forwarder.domain.toml_text import UnreadableToml, parse_toml


def read_tables(file: Path, name: str, problems: list[str]) -> list[Any]:
    """Return the tables of the list of this name. What prevents it is added to `problems`, and nothing returned."""
    try:
        given = parse_toml(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, UnreadableToml) as error:
        problems.append(f"{file}: {error}")
        return []
    tables = given.get(name)
    if not isinstance(tables, list) or len(given) > 1:
        problems.append(f"{file}: {name} must be a list of tables, [[{name}]], and the only key")
        return []
    return tables
