"""The command line's entry: the list of commands, and how errors reach a person."""

import os
import sys
from importlib import import_module
from typing import Any, Final

import click

from tiktok_forwarder import __version__
from tiktok_forwarder.domain.errors import ConfigurationError, ForwarderError
from tiktok_forwarder.settings import DEBUG_VARIABLE

# Command -> module and attribute, imported when used: `--help` must not wait for web servers and databases.
_COMMANDS: Final = {
    "serve": ("serve_command", "serve"),
    "demo": ("demo_command", "demo"),
    "map": ("map_command", "map_command"),
    "inputs": ("inputs_command", "inputs"),
    "connections": ("connections_command", "connections"),
    "status": ("status_command", "status"),
    "sandbox": ("sandbox_command", "sandbox"),
    "settings": ("settings_command", "settings"),
}


class _Commands(click.Group):
    """Loads a command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"tiktok_forwarder.cli.{module}"), attribute)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tiktok-forwarder")
def commands() -> None:
    """Takes mParticle's events to TikTok's Events API.

    Results go to standard output, as JSON lines where a program may read them; words for people to standard error. Exit
    status: 0 done, 1 part of the work failed, 2 wrong usage or configuration.
    """


def main() -> None:
    """Run the command line. No error of any kind shows a traceback, unless TIKTOK_FORWARDER_DEBUG is set."""
    try:
        sys.exit(commands(standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read the output has gone (`… | head`): nothing is left to say, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except ConfigurationError as error:
        _tell(*error.problems)
        sys.exit(2)
    except ForwarderError as error:
        _tell(str(error))
        sys.exit(2)
    except Exception as error:  # the last resort: a person gets one line, not a traceback
        if os.environ.get(DEBUG_VARIABLE):
            raise
        _tell(f"unexpected {type(error).__name__}; set {DEBUG_VARIABLE}=1 and run it again to see where")
        sys.exit(1)


def _tell(*sentences: Any) -> None:
    for sentence in sentences:
        click.echo(f"tiktok-forwarder: {sentence}", err=True)
