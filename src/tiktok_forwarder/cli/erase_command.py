"""`erase`: delete a person's events from the service."""

import json
import sys
from typing import Any

import click

from tiktok_forwarder.cli.api_client import call
from tiktok_forwarder.cli.changes import confirm
from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.cli.output import json_option, print_record
from tiktok_forwarder.settings import Settings


@click.command(short_help="Erase a person's events.")
@config_options
@json_option
@click.option("--email", help="Email address.")
@click.option("--phone", help="Phone number with country code.")
@click.option("--external-id", help="Your own ID of the person.")
@click.option("--mpid", help="mParticle's ID of the person.")
@click.option("--stdin", is_flag=True, help="Read the identities from standard input, as one JSON object.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def erase(settings: Settings, stdin: bool, yes: bool, **given: str | None) -> None:
    """Erase a person's events: waiting, being sent or dead letters, and their records in the activity.

    Events with any of the given identities are erased; identities may also be given as SHA-256. Delivered events are at
    TikTok: request their erasure there. The audit log records who erased, not who was erased. Other users of this
    machine can see a command's options, but not what --stdin reads: {"email": "…", "mpid": "…"}. With PostgreSQL, no
    query finds the events any more; "remains" names where the deleted bytes are kept for a time.
    """
    person: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if stdin:
        if person:
            raise click.UsageError("pass the identities as options or on standard input, not both")
        person = _read_person()
    elif not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("erasing cannot be undone; pass --yes to confirm")
        confirm("Erase this person? This cannot be undone.")
    print_record(call(settings, "POST", "/api/erase", person))


def _read_person() -> dict[str, Any]:
    try:
        person = json.load(sys.stdin)
    except ValueError:
        person = None
    if not isinstance(person, dict):
        raise click.UsageError('standard input must be one JSON object, such as {"email": "…"}')
    return person
