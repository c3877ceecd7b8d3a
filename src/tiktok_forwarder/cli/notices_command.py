"""`notices`: who gets messages about incidents, and what was sent."""

from pathlib import Path
from typing import Any, Final, get_args
from urllib.parse import quote

import click
import msgspec

from tiktok_forwarder.api.notices import RecipientView
from tiktok_forwarder.cli.api_client import ApiSession, call, call_running, read_as
from tiktok_forwarder.cli.changes import (
    are_any,
    can_apply,
    changes_of,
    changing_names,
    is_confirmed,
    print_changes,
    print_extent,
)
from tiktok_forwarder.cli.completing import recipient_names
from tiktok_forwarder.cli.files.chosen import choose_by_name
from tiktok_forwarder.cli.files.recipient_files import SECRETS, read_recipient_files, recipients_toml
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
from tiktok_forwarder.notices.email_sending import SmtpSecurity
from tiktok_forwarder.notices.incidents import INCIDENT_KINDS
from tiktok_forwarder.notices.recipient_settings import RecipientKind
from tiktok_forwarder.settings import Settings

_RECIPIENTS: Final = "/api/notices/recipients"
_RECIPIENT_COLUMNS: Final = (
    Column("name", "name"),
    Column("kind", "kind"),
    Column("sent to", lambda found: found["url_origin"] or found["to_addresses"], wraps=True),
    Column(
        "incidents",
        lambda found: "all" if tuple(found["incidents"]) == INCIDENT_KINDS else found["incidents"],
        wraps=True,
    ),
)
_NOTICE_COLUMNS: Final = (
    time_column("created", "created_at_ms"),
    Column("recipient", "recipient"),
    Column("notice", "title", wraps=True),
    Column("state", "state"),
    Column("attempts", "attempts"),
    Column("reason", "reason", wraps=True),
)
_INCIDENT_COLUMNS: Final = (
    time_column("since", "opened_at_ms"),
    Column("incident", "label"),
    Column("about", lambda found: found["name"] or found["subject"]),
    Column("facts", "facts", wraps=True),
)


def _path(name: str, rest: str = "") -> str:
    return f"{_RECIPIENTS}/{quote(name, safe='')}{rest}"


@click.group(short_help="Add, test, change and remove recipients of notices.")
def notices() -> None:
    """A notice is a message about an incident, such as a paused connection: by webhook, to Slack or by email."""


@notices.command()
@config_options
@json_option
@click.option("--name", required=True, help="Name of the recipient.")
@click.option("--kind", type=click.Choice(get_args(RecipientKind)), required=True, help="How the recipient is reached.")
@click.option("--url", help="URL of a webhook or of Slack's incoming webhook; env:NAME takes it from the environment.")
@click.option("--to", "to_addresses", multiple=True, help="Email address of a recipient; may be repeated.")
@click.option("--from", "from_address", help="Email address of the sender.")
@click.option("--smtp-host", help="SMTP server.")
@click.option("--smtp-port", type=int, help="Port of the SMTP server; default: the usual one of --smtp-security.")
@click.option(
    "--smtp-security",
    type=click.Choice(get_args(SmtpSecurity)),
    default="starttls",
    show_default=True,
    help="How the connection to the SMTP server is encrypted.",
)
@click.option("--smtp-username", help="User name at the SMTP server.")
@click.option("--smtp-password", help="Password at the SMTP server; env:NAME takes it from the environment.")
@click.option(
    "--incident",
    "incidents",
    type=click.Choice(INCIDENT_KINDS),
    multiple=True,
    help="Kind of incident to get notices of; may be repeated. Default: all.",
)
def add(settings: Settings, incidents: tuple[str, ...], **given: Any) -> None:
    """Add a recipient and print it. The signing secret of a webhook is not shown again."""
    resolve_secrets(given, SECRETS)
    body = {**given, "incidents": incidents or INCIDENT_KINDS}
    print_record(call(settings, "POST", _RECIPIENTS, body, may_create=True))


@notices.command("list")
@config_options
@json_option
def list_recipients(settings: Settings) -> None:
    """Print the recipients without their secrets."""
    print_records(call(settings, "GET", _RECIPIENTS), _RECIPIENT_COLUMNS, "No recipients yet.")


@notices.command()
@config_options
@json_option
@click.argument("name", shell_complete=recipient_names)
def test(settings: Settings, name: str) -> None:
    """Send a test to recipient NAME by the running service, and print the outcome. Exit status 1: it was not sent."""
    outcome = call_running(settings, "POST", _path(name, "/test"))
    print_record(outcome)
    if outcome["state"] != "sent":
        print_message(f"not sent: {outcome['reason'] or 'no node of this store sends notices'}")
        raise click.exceptions.Exit(1)


@notices.command()
@config_options
@json_option
@click.argument("name", shell_complete=recipient_names)
def rotate(settings: Settings, name: str) -> None:
    """Give webhook NAME a new signing secret and print it. For a day, notices are signed with the old one too."""
    print_record(call(settings, "POST", _path(name, "/rotate")))


@notices.command()
@config_options
@json_option
@click.argument("name", shell_complete=recipient_names)
def remove(settings: Settings, name: str) -> None:
    """Remove recipient NAME. Its waiting notices are not sent."""
    print_record(call(settings, "DELETE", _path(name)))


@notices.command()
@config_options
@json_option
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Maximum number.")
def recent(settings: Settings, limit: int) -> None:
    """Print the notices of the last 24 hours and their states, newest first."""
    print_records(
        call(settings, "GET", f"/api/notices?limit={limit}"), _NOTICE_COLUMNS, "No notices in the last 24 hours."
    )


@notices.command()
@config_options
@json_option
def incidents(settings: Settings) -> None:
    """Print the open incidents, oldest first."""
    print_records(call(settings, "GET", "/api/incidents"), _INCIDENT_COLUMNS, "No open incidents.")


@notices.command()
@config_options
@click.argument("names", nargs=-1, shell_complete=recipient_names)
@output_option
def export(settings: Settings, names: tuple[str, ...], output: Path | None) -> None:
    """Write recipients NAMES, or all, as TOML. URLs and passwords are not exported."""
    shown = read_as(list[RecipientView], call(settings, "GET", _RECIPIENTS))
    write_text(recipients_toml(choose_by_name(shown, names, "recipient")), output)


@notices.command("import")
@config_options
@json_option
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Show the differences without changing anything.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def import_(settings: Settings, files: tuple[Path, ...], dry_run: bool, yes: bool) -> None:
    """Add or change the recipients in FILES (TOML), matched by name: all of them or none.

    The differences are shown first. `url` and `smtp_password` may be env:NAME; without them, an existing recipient
    keeps its secrets. Recipients that the files do not name stay.
    """
    with ApiSession(settings, may_create=can_apply(dry_run=dry_run, yes=yes)) as session:
        known = [each["name"] for each in session.ask("GET", _RECIPIENTS)]
        given = msgspec.to_builtins(read_recipient_files(files, known))
        answer = session.ask("POST", f"{_RECIPIENTS}/import", {"recipients": given, "dry_run": True})
        changes = changes_of(answer)
        print_changes(answer, changes)
        print_extent(changes, "recipients")
        if dry_run or not are_any(changes) or not is_confirmed("Import?", yes=yes):
            return
        imported = session.ask("POST", f"{_RECIPIENTS}/import", {"recipients": given})
        for added in (each for each in imported if each["change"] == "add"):
            print_record(added)
        print_message(f"imported{changing_names(changes)}")
