"""How commands print: JSON lines on standard output, words for people on standard error."""

import json
from collections.abc import Iterable
from typing import Any

import click


def print_lines(items: Iterable[Any]) -> None:
    """One JSON object a line."""
    for each in items:
        click.echo(json.dumps(each))


def tell(sentence: str) -> None:
    """To whoever runs the command."""
    click.echo(f"tiktok-forwarder: {sentence}", err=True)
