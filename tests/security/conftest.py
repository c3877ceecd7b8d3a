"""Fixtures of the security tests."""

from tests.unit.cli.running import run

__all__ = ["run"]
