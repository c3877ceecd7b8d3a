"""Options that several commands share."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click

from tiktok_forwarder.setting_reading import SettingValue, read_settings, settings_of
from tiktok_forwarder.settings import Settings

_Command = Callable[..., Any]


class GivenSettings(NamedTuple):
    """What the command line says about the settings, before it is read."""

    config_file: Path | None
    data_dir: Path | None
    store: str | None

    def values(self, **overrides: object) -> list[SettingValue]:
        """Return every setting with its source. Raises `ConfigurationError` with every problem."""
        return read_settings(
            self.config_file, os.environ, {"data_dir": self.data_dir, "store": self.store, **overrides}
        )

    def settings(self, **overrides: object) -> Settings:
        """Return the settings; `overrides` are other options of the command. Raises `ConfigurationError`."""
        return settings_of(self.values(**overrides))


def given_options(command: _Command) -> _Command:
    """Add the options that select the service that a command works on; the command gets them as `given`."""

    @wraps(command)
    def with_given(config_file: Path | None, data_dir: Path | None, store: str | None, **others: Any) -> Any:
        return command(given=GivenSettings(config_file, data_dir, store), **others)

    config = click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Settings, as TOML; TIKTOK_FORWARDER_… variables override them.",
    )
    directory = click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Data directory.")
    store = click.option(
        "--store", metavar="STORE", help="Event store: sqlite, or a PostgreSQL URL (better without its password)."
    )
    return config(directory(store(with_given)))


def config_options(command: _Command) -> _Command:
    """Add the options that select the service that a command works on; the command gets its `settings`."""

    @wraps(command)
    def with_settings(given: GivenSettings, **others: Any) -> Any:
        return command(settings=given.settings(), **others)

    return given_options(with_settings)


def output_option(command: _Command) -> _Command:
    """Add `--output`, which names the file to write instead of standard output."""
    file = click.Path(path_type=Path, dir_okay=False)
    return click.option("--output", type=file, help="File to write; default: standard output.")(command)
