"""Collectors that fail, do not answer, or are not the one that was named: the service works as without them."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import make_certificate
from tests.integration.otlp_rig import ALL, until_metrics, until_spans
from tests.integration.service_rig import fresh_batch, running_service
from tests.otlp_collector import Collector, running_collector
from tests.patience import wait_until
from tiktok_forwarder.domain.errors import ConfigurationError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_exports")]


def log_lines(capfd: pytest.CaptureFixture[str], text: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    return [line for line in lines if text in line["event"]]


async def test_collector_that_is_away_delays_nothing_and_is_reported_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line when exports begin to fail, one when they succeed again, however many fail in between."""
    async with running_collector() as before:
        port = before.port
    async with running_service(tmp_path, otlp_endpoint=f"http://127.0.0.1:{port}", **ALL) as service:
        started = time.monotonic()
        for number in range(20):
            assert (await service.post(body=fresh_batch(f"e{number}"))).status == 202
        assert time.monotonic() - started < 5
        await asyncio.sleep(2.5)
        async with running_collector(port) as collector:
            await service.post(body=fresh_batch("later"))
            await until_metrics(collector)
            await until_spans(collector, "POST /v2/events")
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 4
    lines = log_lines(capfd, "OpenTelemetry collector")
    changes = [(line["signal"], "problem" in line) for line in lines]
    # Its end is within the test too, so that the last exports fail again.
    assert [change for change in changes if change[0] == "metrics"][:2] == [("metrics", True), ("metrics", False)]
    assert [change for change in changes if change[0] == "traces"][:2] == [("traces", True), ("traces", False)]
    assert len(lines) <= 6 and {line.get("problem") for line in lines} <= {"ConnectionError", None}


async def test_collector_that_does_not_answer_delays_neither_answers_nor_the_stop(
    tmp_path: Path, collector: Collector
) -> None:
    """Exports wait in threads that the process does not wait for."""
    collector.delay_seconds = 30
    async with running_service(tmp_path, otlp_endpoint=collector.url, **ALL) as service:

        async def is_asked() -> bool:
            return len(collector.bodies) >= 2

        await service.post(body=fresh_batch("a"))
        await wait_until(is_asked)
        started = time.monotonic()
        for number in range(20):
            assert (await service.post(body=fresh_batch(f"e{number}"))).status == 202
        assert time.monotonic() - started < 5
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 4


@pytest.mark.parametrize(
    ("status", "problem"), [(500, "HTTP 500"), (404, "HTTP 404"), (307, "HTTP 307"), (302, "HTTP 302")]
)
async def test_refusals_and_redirects_are_failures_and_no_other_host_is_asked(
    status: int, problem: str, tmp_path: Path, collector: Collector, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a collector redirects to gets nothing: it is not the one that the operator has named."""
    async with running_collector() as elsewhere:
        collector.status, collector.headers = status, {"Location": f"{elsewhere.url}/v1/traces"}
        async with running_service(tmp_path, otlp_endpoint=collector.url, **ALL) as service:
            await service.post(body=fresh_batch("a"))

            async def has_refused_several() -> bool:
                return len(collector.bodies) >= 4

            await wait_until(has_refused_several)
            collector.status = 200
            await service.post(body=fresh_batch("b"))
            await until_metrics(collector)
        assert elsewhere.bodies == []
    lines = [line for line in log_lines(capfd, "OpenTelemetry collector") if line["signal"] == "metrics"]
    assert [line.get("problem") for line in lines] == [problem, None]


async def test_neither_proxy_nor_credentials_of_the_environment_are_used(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy for other programs would see what is exported; headers are from their own variable."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of-the-collector")
    async with running_service(tmp_path / "data", otlp_endpoint=collector.url, **ALL):
        await until_metrics(collector)
    assert {headers["Authorization"] for headers in collector.seen_headers} == {"Bearer of-the-collector"}


async def test_certificate_of_the_collector_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One that no known authority has issued gets nothing, unless the library's variable names its authority."""
    certificate, tls = make_certificate(tmp_path, host="127.0.0.1")
    async with running_collector(tls=tls) as collector:
        async with running_service(tmp_path / "a", otlp_endpoint=collector.url, **ALL) as service:

            async def is_reported() -> bool:
                return bool(log_lines(capfd, "OpenTelemetry collector"))

            await service.post(body=fresh_batch("a"))
            await wait_until(is_reported)
        assert collector.bodies == []
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(certificate))
        async with running_service(tmp_path / "b", otlp_endpoint=collector.url, **ALL):
            await until_metrics(collector)


async def test_missing_file_of_the_exporter_is_one_line_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise each export would fail, and only the log would show it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigurationError, match=r"^OTEL_EXPORTER_OTLP_CERTIFICATE: file .*ca\.pem not found$"):
        async with running_service(tmp_path / "data", otlp_endpoint="http://127.0.0.1:9", **ALL):
            pass


async def test_unusable_variable_of_the_exporter_is_one_line_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The libraries raise errors of their own, which an operator would see as a traceback."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "0")
    with pytest.raises(
        ConfigurationError, match=r"^a variable .* begins with OTEL_: max_queue_size must be a positive"
    ):
        async with running_service(tmp_path, otlp_endpoint="http://127.0.0.1:9", **ALL):
            pass
