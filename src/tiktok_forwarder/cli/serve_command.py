"""`serve`: intake, API, console and delivery, all in one process or some of them by role."""

import asyncio
import gc
import os
import signal
import sys
from typing import Final

import click
import uvloop

from tiktok_forwarder.bootstrap import Application, open_application
from tiktok_forwarder.cli.options import GivenSettings, given_options
from tiktok_forwarder.settings import ALL, ROLES, Settings

# With the interpreter's usual 700, the objects of the requests of one moment would start a search every few
# milliseconds, always in vain: neither requests nor deliveries leave reference cycles behind. Those of other work are
# found when they, with all else that is new, are this many objects.
_OBJECTS_BETWEEN_SEARCHES: Final = 20_000


@click.command(short_help="Run the service.")
@given_options
@click.option("--host", help="IP address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free port.")
@click.option("--role", type=click.Choice(ROLES), help="Part of the work that this service does; default: all of it.")
def serve(given: GivenSettings, host: str | None, port: int | None, role: str | None) -> None:
    """Run the service: receive events and deliver them to TikTok, until SIGTERM or Ctrl-C.

    On stop, it accepts no new events, finishes running requests and exits with 0. Undelivered events stay on disk.
    """
    uvloop.run(_serve(given.settings(host=host, port=port, role=role)))


async def _print_first_link(application: Application) -> None:
    """Print the first administrator's link, only to a terminal: a log must not contain it."""
    access = application.services.console_access
    if not access.needs_first_user:
        return
    if sys.stderr.isatty():
        token = await access.first_link("service")
        click.echo(
            "tiktok-forwarder: open the console to create the first administrator: "
            f"{application.console_base}/welcome/{token}",
            err=True,
        )
    else:
        click.echo(
            "tiktok-forwarder: the console has no users; run tiktok-forwarder console-link to get a link", err=True
        )


def _search_for_garbage_seldom() -> None:
    """Search for reference cycles seldom, and never among the modules and objects that exist until the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_SEARCHES)


async def _serve(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with open_application(settings, os.environ) as application:
        # Before the first request, which would have to wait for it.
        _search_for_garbage_seldom()
        await application.start()
        role = "" if settings.role == ALL else f" with the role {settings.role}"
        click.echo(f"tiktok-forwarder: serving on http://{settings.host}:{application.port}{role}", err=True)
        if settings.has_role("console"):
            await _print_first_link(application)
        await stopping.wait()
        click.echo("tiktok-forwarder: stopping", err=True)
