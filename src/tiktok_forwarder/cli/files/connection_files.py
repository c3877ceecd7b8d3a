"""Connections in TOML files, fit for version control: access tokens are in the environment, not in the file."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tiktok_forwarder.cli.files.references import resolved_secret
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.domain.toml_text import UnreadableToml, parse_toml
from tiktok_forwarder.mapping.connection import TOKEN, Connection, read_connection
from tiktok_forwarder.mapping.connection_toml import read_toml, referenced_variable
from tiktok_forwarder.mapping.fields import RECORD

_OTHER_KINDS: Final = ("inputs", "recipients")


class Labelled(NamedTuple):
    """A connection as in its file. `label` is its place, for messages."""

    label: str
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.settings.get("name", "")).strip()


class Folder(NamedTuple):
    """What a folder has: its connections, and the files of inputs or recipients with what they have."""

    connections: list[Labelled]
    others: list[tuple[Path, str]]


def read_files(files: Sequence[Path], known: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the connections in the files, with `env:NAME` replaced by the variable's value.

    A connection that is `known` by name may lack its variable: its token then does not change. So may one that only
    records. Raises `ConfigurationError` with every problem.
    """
    problems: list[str] = []
    found = [connection for file in files for connection in _connections(file, problems)]
    for connection in found:
        _resolve_token(connection, _lowered(known), problems)
    if problems:
        raise ConfigurationError(problems)
    return [connection.settings for connection in found]


def load_connection(file: Path) -> Connection:
    """Return the only connection in a file, without its token. Raises `ConfigurationError` with every problem."""
    found = load_connections(file)
    if len(found) != 1:
        raise ConfigurationError([f"{file}: has {len(found)} connections; one is needed"])
    return found[0]


def load_connections(file: Path) -> list[Connection]:
    """Return the connections in a file, without tokens. Raises `ConfigurationError` with every problem."""
    problems: list[str] = []
    found: list[Connection] = []
    for label, settings in _connections(file, problems):
        try:
            found.append(read_connection(settings, needs_token=False, may_be_placeholder=True).connection)
        except ConfigurationError as error:
            problems += [f"{label}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigurationError(problems)
    return found


def read_folder(folder: Path) -> Folder:
    """Return the connections in the TOML files of a folder, not of folders in it; tokens are as written.

    Raises `ConfigurationError` with every problem.
    """
    problems: list[str] = []
    found = Folder([], [])
    for file in sorted(folder.glob("*.toml")):
        kind = other_kind(file)
        if kind is not None:
            found.others.append((file, kind))
        else:
            found.connections.extend(_connections(file, problems))
    if not problems and not found.connections:
        problems.append(f"{folder}: there is no connection in it, in a file whose name ends in .toml")
    _check_names(found.connections, problems)
    if problems:
        raise ConfigurationError(problems)
    return found


def resolve_folder(folder: Folder, known: Sequence[str]) -> list[str]:
    """Replace `env:NAME` as `read_files` does, and check each connection. Return the variables that are not set.

    Raises `ConfigurationError` with every problem.
    """
    problems: list[str] = []
    names = _lowered(known)
    kept = [variable for each in folder.connections if (variable := _resolve_token(each, names, problems))]
    for label, settings in folder.connections if not problems else ():
        try:
            read_connection(settings, needs_token=str(settings.get("name", "")).strip().lower() not in names)
        except ConfigurationError as error:
            problems += [f"{label}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigurationError(problems)
    return kept


def other_kind(file: Path) -> str | None:
    """Return what a file has instead of connections, if the file can be read at all."""
    try:
        keys = parse_toml(file.read_text("utf-8")).keys()
    except (OSError, UnicodeDecodeError, UnreadableToml):
        return None
    return next((kind for kind in _OTHER_KINDS if keys == {kind}), None)


def _lowered(names: Sequence[str]) -> set[str]:
    return {name.lower() for name in names}


def _connections(file: Path, problems: list[str]) -> list[Labelled]:
    try:
        return [Labelled(*each) for each in read_toml(file.read_text("utf-8"), str(file))]
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{file}: {error}")
    except ConfigurationError as error:
        problems += error.problems
    return []


def _check_names(found: Sequence[Labelled], problems: list[str]) -> None:
    labels: dict[str, str] = {}
    for connection in found:
        first = labels.setdefault(connection.name.lower(), connection.label)
        if first != connection.label and connection.name:
            problems.append(f'{connection.label}: name: "{connection.name}" is used in {first} too')


def _resolve_token(connection: Labelled, known: Collection[str], problems: list[str]) -> str | None:
    """Return the variable of a token that stays, since it is not set."""
    variable = referenced_variable(connection.settings)
    if variable is None:
        return None
    try:
        connection.settings[TOKEN] = resolved_secret(connection.settings[TOKEN], f"{connection.label}: {TOKEN}")
    except ConfigurationError as error:
        if connection.name.lower() in known:
            del connection.settings[TOKEN]
            return variable
        if connection.settings.get("delivery") == RECORD:
            del connection.settings[TOKEN]
        else:
            problems += error.problems
    return None
