"""Fixtures of the console's unit tests."""

import pytest

from tests.unit.console.door_rig import Behind, Door
from tiktok_forwarder.console.app import PAGES


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Behind:
    """Every page of the table only notes that it was reached."""
    made = Behind()
    monkeypatch.setattr("tiktok_forwarder.console.app.PAGES", tuple(made.noting(page) for page in PAGES))
    return made


@pytest.fixture
async def door(behind: Behind) -> Door:
    """The real door before pages that only note that they were reached."""
    return Door()
