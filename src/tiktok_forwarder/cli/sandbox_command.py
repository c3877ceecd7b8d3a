"""`sandbox`: TikTok's event endpoints on this machine, for tests and for inspecting events."""

from collections.abc import Sequence
from pathlib import Path

import click

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_sandbox import SandboxError, SandboxOptions, serve_sandbox


@click.command("sandbox", short_help="Run a TikTok simulator locally.")
@click.option("--host", default="127.0.0.1", show_default=True, help="IP address to listen on.")
@click.option(
    "--port",
    default=8091,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 picks a free port.",
)
@click.option(
    "--log",
    "log_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to append one JSON line to for each event, before the request is answered.",
)
@click.option(
    "--token",
    "tokens",
    multiple=True,
    metavar="TOKEN[=PIXEL,…]",
    help="Accepted access token, optionally only for these pixels; repeatable. Default: every token.",
)
@click.option("--strict", is_flag=True, help="Refuse web events without a page URL instead of warning.")
@click.option(
    "--status-by-code", is_flag=True, help="Answer with HTTP 400 and 401 besides TikTok's codes, instead of 200."
)
@click.option("--allow-app-events", is_flag=True, help="Accept event source app, as for a developer on the allowlist.")
@click.option("--watch-repeats", is_flag=True, help="Report an event that is sent again after its final answer.")
@click.option(
    "--requests-per-second",
    type=click.IntRange(min=1),
    help="Rate limit per token; further requests are refused as too frequent.",
)
@click.option(
    "--retry-after-seconds", type=click.IntRange(min=0), help="Retry-After value when the rate limit is exceeded."
)
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
    """Simulate TikTok's event endpoints until Ctrl-C.

    The sandbox checks events as TikTok does and shows them on a page at its URL. Nothing leaves this machine.

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
    """Parse TOKEN or TOKEN=PIXEL,PIXEL; return None if every token is accepted."""
    if not tokens:
        return None
    parts = (text.partition("=") for text in tokens)
    return {token: pixels.split(",") if pixels else None for token, _, pixels in parts}
