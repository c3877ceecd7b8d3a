"""The command line's entry: what is listed, and how errors reach a person."""

import sys
from importlib import import_module

import click
import pytest

from tests.unit.cli.running import Run
from tiktok_forwarder.cli.main import COMMANDS, commands, main
from tiktok_forwarder.domain.errors import ConfigurationError, StoreUnavailable
from tiktok_forwarder.settings import DEBUG_VARIABLE


def failing_with(error: BaseException) -> click.Command:
    def fail() -> None:
        raise error

    return click.Command("status", callback=fail)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_is_where_the_list_says(name: str) -> None:
    """Each entry leads to a command of its name, with the words that the list has for it."""
    command = getattr(import_module(f"tiktok_forwarder.cli.{COMMANDS[name].module}"), COMMANDS[name].attribute)
    assert isinstance(command, click.Command) and command.name == name
    assert command.get_short_help_str(200) == COMMANDS[name].short_help


def test_help_lists_every_command_and_loads_none(run: Run) -> None:
    """The list is printed from what the entry knows: no command's module is needed for it."""
    loaded = {name for name in sys.modules if name.endswith("_command")}
    status, out, _ = run("--help")
    assert status == 0 and all(name in out and entry.short_help in out for name, entry in COMMANDS.items())
    assert {name for name in sys.modules if name.endswith("_command")} == loaded


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "'nonsense'. See `tiktok-forwarder --help`"),
        (["status", "--xyz"], "'--xyz'. See `tiktok-forwarder status --help`"),
        (["conections"], "'connections'?) See `tiktok-forwarder --help`"),
        (["connections", "lst"], "'list', "),
        (["status", "--onec"], "'--once', '--store'?) See `tiktok-forwarder status --help`"),
        (["inputs", "add"], "--name"),
        (["serve", "--port", "x"], "'x' is not a valid integer"),
        (["connections", "add", "/nowhere.toml"], "/nowhere.toml"),
    ],
)
def test_wrong_usage_is_one_line(run: Run, arguments: list[str], words: str) -> None:
    """What the command line cannot understand is told on standard error, with the help to read and status 2."""
    status, out, err = run(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("tiktok-forwarder: ") and words in err


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    """The program alone lists its commands, on standard error since nothing was asked for."""
    status, out, err = run()
    assert (status, out) == (2, "") and "connections" in err


def test_every_problem_of_a_configuration_is_a_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several problems are several lines, with status 2."""
    monkeypatch.setitem(commands.commands, "status", failing_with(ConfigurationError(["one", "two"])))
    monkeypatch.setattr(commands, "get_command", lambda _context, name: commands.commands.get(name))
    assert run("status") == (2, "", "tiktok-forwarder: one\ntiktok-forwarder: two\n")


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (StoreUnavailable("the database is damaged"), 2, "tiktok-forwarder: the database is damaged\n"),
        (KeyError("secret"), 1, "unexpected KeyError"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_no_error_shows_a_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, words: str
) -> None:
    """Known errors are their sentence; unknown ones are named, with the way to see more, and quote nothing."""
    monkeypatch.setattr(commands, "get_command", lambda _context, _name: failing_with(error))
    ended, out, err = run("status")
    assert (ended, out) == (status, "") and words in err
    assert "Traceback" not in err and "secret" not in err and err.count("\n") <= 1


def test_the_switch_for_tracebacks_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable that the message names the error comes through whole."""
    monkeypatch.setattr(commands, "get_command", lambda _context, _name: failing_with(KeyError("secret")))
    monkeypatch.setattr(sys, "argv", ["tiktok-forwarder", "status"])
    monkeypatch.setenv(DEBUG_VARIABLE, "1")
    with pytest.raises(KeyError):
        main()
