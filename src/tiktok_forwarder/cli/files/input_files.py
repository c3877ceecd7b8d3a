"""Inputs in TOML files, fit for version control: secrets are never in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import tomli_w
from msgspec import structs

from tiktok_forwarder.api.types import InputView
from tiktok_forwarder.cli.files.references import resolved_secret
from tiktok_forwarder.cli.files.tables import read_tables
from tiktok_forwarder.cli.inputs.kafka_options import exported_kafka
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.inputs.settings import InputSettings

_MANY: Final = "inputs"


def read_input_files(files: Sequence[Path], known: Sequence[str] = ()) -> list[InputSettings]:
    """Return the inputs in the files, with the password of each variable that one names.

    A Kafka input that is `known` by name may lack its variable: its password then does not change. Raises
    `ConfigurationError` with every problem.
    """
    names = {name.lower() for name in known}
    problems: list[str] = []
    found: list[InputSettings] = []
    for file in files:
        for index, table in enumerate(read_tables(file, _MANY, problems)):
            try:
                found.append(_with_password(msgspec.convert(table, InputSettings), names))
            except (msgspec.ValidationError, ConfigurationError) as error:
                problems.append(f"{file}: {_MANY}[{index}]: {error}")
    if problems:
        raise ConfigurationError(problems)
    return found


def _with_password(given: InputSettings, known: set[str]) -> InputSettings:
    kafka = given.kafka
    if kafka is None or kafka.password is None:
        return given
    try:
        password = resolved_secret(kafka.password, "password")
    except ConfigurationError:
        if given.name.strip().lower() not in known:
            raise
        password = None
    return structs.replace(given, kafka=structs.replace(kafka, password=password))


def inputs_toml(inputs: Sequence[InputView]) -> str:
    """Return the inputs as one text."""
    # The library alone would put each on one line.
    return "\n".join(f"[[{_MANY}]]\n{tomli_w.dumps(_table(each))}{_kafka_table(each)}" for each in inputs)


def _table(found: InputView) -> dict[str, Any]:
    table: dict[str, Any] = {"name": found.name, "kind": found.kind}
    if found.kind != "kafka":
        table["key"] = found.key
    if found.kind == "browser":
        table["origins"] = found.origins
    return {**table, "allows_purchases": found.allows_purchases}


def _kafka_table(found: InputView) -> str:
    if found.kafka is None:
        return ""
    return f"\n[{_MANY}.kafka]\n{tomli_w.dumps(exported_kafka(found.name, found.kafka))}"
