"""Exports metrics and traces to an OpenTelemetry collector while the service runs. Nothing waits for an export."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Container
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct
from prometheus_client import CollectorRegistry

from tiktok_forwarder.operations.watches import Watch
from tiktok_forwarder.otlp.recording import Recorder
from tiktok_forwarder.otlp.target import ExportTarget

if TYPE_CHECKING:
    from tiktok_forwarder.otlp.exporter import OtlpExporter, Signal

# For the last metrics and the queued spans when the service stops. What the collector has not taken then is lost.
_LAST_EXPORT_SECONDS: Final = 1.0


class ExportObserver(Protocol):
    def on_export_failed(self, signal: str, problem: str) -> None:
        """Exports of metrics or traces fail from now on."""
        ...

    def on_export_restored(self, signal: str) -> None:
        """Exports of metrics or traces reach the collector again."""
        ...


class ExportedMetrics(Struct, frozen=True):
    """The metrics, and how they are brought up to date. Counters that outlive the process are `lasting`."""

    registry: CollectorRegistry
    refresh: Callable[[], Awaitable[None]]
    lasting: Container[str]


class ExportWatch(Watch):
    """Exports from `start` to `stop`. `start` raises `ConfigurationError` as `OtlpExporter` does.

    Metrics are exported one after the other: while the collector does not answer, none pile up.
    """

    def __init__(
        self, target: ExportTarget, metrics: ExportedMetrics, recorder: Recorder | None, observer: ExportObserver
    ) -> None:
        self._target = target
        self._metrics = metrics
        self._recorder = recorder
        self._observer = observer
        self._exporter: OtlpExporter | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._problems: dict[Signal, str] = {}

    def start(self) -> None:
        # Imported here: a service that exports nothing does without the libraries.
        from tiktok_forwarder.otlp.exporter import OtlpExporter  # noqa: PLC0415

        self._loop = asyncio.get_running_loop()
        self._exporter = OtlpExporter(self._target.endpoint, self._target.port, self._report)
        if self._recorder is not None:
            self._recorder.emit = self._exporter.emit
        super().start()

    async def stop(self) -> None:
        await super().stop()
        if self._exporter is None:
            return
        if self._recorder is not None:
            self._recorder.emit = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_EXPORT_SECONDS):
                if self._thread is None or not self._thread.is_alive():
                    await self._export(self._exporter)
                await self._run_in_thread(self._exporter.close)

    async def _watch(self) -> None:
        while self._exporter is not None:
            await asyncio.sleep(self._target.interval_seconds)
            await self._export(self._exporter)

    async def _export(self, exporter: "OtlpExporter") -> None:
        await self._metrics.refresh()
        metrics = exporter.collect(self._metrics.registry, self._metrics.lasting)
        await self._run_in_thread(partial(exporter.export_metrics, metrics))

    async def _run_in_thread(self, work: Callable[[], None]) -> None:
        """Run what blocks. The thread is a daemon: if the collector does not answer, the process ends without it."""
        ended = asyncio.Event()

        def run() -> None:
            try:
                work()
            except Exception as error:  # of the libraries: the next export is tried all the same
                self._report("metrics", type(error).__name__)
            finally:
                self._call_in_loop(ended.set)

        self._thread = threading.Thread(target=run, name="otlp-export", daemon=True)
        self._thread.start()
        await ended.wait()

    # --- called in any thread ---

    def _report(self, signal: "Signal", problem: str) -> None:
        self._call_in_loop(partial(self._on_result, signal, problem))

    def _call_in_loop(self, call: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and no one waits
                self._loop.call_soon_threadsafe(call)

    # --- in the event loop ---

    def _on_result(self, signal: "Signal", problem: str) -> None:
        """Report a change only: while the collector is away, each export fails."""
        had_problem = bool(self._problems.get(signal))
        self._problems[signal] = problem
        if problem and not had_problem:
            self._observer.on_export_failed(signal, problem)
        elif had_problem and not problem:
            self._observer.on_export_restored(signal)
