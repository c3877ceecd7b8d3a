"""`api-keys`: keys with which programs use the API over the network."""

from typing import Final
from urllib.parse import quote

import click

from tiktok_forwarder.access.api_keys import SCOPES
from tiktok_forwarder.cli.api_client import call
from tiktok_forwarder.cli.completing import key_names
from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.cli.output import Column, json_option, print_record, print_records, time_column
from tiktok_forwarder.settings import Settings

_COLUMNS: Final = (
    Column("name", "name"),
    Column("scope", "scope"),
    time_column("created", "created_at_ms"),
    Column("ID", "id"),
)


@click.group("api-keys", short_help="Create, list and revoke API keys.")
def api_keys() -> None:
    """API keys let programs use the API at /api/ of the service's port, and read /metrics from another machine.

    Commands on this machine need none.
    """


@api_keys.command()
@config_options
@json_option
@click.argument("name")
@click.option("--scope", type=click.Choice(SCOPES), default="read", show_default=True, help="Scope of the key.")
def make(settings: Settings, name: str, scope: str) -> None:
    """Create a key named NAME and print it. It is not shown again.

    Scopes: metrics allows reading /metrics from another machine, and nothing else; read allows viewing; operate also
    allows pause, resume, check, replay and discard; admin allows everything.
    """
    body = {"name": name, "scope": scope}
    print_record(call(settings, "POST", "/api/keys", body, may_create=True))


@api_keys.command("list")
@config_options
@json_option
def list_keys(settings: Settings) -> None:
    """Print the keys without their secrets."""
    print_records(call(settings, "GET", "/api/keys"), _COLUMNS, "No API keys yet.")


@api_keys.command()
@config_options
@json_option
@click.argument("name", shell_complete=key_names)
def revoke(settings: Settings, name: str) -> None:
    """Revoke the key NAME (or its ID). Requests with it are refused from now on."""
    print_record(call(settings, "DELETE", f"/api/keys/{quote(name, safe='')}"))
