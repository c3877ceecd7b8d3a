"""Options that several commands share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tiktok_forwarder.settings import Settings, load_settings

_Command = TypeVar("_Command", bound=Callable[..., Any])


def config_options(command: _Command) -> _Command:
    """Add `--config` and `--data-dir`, which select the service that a command works on."""
    config = click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Settings, as TOML; TIKTOK_FORWARDER_… variables override them.",
    )
    data_dir = click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Data directory.")
    return config(data_dir(command))


def output_option(command: _Command) -> _Command:
    """Add `--output`, which names the file to write instead of standard output."""
    file = click.Path(path_type=Path, dir_okay=False)
    return click.option("--output", type=file, help="File to write; default: standard output.")(command)


def settings_from(config_file: Path | None, **overrides: Any) -> Settings:
    """Return the settings. Raises `ConfigurationError` with every problem."""
    return load_settings(config_file, os.environ, **overrides)
