"""The options of a Kafka input."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec
from msgspec import structs

from tiktok_forwarder.api.types import KafkaView
from tiktok_forwarder.cli.files.references import resolved_secret
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.inputs.settings import KafkaSettings
from tiktok_forwarder.mapping.connection_toml import FROM_ENVIRONMENT

_Command = TypeVar("_Command", bound=Callable[..., Any])
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "none")
_OPTIONS: Final = (
    click.option(
        "--kafka",
        "servers",
        multiple=True,
        metavar="HOST:PORT",
        help="Bootstrap server of a Kafka input; may be repeated.",
    ),
    click.option("--topic", "topics", multiple=True, help="Topic of a Kafka input; may be repeated."),
    click.option("--group", help="Consumer group of a Kafka input; by default tiktok-forwarder-NAME."),
    click.option(
        "--tls/--plaintext",
        "is_tls",
        default=None,
        help="Encrypt the connection to Kafka, the default, or not: only to private addresses.",
    ),
    click.option(
        "--sasl-mechanism",
        type=click.Choice(_MECHANISMS, case_sensitive=False),
        help="How a Kafka input logs in; none by default.",
    ),
    click.option("--user-name", help="User name of a Kafka input."),
    click.option("--password", help="Password of a Kafka input, or env:NAME for that of an environment variable."),
    click.option(
        "--ca-file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Certificates in PEM form that a Kafka input trusts instead of the system's.",
    ),
)


def kafka_options(command: _Command) -> _Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_kafka(given: dict[str, Any], current: KafkaView | None = None) -> dict[str, Any] | None:
    """Take the options of a Kafka input out of those given; return its settings, or None if no option was given.

    What is not given is as in `current`. Raises `ConfigurationError` if a file or variable cannot be read.
    """
    servers, topics, group = given.pop("servers"), given.pop("topics"), given.pop("group")
    is_tls, mechanism, user_name = given.pop("is_tls"), given.pop("sasl_mechanism"), given.pop("user_name")
    password, ca_file = given.pop("password"), given.pop("ca_file")
    changes: dict[str, Any] = {}
    if servers:
        changes["servers"] = servers
    if topics:
        changes["topics"] = topics
    if is_tls is not None:
        changes["security"] = "tls" if is_tls else "plaintext"
    if mechanism == "none":
        changes |= {"sasl_mechanism": None, "user_name": ""}
    elif mechanism is not None:
        changes["sasl_mechanism"] = mechanism
    if ca_file is not None:
        changes["ca_certificate"] = _text_of(ca_file)
    changes |= {key: text for key, text in (("group", group), ("user_name", user_name)) if text is not None}
    if password is not None:
        changes["password"] = resolved_secret(password, "--password")
    if not changes:
        return None
    start_with = settings_of(current) if current is not None else KafkaSettings((), ())
    settings: dict[str, Any] = msgspec.to_builtins(structs.replace(start_with, **changes))
    return settings


def settings_of(view: KafkaView) -> KafkaSettings:
    """Return the settings as they can be sent back: without the password, which then stays."""
    members = msgspec.to_builtins(view)
    del members["has_password"]
    return msgspec.convert(members, KafkaSettings)


def exported_kafka(name: str, view: KafkaView) -> Mapping[str, Any]:
    """Return the settings as a file has them: with a variable for the password, and without what is the default."""
    table: dict[str, Any] = msgspec.to_builtins(settings_of(view))
    defaults: dict[str, Any] = msgspec.to_builtins(KafkaSettings((), ()))
    table = {key: item for key, item in table.items() if item != defaults[key]}
    if view.has_password:
        variable = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
        table["password"] = f"{FROM_ENVIRONMENT}{variable}_KAFKA_PASSWORD"
    return table


def _text_of(file: Path) -> str:
    try:
        return file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"--ca-file: {file}: {error}"]) from None
