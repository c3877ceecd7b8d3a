"""How commands print: JSON lines on standard output, messages for users on standard error."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from tiktok_forwarder.domain.errors import ConfigurationError


def print_lines(items: Iterable[Any]) -> None:
    """Print one JSON object per line."""
    for each in items:
        click.echo(json.dumps(each))


def write_text(text: str, output: Path | None) -> None:
    """Write to the file, or to standard output if there is none. Raises `ConfigurationError` if it cannot."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigurationError([f"{output}: cannot write: {error.strerror}"]) from None


def print_message(message: str) -> None:
    """Print a message for the user to standard error."""
    click.echo(f"tiktok-forwarder: {message}", err=True)
