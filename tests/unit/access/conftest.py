"""Fixtures of the unit tests of access."""

import pytest
from tests.unit.access.access_rig import GOOD, Console


@pytest.fixture
async def console() -> Console:
    """Access with one administrator, Ada."""
    made = Console()
    await made.users.add_with_password("Ada", "admin", GOOD, "test")
    return made
