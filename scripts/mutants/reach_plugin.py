"""Pytest plugin that records which lines of the product each test runs and how long it takes. `reach.py` loads it."""

import functools
import json
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

import coverage
import pytest

DIRECTORY_VARIABLE: Final = "MUTANTS_REACH"
SOURCE_VARIABLE: Final = "MUTANTS_SOURCE"

# What runs outside any test, such as at import.
NO_TEST: Final = ""


class Recorder:
    """Writes its part of the figures when the session ends; under pytest-xdist every process writes one."""

    def __init__(self, directory: Path, source: str) -> None:
        self._part = directory / os.environ.get("PYTEST_XDIST_WORKER", "main")
        self._source = source
        self._tests: dict[str, tuple[float, bool]] = {}
        self._modules_seen = 0
        self._caches: list[functools._lru_cache_wrapper[object]] = []
        self._coverage = coverage.Coverage(
            data_file=str(self._part.with_suffix(".coverage")), config_file=False, source=[source]
        )
        self._coverage.set_option("run:disable_warnings", ["no-data-collected"])
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        test = test_id(item)
        self._clear_caches()
        failed_before, started = item.session.testsfailed, time.perf_counter()
        self._coverage.switch_context(test)
        try:
            return (yield)
        finally:
            self._coverage.switch_context(NO_TEST)
            passed = item.session.testsfailed == failed_before
            self._tests[test] = (round(time.perf_counter() - started, 4), passed)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        self._coverage.save()
        self._part.with_suffix(".json").write_text(json.dumps(self._tests))

    def _clear_caches(self) -> None:
        """A test that finds an earlier test's result in a cache would not run the lines it depends on."""
        if len(sys.modules) != self._modules_seen:
            self._modules_seen = len(sys.modules)
            own = [
                each for each in [*sys.modules.values()] if str(getattr(each, "__file__", "")).startswith(self._source)
            ]
            values = [value for module in own for value in vars(module).values()]
            self._caches = [value for value in values if isinstance(value, functools._lru_cache_wrapper)]
        for cache in self._caches:
            cache.cache_clear()


def test_id(item: pytest.Item) -> str:
    """The node ID without the group that pytest-xdist appends."""
    group = item.get_closest_marker("xdist_group")
    name = group.args[0] if group and group.args else ""
    return item.nodeid.removesuffix(f"@{name}") if name else item.nodeid


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Starts before pytest imports the first module of the product."""
    recorder = Recorder(Path(os.environ[DIRECTORY_VARIABLE]), os.environ[SOURCE_VARIABLE])
    early_config.pluginmanager.register(recorder)
