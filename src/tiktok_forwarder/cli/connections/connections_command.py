"""`connections`: the TikTok pixels that events are forwarded to."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from tiktok_forwarder.api.types import ConnectionView, StatusView
from tiktok_forwarder.cli.api_client import ApiSession, call, read_as
from tiktok_forwarder.cli.changes import (
    are_any,
    can_apply,
    changing_names,
    confirm,
    is_confirmed,
    print_changes,
    print_extent,
)
from tiktok_forwarder.cli.completing import complete_changes, connection_names
from tiktok_forwarder.cli.connections.apply import apply_command
from tiktok_forwarder.cli.connections.connection_changes import (
    connection_changes,
    print_advice,
    print_notes,
    setting_changes,
)
from tiktok_forwarder.cli.evidence.prove_command import prove
from tiktok_forwarder.cli.evidence.recorded_command import recorded
from tiktok_forwarder.cli.files.connection_files import read_files
from tiktok_forwarder.cli.files.references import resolve_secrets
from tiktok_forwarder.cli.options import config_options, output_option
from tiktok_forwarder.cli.output import (
    Column,
    json_option,
    print_message,
    print_record,
    print_records,
    time_column,
    write_text,
)
from tiktok_forwarder.connections.check import CheckResult
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.domain.toml_text import UnreadableToml, parse_toml
from tiktok_forwarder.mapping.connection import TOKEN
from tiktok_forwarder.mapping.connection_toml import token_variable, written_toml
from tiktok_forwarder.settings import Settings

_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)


def _state_words(found: Mapping[str, Any]) -> str:
    if not found["enabled"]:
        return "disabled"
    code = found.get("test_event_code")
    return f"test event code {code}" if code else "enabled"


def _revision_words(entry: Mapping[str, Any]) -> str:
    if entry["removed"]:
        return "removed"
    if entry["revision"] == 1:
        return "added"
    values = [value for field in entry["fields"] for value in setting_changes(field)]
    return "; ".join(f"{each.path}: {each.before} → {each.after}" for each in values)


_COLUMNS: Final = (
    Column("name", "name"),
    Column("pixel", "pixel_id"),
    Column("API", "events_api"),
    Column("state", _state_words),
    Column("inputs", lambda found: found["inputs"] or "all", wraps=True),
    Column("custom mappings", lambda found: len(found["custom_mappings"])),
)
_HISTORY_COLUMNS: Final = (
    time_column("at", "changed_at_ms"),
    Column("revision", "revision"),
    Column("by", "changed_by"),
    Column("changes", _revision_words, wraps=True),
)


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
@json_option
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
    print_record(_flat(added))
    _advise(added)


@connections.command("list")
@config_options
@json_option
def list_connections(settings: Settings) -> None:
    """Print the connections without their access tokens."""
    print_records(map(_flat, call(settings, "GET", "/api/connections")), _COLUMNS, "No connections yet.")


@connections.command()
@config_options
@json_option
@click.argument("name", shell_complete=connection_names)
def show(settings: Settings, name: str) -> None:
    """Print the connection NAME (or its ID) with all settings except the access token."""
    print_record(_flat(call(settings, "GET", _path(name))), indent=2)


@connections.command("set")
@config_options
@json_option
@click.argument("name", shell_complete=connection_names)
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE…", shell_complete=complete_changes)
def set_(settings: Settings, name: str, changes: tuple[str, ...]) -> None:
    """Change settings of connection NAME. Values are TOML or plain text; KEY= restores the default.

    access_token=env:NAME takes the token from the environment variable NAME, so that it is not in the shell's history.

    \b
    Examples:
      tiktok-forwarder connections set Shop purchase_event=CompletePayment max_event_age_days=7
      tiktok-forwarder connections set Shop test_event_code=
      tiktok-forwarder connections set Shop access_token=env:TIKTOK_TOKEN
      tiktok-forwarder connections set Shop 'inputs=["web"]'
    """
    given = dict(_change(each) for each in changes)
    resolve_secrets(given, [TOKEN])
    changed = call(settings, "PATCH", _path(name), {"settings": given})
    print_record(_flat(changed))
    _advise(changed)


def _advise(answer: object) -> None:
    shown = read_as(ConnectionView, answer)
    print_notes(shown.connection().name, shown.advice)


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
@json_option
@click.argument("name", shell_complete=connection_names)
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
            confirm(question)
        print_record(session.ask("DELETE", _path(found.id)))


@connections.command()
@config_options
@json_option
@click.argument("name", shell_complete=connection_names)
def check(settings: Settings, name: str) -> None:
    """Check connection NAME's access token and pixel with TikTok. Exit status 1 if the check fails.

    If the connection has a test event code, one test event is sent; otherwise no event is sent.
    """
    answer = call(settings, "POST", _path(name, "/check"))
    print_record(answer)
    result = read_as(CheckResult, answer)
    print_message(f"{name}: {result.message}")
    if result.kind != "good":
        raise SystemExit(1)


@connections.command()
@config_options
@json_option
@click.argument("name", shell_complete=connection_names)
@click.option("--reason", default="", help="Reason, shown in the connection's status.")
def pause(settings: Settings, name: str, reason: str) -> None:
    """Pause delivery of connection NAME. Its events are kept until it is resumed."""
    body = {"reason": reason}
    status = call(settings, "POST", _path(name, "/pause"), body)
    print_record(status)


@connections.command()
@config_options
@json_option
@click.argument("name", shell_complete=connection_names)
def resume(settings: Settings, name: str) -> None:
    """Resume delivery of connection NAME, whether an operator or the service paused it."""
    print_record(call(settings, "POST", _path(name, "/resume")))


@connections.command()
@config_options
@json_option
@click.argument("name", shell_complete=connection_names)
def history(settings: Settings, name: str) -> None:
    """Print who changed which settings of connection NAME and when, oldest first."""
    print_records(call(settings, "GET", _path(name, "/history")), _HISTORY_COLUMNS, "No changes.")


@connections.command()
@config_options
@click.argument("names", nargs=-1, shell_complete=connection_names)
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
@json_option
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--dry-run", is_flag=True, help="Show the differences without changing anything.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def import_(settings: Settings, files: tuple[Path, ...], dry_run: bool, yes: bool) -> None:
    """Add or change the connections in FILES (TOML), matched by name: all of them or none.

    The differences are shown first, and which purchase event each connection sends. An existing connection keeps its
    access token unless the file's variable is set.
    """
    with ApiSession(settings, may_create=can_apply(dry_run=dry_run, yes=yes)) as session:
        known = read_as(list[ConnectionView], session.ask("GET", "/api/connections"))
        given = read_files(files, [each.connection().name for each in known])
        answer = session.ask("POST", "/api/connections/import", {"connections": given, "dry_run": True})
        changes = connection_changes(answer, given)
        print_changes(answer, changes)
        print_advice(answer)
        print_extent(changes, "connections")
        if dry_run or not are_any(changes) or not is_confirmed("Import?", yes=yes):
            return
        session.ask("POST", "/api/connections/import", {"connections": given})
        print_message(f"imported{changing_names(changes)}")


connections.add_command(apply_command)
