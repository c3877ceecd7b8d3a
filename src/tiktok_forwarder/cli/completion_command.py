"""`completion`: the scripts with which shells complete commands and options."""

import click
from click.shell_completion import get_completion_class

from tiktok_forwarder.cli.completing import register_shells
from tiktok_forwarder.cli.main import COMPLETION_VARIABLE, PROGRAM


@click.command(short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    Examples:
      eval "$(tiktok-forwarder completion bash)"          # in ~/.bashrc
      eval "$(tiktok-forwarder completion zsh)"           # in ~/.zshrc
      tiktok-forwarder completion fish | source           # in ~/.config/fish/config.fish
    """
    register_shells()
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"completion is not available for {shell}")
    click.echo(kind(ctx.find_root().command, {}, PROGRAM, COMPLETION_VARIABLE).source())
