"""Fixtures of the tests of OIDC login."""

from collections.abc import AsyncIterator

import pytest
from tests.unit.oidc.login_rig import LoginRig, login_rig


@pytest.fixture
async def rig() -> AsyncIterator[LoginRig]:
    async with login_rig() as rig:
        yield rig
