"""`connections apply`: make the service's connections those of a folder, also by removing others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from tiktok_forwarder.api.types import ConnectionView, StatusView
from tiktok_forwarder.cli.api_client import ApiSession, read_as
from tiktok_forwarder.cli.changes import Change, are_any, can_apply, is_confirmed, print_changes, print_extent
from tiktok_forwarder.cli.connections.connection_changes import connection_changes, print_advice
from tiktok_forwarder.cli.files.connection_files import read_folder, resolve_folder
from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.cli.output import json_option, print_message
from tiktok_forwarder.domain.errors import ForwarderError
from tiktok_forwarder.settings import Settings

_IMPORT: Final = "/api/connections/import"
_IMPORTERS: Final[Mapping[str, str]] = {"inputs": "inputs import", "recipients": "notices import"}
_FOLDER: Final = click.Path(path_type=Path, exists=True, file_okay=False)


class Removal(NamedTuple):
    """A connection that no file names, with the number of its waiting events."""

    id: str
    name: str
    waiting: int

    def answer(self) -> dict[str, Any]:
        return {"name": self.name, "change": "remove", "id": self.id, "waiting": self.waiting}

    def change(self) -> Change:
        waiting = f"{self.waiting:,} waiting events become dead letters, which cannot be replayed"
        return Change(self.name, "remove", notes=[waiting] if self.waiting else [])


@click.command("apply")
@config_options
@json_option
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.option("--dry-run", is_flag=True, help="Show the differences without changing anything.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def apply_command(settings: Settings, folder: Path, dry_run: bool, yes: bool) -> None:
    """Make the connections those in the TOML files of DIR, matched by name: add, change and remove.

    The differences are shown first. Waiting events of a removed connection become dead letters. A setting that a file
    omits gets its default; an existing connection keeps its access token unless the file's variable is set. Inputs and
    recipients do not change.

    Exit status: 0 if the connections are now as in DIR; 1 if --dry-run finds differences, a removal failed, or you
    answer no; 2 if nothing was changed: a file is wrong, or connections were changed by others in the meantime.
    """
    found = read_folder(folder)
    for file, kind in found.others:
        print_message(f"{file}: ignored, since it has {kind}; see `tiktok-forwarder {_IMPORTERS[kind]}`")
    with ApiSession(settings, may_create=can_apply(dry_run=dry_run, yes=yes)) as session:
        known = read_as(list[ConnectionView], session.ask("GET", "/api/connections"))
        kept = resolve_folder(found, [each.connection().name for each in known])
        if kept:
            print_message(f"access tokens whose variables are not set do not change: {', '.join(kept)}")
        given = [each.settings for each in found.connections]
        body = {"connections": given, "expected_revisions": {each.id: each.revision for each in known}}
        answer = session.ask("POST", _IMPORT, {**body, "dry_run": True})
        removals = _removals(session, known, {each.name.lower() for each in found.connections})
        changes = [*connection_changes(answer, given), *(each.change() for each in removals)]
        print_changes([*answer, *(each.answer() for each in removals)], changes)
        print_advice(answer)
        print_extent(changes, "connections")
        if not are_any(changes):
            return
        if dry_run:
            raise click.exceptions.Exit(1)
        if is_confirmed(_question(removals), yes=yes):
            apply_changes(session, body, removals, changes)


def _removals(session: ApiSession, known: Sequence[ConnectionView], wanted: set[str]) -> list[Removal]:
    status = read_as(StatusView, session.ask("GET", "/api/status"))
    waiting = {each.id: each.queue.waiting for each in status.connections if each.queue is not None}
    names = {each.id: each.connection().name for each in known}
    return [
        Removal(each.id, names[each.id], waiting.get(each.id, 0))
        for each in known
        if names[each.id].lower() not in wanted
    ]


def _question(removals: Sequence[Removal]) -> str:
    waiting = sum(each.waiting for each in removals)
    return f"Apply? {waiting:,} waiting events become dead letters" if waiting else "Apply?"


def apply_changes(
    session: ApiSession, body: Mapping[str, Any], removals: Sequence[Removal], changes: Sequence[Change]
) -> None:
    """Make all additions and changes of `body` or none, then the removals. Raises `Exit` if one of these fails."""
    session.ask("POST", _IMPORT, body)
    done = [each.name for each in changes if each.change in ("add", "change")]
    failed = False
    for removal in removals:
        try:
            session.ask("DELETE", f"/api/connections/{removal.id}")
            done.append(removal.name)
        except ForwarderError as error:
            failed = True
            print_message(f"{removal.name}: not removed: {error}")
    print_message(f"applied: {', '.join(done) or 'nothing'}")
    if failed:
        raise click.exceptions.Exit(1)
