"""The command line's entry point: the list of commands, and how errors are shown."""

import os
import sys
from importlib import import_module
from typing import Final, NamedTuple

import click
from click.shell_completion import CompletionItem

from tiktok_forwarder import __version__
from tiktok_forwarder.cli.output import print_message
from tiktok_forwarder.domain.errors import ConfigurationError, ForwarderError
from tiktok_forwarder.settings import DEBUG_VARIABLE

PROGRAM: Final = "tiktok-forwarder"
COMPLETION_VARIABLE: Final = "_TIKTOK_FORWARDER_COMPLETE"


class _Entry(NamedTuple):
    """The location of a command, and its text in the list of commands."""

    module: str
    attribute: str
    short_help: str


# Commands are imported when used: `--help` must not wait for web servers and databases.
COMMANDS: Final = {
    "serve": _Entry("serve_command", "serve", "Run the service."),
    "demo": _Entry("demo_command", "demo", "Run a local demo with sample traffic and a simulated TikTok."),
    "map": _Entry("mapping.map_command", "map_command", "Show the TikTok events that batches map to."),
    "test": _Entry("mapping.test_command", "test_command", "Test mappings: batches in, events out."),
    "inputs": _Entry("inputs.inputs_command", "inputs", "Add, list, change, rotate and remove inputs."),
    "connections": _Entry(
        "connections.connections_command", "connections", "Add, change, check, pause, export and import connections."
    ),
    "import": _Entry("import_command", "import_", "Import recorded batches."),
    "dead-letters": _Entry("dead_letters_command", "dead_letters", "List, show, replay and discard dead letters."),
    "notices": _Entry("notices_command", "notices", "Add, test, change and remove recipients of notices."),
    "erase": _Entry("erase_command", "erase", "Erase a person's events."),
    "backup": _Entry("backup_command", "backup", "Back up the database, even while the service runs."),
    "restore": _Entry("backup_command", "restore", "Restore the database from a backup."),
    "migrate": _Entry("migrate_command", "migrate_command", "Move all contents to another store."),
    "audit": _Entry("audit_command", "audit", "Show who erased, replayed and discarded events."),
    "keys": _Entry("keys_command", "keys", "Rotate the encryption key of stored secrets."),
    "console-link": _Entry("console_link_command", "console_link", "Print a login link for the console."),
    "users": _Entry("users_command", "users", "Add, list and remove the console's users."),
    "api-keys": _Entry("api_keys_command", "api_keys", "Create, list and revoke API keys."),
    "status": _Entry("status_command", "status", "Show totals, queues and delivery state per connection."),
    "sandbox": _Entry("sandbox_command", "sandbox", "Run a TikTok simulator locally."),
    "completion": _Entry("completion_command", "completion", "Print a shell's completion script."),
    "settings": _Entry("settings_command", "settings", "Show every setting and the source of its value."),
}


class _Commands(click.Group):
    """Loads a command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(import_module(f"tiktok_forwarder.cli.{entry.module}"), entry.attribute)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # The library's way would load every command's module at a key press.
        found = [(name, entry) for name, entry in COMMANDS.items() if name.startswith(incomplete)]
        items = [CompletionItem(name, help=entry.short_help) for name, entry in found]
        return items + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # The library suggests commands of those that are loaded, which are none.
        name = args[0]
        if name not in COMMANDS and not ctx.resilient_parsing and not name.startswith("-"):
            raise click.NoSuchCommand(name, possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.short_help) for name, entry in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name=PROGRAM)
def commands() -> None:
    """Forward mParticle events to the TikTok Events API.

    Results are written to standard output: as tables on a terminal, otherwise or with --json mostly as JSON lines.
    Messages are written to standard error. Exit status: 0 success, 1 part of the work failed or a question was
    answered no, 2 wrong usage or configuration.
    """


def main() -> None:
    """Run the command line. No error of any kind shows a traceback, unless TIKTOK_FORWARDER_DEBUG is set."""
    if COMPLETION_VARIABLE in os.environ:
        from tiktok_forwarder.cli.completing import register_shells  # noqa: PLC0415  # not for every command

        register_shells()
    try:
        sys.exit(commands(prog_name=PROGRAM, standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        message = error.format_message().rstrip(".")
        end = "" if message.endswith(("?", "?)")) else "."
        _print_messages(f"{message}{end} See `{context.command_path if context else PROGRAM} --help`.")
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except ConfigurationError as error:
        _print_messages(*error.problems)
        sys.exit(2)
    except ForwarderError as error:
        _print_messages(str(error))
        sys.exit(2)
    except Exception as error:  # the last resort: a user sees one line, not a traceback
        if os.environ.get(DEBUG_VARIABLE):
            raise
        _print_messages(
            f"unexpected {type(error).__name__}; set {DEBUG_VARIABLE}=1 and run the command again for a traceback"
        )
        sys.exit(1)


def _print_messages(*messages: str) -> None:
    for message in messages:
        print_message(message)
