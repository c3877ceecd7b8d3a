"""Fixtures of the integration tests."""

import pytest

from tests.unit.cli.running import run

__all__ = ["run"]


@pytest.fixture(params=[False, True], ids=["asgi", "direct"])
def is_direct(request: pytest.FixtureRequest) -> bool:
    """Whether requests are served without ASGI. What happens on a connection is the same."""
    return bool(request.param)
