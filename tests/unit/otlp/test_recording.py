"""What is sampled, and how the stages of a trace follow each other."""

import subprocess
import sys

import pytest

from tiktok_forwarder.otlp.recording import Recorder, RemoteParent, Trace
from tiktok_forwarder.otlp.request_tracing import find_parent
from tiktok_forwarder.otlp.tracing import Tracing
from tiktok_forwarder.store.memory.store import MemoryStore

TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def recorder(*chances: float, ratio: float = 0.5) -> Recorder:
    given = iter(chances)
    return Recorder(ratio, lambda _: "Shop", lambda: next(given))


def test_ratio_decides_what_is_sampled_while_traces_are_exported() -> None:
    """Before the service has started and after it has stopped, no trace has a way out."""
    sampling = recorder(0.49, 0.49, 0.5, 0.0)
    assert not sampling.is_sampled()
    sampling.emit = lambda _: None
    assert [sampling.is_sampled() for _ in range(3)] == [True, False, True]


def test_each_stage_ends_before_the_next_and_the_last_with_the_whole() -> None:
    """A request that fails in the middle of a stage has no span without an end."""
    finished: list[Trace] = []
    sampling = recorder()
    sampling.emit = finished.append
    trace = sampling.begin("POST", "server")
    first = trace.begin("parse")
    second = trace.begin("map")
    assert first.ended_ns == second.started_ns and not second.ended_ns
    sampling.finish(trace)
    assert finished == [trace] and second.ended_ns == trace.whole.ended_ns
    assert trace.whole.started_ns <= first.started_ns <= second.started_ns <= trace.whole.ended_ns


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        b"00-00000000000000000000000000000000-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        TRACEPARENT + b"-name@example.com",
    ],
)
def test_invalid_traceparent_is_no_parent(value: bytes) -> None:
    """Whatever else a sender writes there goes nowhere."""
    assert find_parent([(b"traceparent", value)]) is None


def test_valid_traceparent_is_the_parent_whatever_its_flags() -> None:
    """The flags would let a sender decide how much is traced."""
    parent = RemoteParent(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)
    for flags in (b"00", b"01", b"ff"):
        headers = [(b"accept", b"*/*"), (b"traceparent", TRACEPARENT[:-2] + flags)]
        assert find_parent(headers) == parent
    assert find_parent([(b"tracestate", b"vendor=x")]) is None


def test_nothing_is_put_around_the_parts_of_a_service_that_traces_nothing() -> None:
    """The parts are the same objects, so there is no call more on their way."""
    off, store = Tracing.with_ratio(0, str), MemoryStore()
    assert off.recorder is None and off.observer is None and off.queue(store) is store
    assert Tracing.with_ratio(0.01, str).queue(store) is not store


def test_recording_needs_no_library_of_opentelemetry() -> None:
    """Commands build the same application as the service, and would wait for the import."""
    code = "import sys, tiktok_forwarder.bootstrap; print([m for m in sys.modules if m.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
