"""`sandbox`: TikTok's event endpoints on this machine, for tests and for looking at events."""

from collections.abc import Sequence
from pathlib import Path

import click

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_sandbox import SandboxError, SandboxOptions, serve_sandbox


@click.command("sandbox", short_help="Run TikTok's endpoints locally.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8091, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free port.")
@click.option(
    "--log",
    "log_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append one JSON line to this file for each event received, before it is answered.",
)
@click.option(
    "--token",
    "tokens",
    multiple=True,
    metavar="TOKEN[=PIXEL,…]",
    help="Accept this access token only, for these pixels if any are named. May be given again.",
)
@click.option("--strict", is_flag=True, help="Refuse web events without a page address instead of warning.")
@click.option("--status-by-code", is_flag=True, help="HTTP 400 and 401 beside TikTok's codes, instead of 200.")
@click.option("--allow-app-events", is_flag=True, help="Take event source app, as for a developer on the allowlist.")
@click.option("--watch-repeats", is_flag=True, help="Note a fault when an event comes again after a final answer.")
@click.option("--requests-per-second", type=click.IntRange(min=1), help="Refuse more as too frequent, for each token.")
@click.option("--retry-after-seconds", type=click.IntRange(min=0), help="Say Retry-After when the rate is exceeded.")
def sandbox(  # noqa: PLR0913, PLR0917 - one parameter for each option
    host: str,
    port: int,
    log_path: Path | None,
    tokens: Sequence[str],
    strict: bool,
    status_by_code: bool,
    allow_app_events: bool,
    watch_repeats: bool,
    requests_per_second: int | None,
    retry_after_seconds: int | None,
) -> None:
    """Stand in for TikTok's event endpoints until Ctrl-C.

    It checks what it gets as TikTok does, and shows it at its own address; nothing leaves this machine.

    \b
    Examples:
      tiktok-forwarder sandbox
      tiktok-forwarder sandbox --port 9000 --log received.jsonl
    """
    options = SandboxOptions(
        strict=strict,
        status_by_code=status_by_code,
        allow_app_events=allow_app_events,
        watch_repeats=watch_repeats,
        requests_per_second=requests_per_second,
        retry_after_seconds=retry_after_seconds,
    )
    try:
        serve_sandbox(host, port, log_path, options, grants=_grants(tokens))
    except SandboxError as error:
        raise ConfigurationError([str(error)]) from None


def _grants(tokens: Sequence[str]) -> dict[str, list[str] | None] | None:
    """TOKEN or TOKEN=PIXEL,PIXEL; no token given lets every token in."""
    if not tokens:
        return None
    parts = (text.partition("=") for text in tokens)
    return {token: pixels.split(",") if pixels else None for token, _, pixels in parts}
