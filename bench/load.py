"""A load generator for one process: so many keep-alive connections, each with one request on its way at a time.

It is as plain as can be (an event loop's protocol, bodies made beforehand), so that what is measured is the service.
Run as `python -m bench.load`; prints one JSON line. Every event has an id of its own.
"""

import argparse
import asyncio
import sys
import time
from typing import Final, cast

import msgspec
import uvloop
from msgspec import Struct

from bench.traffic import AUTHORIZATION, batch_bytes

# Stands in the ids of a body's events, and is replaced by the request's number.
_NUMBER: Final = b"REQUESTNUMBR"
_ACCEPTED: Final = b"HTTP/1.1 202"


class Load(Struct, frozen=True):
    """What came of it. Times are those from sending a request until its answer, warm-up left out.

    `began_at` is on the monotonic clock, which all processes of a machine share.
    """

    began_at: float
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float


class Requests:
    """Numbered requests until a time or a number is reached, and how long their answers took."""

    def __init__(self, port: int, events: int, first_number: int) -> None:
        body = batch_bytes(events, now_ms=time.time_ns() // 1_000_000, request=_NUMBER.decode())
        head = (
            f"POST /v2/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {AUTHORIZATION}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._template = head.encode() + body
        self._number = first_number
        self.measures_from = 0.0
        self.ends_at = float("inf")
        self.left = sys.maxsize
        self.seconds: list[float] = []

    def next(self) -> bytes | None:
        if self.left <= 0 or time.monotonic() >= self.ends_at:
            return None
        self.left -= 1
        self._number += 1
        return self._template.replace(_NUMBER, b"%012d" % self._number)


class Sender(asyncio.Protocol):
    """One connection. `done` is fulfilled when there are no more requests, or tells what went wrong."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._transport: asyncio.WriteTransport | None = None
        self._sent_at = 0.0
        self._answer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def send(self) -> None:
        request = self._requests.next()
        if request is None or self._transport is None:
            self._finish(None)
            return
        self._sent_at = time.monotonic()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._answer.startswith(_ACCEPTED):
            self._finish(RuntimeError(f"the service answered {self._answer[:300]!r}"))
        elif self._answer.endswith(b"\r\n\r\n"):
            self._answer = b""
            now = time.monotonic()
            if now >= self._requests.measures_from:
                self._requests.seconds.append(now - self._sent_at)
            self.send()

    def connection_lost(self, _error: Exception | None) -> None:
        self._finish(ConnectionError("the service closed a connection"))

    def _finish(self, error: Exception | None) -> None:
        if not self.done.done():
            if error is not None:
                self.done.set_exception(error)
            else:
                self.done.set_result(None)


async def generate(
    port: int, *, events: int, connections: int, warm_up_seconds: float, seconds: float, requests: int, first: int
) -> Load:
    """For `seconds` after the warm-up; or, if `requests` is not 0, so many and no warm-up."""
    work = Requests(port, events, first)
    loop = asyncio.get_running_loop()
    senders = [(await loop.create_connection(lambda: Sender(work), "127.0.0.1", port))[1] for _ in range(connections)]
    began = time.monotonic()
    if requests:
        work.left = requests
    else:
        work.measures_from = began + warm_up_seconds
        work.ends_at = work.measures_from + seconds
    for sender in senders:
        sender.send()
    await asyncio.gather(*(sender.done for sender in senders))
    elapsed = time.monotonic() - max(began, work.measures_from)
    taken = sorted(work.seconds)
    p50, p99 = taken[len(taken) // 2] * 1000, taken[len(taken) * 99 // 100] * 1000
    return Load(began, len(taken), elapsed, p50, p99)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--events", type=int, default=1, help="events in each request")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--warm-up-seconds", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--requests", type=int, default=0, help="so many, instead of for a time")
    parser.add_argument("--first", type=int, default=0, help="number of the first request")
    load = uvloop.run(generate(**vars(parser.parse_args())))
    print(msgspec.json.encode(load).decode())


if __name__ == "__main__":
    main()
