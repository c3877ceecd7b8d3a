"""`demo`: senders, service and a TikTok simulator on one machine, with nothing to configure."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from tiktok_forwarder.cli.api_client import call_running
from tiktok_forwarder.database.directory_lock import LOCK_FILE, DirectoryLock
from tiktok_forwarder.demo.run import Plan, run_demo
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.setting_reading import load_settings

_MARK = ".tiktok-forwarder-demo"


@click.command(short_help="Run a local demo with sample traffic and a simulated TikTok.")
@click.option(
    "--seconds", type=click.FloatRange(min=1), help="Stop after this many seconds; default: run until Ctrl-C."
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-data"),
    show_default=True,
    help="Folder for data and logs. It is emptied at the start.",
)
def demo(seconds: float | None, folder: Path) -> None:
    """Run the service and the TikTok sandbox, and send a sample shop's traffic via mParticle's SDK and a webhook.

    A live table shows the totals. Exit status 1 if the totals do not add up at the end.
    """
    _claim(folder)
    service_dir = folder / "service"
    settings = load_settings(None, os.environ, data_dir=service_dir)

    def ask(method: str, path: str, body: object) -> Any:
        return call_running(settings, method, path, body)

    try:
        with DirectoryLock(folder):
            _empty(folder, service_dir)
            balances = run_demo(Plan(folder, service_dir, seconds, ask))
    except ImportError as error:
        raise ConfigurationError(
            [
                f"the demo needs the package {error.name}: run make demo in a checkout, or install it with "
                f"{sys.executable} -m pip install {error.name}"
            ]
        ) from None
    if not balances:
        raise SystemExit(1)


def _claim(folder: Path) -> None:
    """Mark the folder as a demo's. Raises `ConfigurationError` if it contains files that no demo made."""
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise ConfigurationError([f"--folder: {folder} contains files that no demo made; choose another folder"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()


def _empty(folder: Path, service_dir: Path) -> None:
    """Delete all but the mark and the lock. Raises `ConfigurationError` while a service still runs in it."""
    if service_dir.exists():
        with DirectoryLock(service_dir):
            shutil.rmtree(service_dir)
    for each in folder.iterdir():
        if each.name not in (_MARK, LOCK_FILE):
            each.unlink()
