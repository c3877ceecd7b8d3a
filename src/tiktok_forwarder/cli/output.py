"""How commands print: JSON lines on standard output, messages for users on standard error."""

import json
from collections.abc import Iterable
from typing import Any

import click


def print_lines(items: Iterable[Any]) -> None:
    """Print one JSON object per line."""
    for each in items:
        click.echo(json.dumps(each))


def print_message(message: str) -> None:
    """Print a message for the user to standard error."""
    click.echo(f"tiktok-forwarder: {message}", err=True)
