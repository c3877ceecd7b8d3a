"""Running the command line in this process."""

from tests.unit.cli.running import run

__all__ = ["run"]
