"""Fixtures of the integration tests."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.otlp_collector import Collector, running_collector
from tests.postgres_server import shared_server
from tests.store_choice import run_apart
from tests.unit.cli.running import run

__all__ = ["run"]


@pytest.fixture(params=[False, True], ids=["asgi", "direct"])
def is_direct(request: pytest.FixtureRequest) -> bool:
    """Whether requests are served without ASGI. What happens on a connection is the same."""
    return bool(request.param)


@pytest.fixture
def empty_database() -> Iterator[str]:
    """The URL of a PostgreSQL database without tables."""
    name = run_apart(shared_server().create_database())
    yield shared_server().address(name)
    run_apart(shared_server().drop_database(name))


@pytest.fixture
def quick_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans are exported within a tenth of a second, and tried for one second, by the library's variables."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """A collector that keeps what it gets."""
    async with running_collector() as collector:
        yield collector
