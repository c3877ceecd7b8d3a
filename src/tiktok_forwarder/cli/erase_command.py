"""`erase`: a person's events out of the service."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from tiktok_forwarder.cli.api_client import call
from tiktok_forwarder.cli.options import config_options, settings_from


@click.command(short_help="Erase a person's events.")
@config_options
@click.option("--email", help="E-mail address.")
@click.option("--phone", help="Phone number, with its country code.")
@click.option("--external-id", help="The shop's own id of the person.")
@click.option("--mpid", help="mParticle's id of the person.")
@click.option("--stdin", is_flag=True, help="Read them from standard input instead, as one JSON object.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(config_file: Path | None, data_dir: Path | None, stdin: bool, yes: bool, **given: str | None) -> None:
    """Erase every event of a person that waits, is being sent or is a dead letter, and what the activity tells of them.

    Events with any of the identities given are erased; identities may also be given as SHA-256. What has been delivered
    is TikTok's: ask there too. The record that is kept of this says who did it, not who was erased. Other users of this
    machine can see a command's options, but not what comes from --stdin: {"email": "…", "mpid": "…"}.
    """
    person: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if stdin:
        if person:
            raise click.UsageError("give the identities as options or on standard input, not both")
        person = _read_person()
    elif not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("what is erased is gone: say --yes")
        click.confirm("Erase this person? What is erased is gone.", abort=True, err=True)
    click.echo(json.dumps(call(settings_from(config_file, data_dir=data_dir), "POST", "/api/erase", person)))


def _read_person() -> dict[str, Any]:
    try:
        person = json.load(sys.stdin)
    except ValueError:
        person = None
    if not isinstance(person, dict):
        raise click.UsageError('standard input must hold one JSON object, such as {"email": "…"}')
    return person
