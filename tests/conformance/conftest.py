"""Fixtures of the suite that every store passes."""

from tests.conformance.rig import rig, small_rig

__all__ = ["rig", "small_rig"]
