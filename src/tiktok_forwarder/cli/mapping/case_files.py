"""The files of mapping tests: connections, and for each the cases in the folder of its name.

A case is a batch, `NAME.json`, and next to it what must become of it, `NAME.expected.json`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from tiktok_forwarder.cli.files.connection_files import load_connections, other_kind
from tiktok_forwarder.cli.output import print_message
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.mapping.connection import Connection

_BATCH: Final = ".json"
_EXPECTED: Final = ".expected.json"


class ExpectedEvent(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One outcome: the event as TikTok gets it, with the warnings about it, or the reason of a drop."""

    sent: dict[str, Any] | None = None
    warnings: list[str] = []
    dropped: str | None = None


class Expectation(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What must become of a batch that is received at this time, in milliseconds since 1970."""

    received_at_ms: int
    events: list[ExpectedEvent]
    allows_purchases: bool = True


class Case(NamedTuple):
    name: str
    batch_file: Path
    expected_file: Path


class Suite(NamedTuple):
    """A connection's file with its cases."""

    file: Path
    connection: Connection
    cases: Sequence[Case]


def find_suites(folder: Path) -> list[Suite]:
    """Return the connections of the folder that have cases. Raises `ConfigurationError` with every problem."""
    problems: list[str] = []
    suites: list[Suite] = []
    for file in sorted(folder.glob("*.toml")):
        try:
            suites += _suites_of(file, problems)
        except ConfigurationError as error:
            problems += error.problems
    problems += _orphans(folder)
    if not problems and not suites:
        problems.append(f"{folder}: there are no cases; put batches into a folder named like a connection's file")
    if problems:
        raise ConfigurationError(problems)
    return suites


def _suites_of(file: Path, problems: list[str]) -> list[Suite]:
    kind = other_kind(file)
    if kind is not None:
        print_message(f"{file}: ignored, since it has {kind}")
        return []
    connections = load_connections(file)
    cases = _cases(file.with_suffix(""), problems)
    if not cases:
        print_message(f"{file}: has no cases")
        return []
    if len(connections) != 1:
        problems.append(f"{file}: has {len(connections)} connections; a file with cases has one")
        return []
    return [Suite(file, connections[0], cases)]


def _cases(folder: Path, problems: list[str]) -> list[Case]:
    files = sorted(folder.glob(f"*{_BATCH}"))
    expected = {file for file in files if file.name.endswith(_EXPECTED)}
    cases = [
        Case(f"{folder.name}/{file.stem}", file, file.with_suffix(_EXPECTED)) for file in files if file not in expected
    ]
    lost = expected - {case.expected_file for case in cases}
    problems += [
        f"{file}: there is no batch for it, {file.name.removesuffix(_EXPECTED)}{_BATCH}" for file in sorted(lost)
    ]
    return cases


def _orphans(folder: Path) -> list[str]:
    return [
        f"{each}: has cases, but there is no {each.name}.toml next to it"
        for each in sorted(folder.iterdir())
        if each.is_dir() and any(each.glob(f"*{_BATCH}")) and not each.with_suffix(".toml").exists()
    ]


def read_expectation(file: Path) -> Expectation:
    """Return what the file expects. Raises `ConfigurationError` naming the file and what is wrong with it."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Expectation)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError([f"{file}: {getattr(error, 'strerror', None) or error}"]) from None
    for number, event in enumerate(found.events):
        if (event.sent is None) == (event.dropped is None):
            raise ConfigurationError([f"{file}: events[{number}] must have sent or dropped, and not both"])
    return found


def write_expectation(file: Path, expectation: Expectation) -> None:
    """Write what is expected from now on. Raises `ConfigurationError` if it cannot."""
    try:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(expectation), indent=2) + b"\n")
    except OSError as error:
        raise ConfigurationError([f"{file}: cannot write: {error.strerror}"]) from None
