"""`dead-letters`: events that the service stopped trying to deliver."""

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, get_args
from urllib.parse import urlencode

import click

from tiktok_forwarder.api.types import DeadLetterView, TouchedView
from tiktok_forwarder.cli.api_client import ApiSession, call, read_as
from tiktok_forwarder.cli.changes import confirm
from tiktok_forwarder.cli.completing import connection_names, dead_letter_reasons
from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.cli.output import Column, json_option, print_message, print_record, print_records, time_column
from tiktok_forwarder.domain.errors import suggestion
from tiktok_forwarder.domain.outcome import DeadLetterReason
from tiktok_forwarder.settings import Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])
_PAGE: Final = 1000


def _answer_words(letter: Mapping[str, Any]) -> str:
    answer = letter["answer"] or {}
    code = answer.get("code")
    return f"{code}: {answer.get('message')}" if code is not None else str(answer.get("message") or "")


_COLUMNS: Final = (
    Column("number", lambda letter: str(letter["event_no"])),
    Column("connection", "connection"),
    Column("event", "event"),
    Column("event ID", "event_id"),
    Column("reason", "reason"),
    Column("attempts", "attempts"),
    time_column("since", "dead_lettered_at_ms"),
    Column("TikTok's answer", _answer_words, wraps=True),
)


class _Time(click.ParamType[int]):
    """A time in ISO 8601, UTC unless it has an offset, or in milliseconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int) or str(value).isdigit():
            return int(value)
        try:
            given = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time; use 2026-11-24T18:00 or milliseconds since 1970", param, ctx)
        return int((given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp() * 1000)


class _Reason(click.ParamType[str]):
    """A reason that dead letters can have."""

    name = "reason"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        reasons = get_args(DeadLetterReason)
        if value not in reasons:
            close = suggestion(reasons, value) or f"; reasons: {', '.join(reasons)}"
            self.fail(f'"{value}" is not a reason of dead letters{close}', param, ctx)
        return str(value)


def _selecting(command: _Command) -> _Command:
    options = (
        click.option(
            "--connection", shell_complete=connection_names, help="Only dead letters of this connection, by name or ID."
        ),
        click.option(
            "--reason",
            type=_Reason(),
            metavar="TEXT",
            shell_complete=dead_letter_reasons,
            help="Only dead letters with this reason: refused, retries_exhausted, unconfirmed, …",
        ),
        click.option("--from", "from_ms", type=_Time(), help="Only dead letters from this time on (UTC)."),
        click.option("--until", "until_ms", type=_Time(), help="Only dead letters before this time (UTC)."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _touching(command: _Command) -> _Command:
    options = (
        click.argument("event_nos", nargs=-1, type=click.IntRange(1)),
        click.option("--dry-run", is_flag=True, help="Show what would be affected without changing anything."),
        click.option("--yes", is_flag=True, help="Do not ask for confirmation."),
    )
    for option in reversed(options):
        command = option(command)
    return _selecting(command)


@click.group("dead-letters", short_help="List, show, replay and discard dead letters.")
def dead_letters() -> None:
    """Dead letters are events that the service stopped trying to deliver.

    They are kept until you replay or discard them, for at most the days of the setting dead_letter_days; the list has
    the time in kept_until_ms.
    """


@dead_letters.command("list")
@config_options
@json_option
@_selecting
def list_letters(settings: Settings, **which: Any) -> None:
    """Print dead letters, oldest first."""
    given = {name: value for name, value in which.items() if value is not None}
    after = 0
    with ApiSession(settings) as session:
        while True:
            query = urlencode({"limit": _PAGE, "after": after, **given})
            answer = session.ask("GET", f"/api/dead-letters?{query}")
            if answer or not after:
                print_records(answer, _COLUMNS, "No dead letters.")
            letters = read_as(list[DeadLetterView], answer)
            if len(letters) < _PAGE:
                return
            after = letters[-1].event_no


@dead_letters.command()
@config_options
@json_option
@click.argument("event_no", type=click.IntRange(1))
def show(settings: Settings, event_no: int) -> None:
    """Print dead letter EVENT_NO with its payload and TikTok's last answer."""
    letter = call(settings, "GET", f"/api/dead-letters/{event_no}")
    print_record(letter, indent=2)


@dead_letters.command()
@config_options
@json_option
@_touching
def replay(settings: Settings, **given: Any) -> None:
    """Deliver dead letters again: those with the numbers given, those that match every option, or all."""
    _touch(settings, "replay", given)


@dead_letters.command()
@config_options
@json_option
@_touching
def discard(settings: Settings, **given: Any) -> None:
    """Delete dead letters permanently: those with the numbers given, those that match every option, or all."""
    _touch(settings, "discard", given)


def _touch(settings: Settings, verb: str, given: dict[str, Any]) -> None:
    dry_run, yes, numbers = given.pop("dry_run"), given.pop("yes"), given.pop("event_nos")
    selection = {**given, "event_nos": list(numbers) or None}
    with ApiSession(settings) as session:
        path = f"/api/dead-letters/{verb}"
        expected = session.ask("POST", path, {**selection, "dry_run": True})
        found = read_as(TouchedView, expected)
        if not found.count:
            print_message("no dead letters match")
        if found.warning and verb == "replay":
            print_message(f"warning: {found.warning}")
        if not dry_run and found.count and not yes:
            question = f"{verb.capitalize()} {found.count} dead letters?"
            if not sys.stdin.isatty():
                raise click.UsageError(f"{question} pass --yes to confirm, or --dry-run to preview")
            confirm(question)
        touched = expected if dry_run or not found.count else session.ask("POST", path, selection)
    print_record(touched)
