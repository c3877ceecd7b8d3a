"""Fixtures of the integration tests."""

from tests.unit.cli.running import run

__all__ = ["run"]
