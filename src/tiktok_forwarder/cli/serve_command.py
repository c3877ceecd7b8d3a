"""`serve`: ingest, API and delivery in one process."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import click
import uvloop

from tiktok_forwarder.bootstrap import Application, open_application
from tiktok_forwarder.cli.options import config_options, settings_from
from tiktok_forwarder.settings import Settings


@click.command(short_help="Take events in and deliver them.")
@config_options
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes any free one.")
def serve(config_file: Path | None, data_dir: Path | None, host: str | None, port: int | None) -> None:
    """Run the service until SIGTERM or Ctrl-C.

    It then stops accepting, lets running requests end and exits with 0; what is not delivered waits on disk.
    """
    settings = settings_from(config_file, data_dir=data_dir, host=host, port=port)
    uvloop.run(_serve(settings))


async def _tell_first_link(application: Application) -> None:
    """Shown to whoever sits at the terminal, and to no log."""
    access = application.services.console_access
    if not access.needs_first_user:
        return
    if sys.stderr.isatty():
        token = await access.first_link("service")
        click.echo(
            f"tiktok-forwarder: the console, for your first visit: {application.console_base}/welcome/{token}", err=True
        )
    else:
        click.echo(
            "tiktok-forwarder: the console has no user yet: tiktok-forwarder console-link prints a link", err=True
        )


async def _serve(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with open_application(settings, os.environ) as application:
        await application.start()
        click.echo(f"tiktok-forwarder: serving on http://{settings.host}:{application.port}", err=True)
        await _tell_first_link(application)
        await stopping.wait()
        click.echo("tiktok-forwarder: stopping", err=True)
