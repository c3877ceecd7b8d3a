"""Fixtures of the suite that every store passes."""

from tests.conformance.rig import rig

__all__ = ["rig"]
