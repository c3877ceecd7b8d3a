"""Bodies that no sender should send: each is answered, none with a fault, and good requests go on beside them."""

import asyncio
import gzip
import json
import os
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.service_rig import BASIC, Service, fresh_batch, running_service

BODIES = 10_000 if os.environ.get("SOAK") else 1000
SEED = int(os.environ.get("CRASH_SEED", "7"))
ANSWERS = {202, 400, 413}

_NASTY: tuple[bytes, ...] = (
    b"",
    b"null",
    b"[]",
    b"[[]]",
    b"5",
    b'"text"',
    b"\xef\xbb\xbf{}",
    '{"events": []}'.encode("utf-16"),
    b'{"events": [{"event_type": "\\ud800", "data": {}}]}',
    b'{"mpid": "\x00", "events": null}',
    b'{"events": [{"event_type": "x", "data": {"timestamp_unixtime_ms": NaN}}]}',
    b'{"events": [{"event_type": "x", "data": {"timestamp_unixtime_ms": 1e400}}]}',
    b'{"mpid": ' + b"9" * 5000 + b"}",
    b'{"mpid": ' + b"1" * 200_000 + b"}",
    b'{"a": 1, "a": 2, "events": [], "events": {}}',
    b'{"' + b"k" * 900_000 + b'": 1}',
    b'{"events": [' + b"{}," * 9999 + b"{}]}",
    b'{"events": [' + b"{}," * 10_000 + b"{}]}",
    b"[" * 199 + b"]" * 199,
    b"[" * 200 + b"]" * 200,
    b"[" * 201 + b"]" * 201,
    b"[" * 1000 + b"]" * 1000,
    b'{"a":' * 100_000,
    b"{" * 1_000_000,
    gzip.compress(b"{}", mtime=0),
)


def malformed_bodies(seed: int) -> Iterator[bytes]:
    """The nasty ones, then a good batch cut off, with bytes changed, and with members of the wrong type."""
    yield from _NASTY
    chance = random.Random(seed)
    good = json.dumps(fresh_batch("m1", "m2")).encode()
    wrong: list[object] = [None, 5, -1, 1e308, True, "", "\ud800x", [], {}, [[]], {"a": {"b": []}}, "x" * 5000]
    while True:
        kind = chance.randrange(3)
        if kind == 0:
            yield good[: chance.randrange(len(good))]
        elif kind == 1:
            changed = bytearray(good)
            for _ in range(chance.randint(1, 8)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            yield bytes(changed)
        else:
            batch = json.loads(good)
            _spoil(batch, chance, chance.choice(wrong))
            yield json.dumps(batch).encode()


def _spoil(value: object, chance: random.Random, wrong: object) -> None:
    """Put `wrong` somewhere in the batch."""
    while isinstance(value, dict | list) and value:
        key = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.2:
            value[key] = wrong
            return
        value = inner


@pytest.mark.slow
async def test_malformed_bodies_meet_no_fault_and_disturb_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """No 5xx, no traceback, no growth; every refusal is counted; good requests are answered meanwhile."""
    async with running_service(tmp_path) as service:
        await service.add_connection()
        bodies = malformed_bodies(SEED)
        waits: list[float] = []
        ended = asyncio.Event()
        beside = asyncio.create_task(_send_good(service, waits, ended))
        statuses: list[int] = []
        before_kib = 0
        for number in range(BODIES):
            statuses.append((await service.post(body=next(bodies), headers=BASIC)).status)
            if number == 200:
                before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        ended.set()
        await beside
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
        metrics = await service.metrics()
    assert set(statuses) <= ANSWERS, f"seed {SEED}"
    assert {202, 400, 413} == set(statuses)
    assert grown_kib < 50 * 1024
    assert "Traceback" not in capfd.readouterr().err
    refused = sum(status != 202 for status in statuses)
    assert _counted(metrics, 'status="4') == refused
    assert _counted(metrics, 'status="5') == 0
    assert len(waits) > 20


async def _send_good(service: Service, waits: list[float], ended: asyncio.Event) -> None:
    number = 0
    while not ended.is_set():
        number += 1
        began = time.perf_counter()
        assert (await service.post(body=fresh_batch(f"good{number}"), headers=BASIC)).status == 202
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)


def _counted(metrics: str, label: str) -> int:
    lines = [line for line in metrics.splitlines() if line.startswith("tiktok_forwarder_requests_total{")]
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if label in line)
