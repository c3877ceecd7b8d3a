"""`connections`: the TikTok pixels that events are forwarded to."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from tiktok_forwarder.api.types import ConnectionView, StatusView
from tiktok_forwarder.cli.api_client import ApiSession, call, read_as
from tiktok_forwarder.cli.evidence.prove_command import prove
from tiktok_forwarder.cli.evidence.recorded_command import recorded
from tiktok_forwarder.cli.files.connection_files import read_files
from tiktok_forwarder.cli.options import config_options, output_option
from tiktok_forwarder.cli.output import print_lines, print_message, write_text
from tiktok_forwarder.connections.check import CheckResult
from tiktok_forwarder.connections.connections import Difference
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.domain.toml_text import UnreadableToml, parse_toml
from tiktok_forwarder.mapping.connection_toml import token_variable, written_toml
from tiktok_forwarder.settings import Settings

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group(short_help="Add, change, check, pause, export and import connections.")
def connections() -> None:
    """A connection forwards events to one TikTok pixel, from all inputs or from those it names."""


connections.add_command(prove)
connections.add_command(recorded)


def _path(name: str, rest: str = "") -> str:
    return f"/api/connections/{quote(name, safe='')}{rest}"


def _flat(answer: object) -> dict[str, Any]:
    shown = read_as(ConnectionView, answer)
    return {"id": shown.id, "revision": shown.revision, **shown.settings}


@connections.command()
@config_options
@click.argument("file", type=_FILE)
def add(settings: Settings, file: Path) -> None:
    """Add the connection in FILE (TOML) and print it without its access token.

    \b
    A minimal file:
      name = "Shop"
      pixel_id = "…"
      access_token = "env:TIKTOK_TOKEN"
    """
    given = read_files([file])
    if len(given) != 1:
        raise ConfigurationError([f"{file}: contains {len(given)} connections; use `connections import` for several"])
    try:
        added = call(settings, "POST", "/api/connections", given[0], may_create=True)
    except ConfigurationError as error:
        raise ConfigurationError([f"{file}: {problem}" for problem in error.problems]) from None
    click.echo(json.dumps(_flat(added)))
    _advise(added)


@connections.command("list")
@config_options
def list_connections(settings: Settings) -> None:
    """Print the connections, one JSON object per line."""
    print_lines(_flat(each) for each in call(settings, "GET", "/api/connections"))


@connections.command()
@config_options
@click.argument("name")
def show(settings: Settings, name: str) -> None:
    """Print the connection NAME (or its ID) with all settings except the access token."""
    click.echo(json.dumps(_flat(call(settings, "GET", _path(name))), indent=2))


@connections.command("set")
@config_options
@click.argument("name")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE…")
def set_(settings: Settings, name: str, changes: tuple[str, ...]) -> None:
    """Change settings of connection NAME. Values are TOML or plain text; KEY= restores the default.

    \b
    Examples:
      tiktok-forwarder connections set Shop purchase_event=CompletePayment max_event_age_days=7
      tiktok-forwarder connections set Shop test_event_code=
      tiktok-forwarder connections set Shop 'inputs=["web"]'
    """
    body = {"settings": dict(_change(each) for each in changes)}
    changed = call(settings, "PATCH", _path(name), body)
    click.echo(json.dumps(_flat(changed)))
    _advise(changed)


def _advise(answer: object) -> None:
    shown = read_as(ConnectionView, answer)
    _print_advice(shown.connection().name, shown.advice)


def _print_advice(name: str, advice: Sequence[str]) -> None:
    for note in advice:
        print_message(f"{name}: {note}")


def _change(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise click.UsageError(f"{text!r} is not KEY=VALUE")
    if not value.strip():
        return key.strip(), None
    try:
        return key.strip(), parse_toml(f"value = {value}")["value"]
    except UnreadableToml:
        return key.strip(), value


@connections.command()
@config_options
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def remove(settings: Settings, name: str, yes: bool) -> None:
    """Remove connection NAME. Its waiting events become dead letters."""
    with ApiSession(settings) as session:
        found = read_as(ConnectionView, session.ask("GET", _path(name)))
        status = read_as(StatusView, session.ask("GET", "/api/status"))
        waiting = sum(each.queue.waiting for each in status.connections if each.id == found.id and each.queue)
        if not yes:
            question = f"Remove {found.connection().name}? {waiting} waiting events become dead letters"
            if not sys.stdin.isatty():
                raise click.UsageError(f"{question}; pass --yes to confirm")
            click.confirm(question, abort=True, err=True)
        click.echo(json.dumps(session.ask("DELETE", _path(found.id))))


@connections.command()
@config_options
@click.argument("name")
def check(settings: Settings, name: str) -> None:
    """Check connection NAME's access token and pixel with TikTok. Exit status 1 if the check fails.

    If the connection has a test event code, one test event is sent; otherwise no event is sent.
    """
    answer = call(settings, "POST", _path(name, "/check"))
    click.echo(json.dumps(answer))
    result = read_as(CheckResult, answer)
    print_message(f"{name}: {result.message}")
    if result.kind != "good":
        raise SystemExit(1)


@connections.command()
@config_options
@click.argument("name")
@click.option("--reason", default="", help="Reason, shown in the connection's status.")
def pause(settings: Settings, name: str, reason: str) -> None:
    """Pause delivery of connection NAME. Its events are kept until it is resumed."""
    body = {"reason": reason}
    status = call(settings, "POST", _path(name, "/pause"), body)
    click.echo(json.dumps(status))


@connections.command()
@config_options
@click.argument("name")
def resume(settings: Settings, name: str) -> None:
    """Resume delivery of connection NAME, whether an operator or the service paused it."""
    click.echo(json.dumps(call(settings, "POST", _path(name, "/resume"))))


@connections.command()
@config_options
@click.argument("name")
def history(settings: Settings, name: str) -> None:
    """Print who changed which settings of connection NAME and when, oldest first."""
    print_lines(call(settings, "GET", _path(name, "/history")))


@connections.command()
@config_options
@click.argument("names", nargs=-1)
@output_option
def export(settings: Settings, names: tuple[str, ...], output: Path | None) -> None:
    """Write connections NAMES, or all, as TOML. Access tokens become references to environment variables."""
    with ApiSession(settings) as session:
        answers = [session.ask("GET", _path(name)) for name in names] or session.ask("GET", "/api/connections")
    shown = read_as(list[ConnectionView], answers)
    write_text(written_toml([each.settings for each in shown]), output)
    variables = ", ".join(token_variable(each.connection().name) for each in shown)
    print_message(f"access tokens are not exported; an import reads them from the environment: {variables or 'none'}")


@connections.command("import")
@config_options
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--dry-run", is_flag=True, help="Show the differences without changing anything.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def import_(settings: Settings, files: tuple[Path, ...], dry_run: bool, yes: bool) -> None:
    """Add or change the connections in FILES (TOML), matched by name: all of them or none.

    The differences are shown first, and which purchase event each connection sends. An existing connection keeps its
    access token unless the file's variable is set.
    """
    with ApiSession(settings, may_create=True) as session:
        known = read_as(list[ConnectionView], session.ask("GET", "/api/connections"))
        given = read_files(files, [each.connection().name for each in known])
        answer = session.ask("POST", "/api/connections/import", {"connections": given, "dry_run": True})
        print_lines(answer)
        differences = read_as(list[Difference], answer)
        changing = [each.name for each in differences if each.change != "none"]
        for difference in differences:
            if difference.change != "none":
                _print_advice(difference.name, difference.advice)
        print_message(f"{len(changing)} of {len(differences)} connections would change" + _name_list(changing))
        if dry_run or not changing:
            return
        if not yes:
            if not sys.stdin.isatty():
                raise click.UsageError("not imported: pass --yes to apply the changes, or --dry-run to preview them")
            click.confirm("Import?", abort=True, err=True)
        session.ask("POST", "/api/connections/import", {"connections": given})
        print_message(f"imported{_name_list(changing)}")


def _name_list(names: list[str]) -> str:
    return f": {', '.join(names)}" if names else ""
