"""A load generator for one process: so many keep-alive connections, each with one request on its way at a time.

Without a rate, a connection sends its next request when the last one is answered: as many as the service takes. With a
rate, requests are due on a schedule. One whose time has come while all connections wait for answers is sent later, and
its time counts from when it was due: a service that pauses does not hide the requests that it kept from being sent.

It is as plain as can be (an event loop's protocol, bodies made beforehand), so that what is measured is the service.
Run as `python -m bench.load`; prints one JSON line. Every event has an id of its own.
"""

import argparse
import asyncio
import sys
import time
from array import array
from collections.abc import Sequence
from typing import Final, cast

import msgspec
import uvloop
from msgspec import Struct

from bench.traffic import AUTHORIZATION, batch_bytes

# Stands in the ids of a body's events, and is replaced by the request's number.
_NUMBER: Final = b"REQUESTNUMBR"
_ACCEPTED: Final = b"HTTP/1.1 202"
_PARTS: Final = 10


class Load(Struct, frozen=True):
    """The result. Times are those from sending a request, or with a rate from when it was due, until its answer.

    The warm-up is left out. `began_at` is on the monotonic clock, which all processes of a machine share.
    `p99_ms_of_parts` are those of ten parts in the order of the answers.
    """

    began_at: float
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    p99_ms_of_parts: Sequence[float] = ()

    @property
    def rate(self) -> float:
        """Return requests per second."""
        return self.requests / self.seconds


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
        # 8 bytes each: an hour of them is many.
        self.seconds: array[float] = array("d")

    def next(self) -> bytes | None:
        if self.left <= 0 or time.monotonic() >= self.ends_at:
            return None
        self.left -= 1
        self._number += 1
        return self._template.replace(_NUMBER, b"%012d" % self._number)


class Sender(asyncio.Protocol):
    """One connection. `done` is fulfilled when there are no more requests, or tells what went wrong.

    With a schedule, a connection whose request is answered waits in `idle` for the next one that is due.
    """

    def __init__(self, requests: Requests, idle: "asyncio.Queue[Sender] | None" = None) -> None:
        self._requests = requests
        self._idle = idle
        self._transport: asyncio.WriteTransport | None = None
        self._sent_at = 0.0
        self._answer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def send(self, due_at: float | None = None) -> None:
        request = self._requests.next()
        if request is None or self._transport is None:
            self.finish()
            return
        self._sent_at = time.monotonic() if due_at is None else due_at
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._answer.startswith(_ACCEPTED):
            self.finish(RuntimeError(f"the service answered {self._answer[:300]!r}"))
        elif self._answer.endswith(b"\r\n\r\n"):
            self._answer = b""
            now = time.monotonic()
            if now >= self._requests.measures_from:
                self._requests.seconds.append(now - self._sent_at)
            if self._idle is None:
                self.send()
            else:
                self._idle.put_nowait(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self.finish(ConnectionError("the service closed a connection"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def finish(self, error: Exception | None = None) -> None:
        if not self.done.done():
            if error is not None:
                self.done.set_exception(error)
            else:
                self.done.set_result(None)


async def _pace(
    senders: Sequence[Sender], idle: "asyncio.Queue[Sender]", began: float, ends_at: float, rate: float
) -> None:
    """Send each request when it is due, or as soon as a connection is idle; end when all are answered.

    The event loop's timer is exact to a millisecond, which is in the times measured.
    """
    for sender in senders:
        idle.put_nowait(sender)
    number = 0
    while (due_at := began + number / rate) < ends_at:
        if (wait := due_at - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        (await idle.get()).send(due_at)
        number += 1
    for _ in senders:
        (await idle.get()).finish()


def _percentile_ms(taken: Sequence[float], percent: int) -> float:
    return sorted(taken)[len(taken) * percent // 100] * 1000


class Options(Struct, frozen=True, kw_only=True):
    """What is sent: for `seconds` after the warm-up, at a `rate` a second; or without warm-up as many as `requests`.

    A `rate` of 0 is as many as are answered, `requests` of 0 is no number. `first` is the number of the first request.
    """

    port: int
    events: int = 1
    connections: int = 8
    warm_up_seconds: float = 0.0
    seconds: float = 2.0
    requests: int = 0
    rate: float = 0.0
    first: int = 0


async def generate(options: Options) -> Load:
    """Send requests and wait for their answers. Raises `RuntimeError` if one is not 202."""
    work = Requests(options.port, options.events, options.first)
    loop = asyncio.get_running_loop()
    idle: asyncio.Queue[Sender] | None = asyncio.Queue() if options.rate else None
    senders = [
        (await loop.create_connection(lambda: Sender(work, idle), "127.0.0.1", options.port))[1]
        for _ in range(options.connections)
    ]
    began = time.monotonic()
    if options.requests:
        work.left = options.requests
    else:
        work.measures_from = began + options.warm_up_seconds
    ends_at = work.measures_from + options.seconds
    answers = asyncio.gather(*(sender.done for sender in senders))
    try:
        if idle is not None:
            pacing = asyncio.ensure_future(_pace(senders, idle, began, ends_at, options.rate))
            # The answers end first if one of them is an error.
            await asyncio.wait((pacing, answers), return_when=asyncio.FIRST_COMPLETED)
            pacing.cancel()
        else:
            if not options.requests:
                work.ends_at = ends_at
            for sender in senders:
                sender.send()
        await answers
    finally:
        for sender in senders:
            sender.close()
    elapsed = time.monotonic() - max(began, work.measures_from)
    taken = work.seconds
    size = max(1, -(-len(taken) // _PARTS))
    parts = [_percentile_ms(taken[start : start + size], 99) for start in range(0, len(taken), size)]
    return Load(began, len(taken), elapsed, _percentile_ms(taken, 50), _percentile_ms(taken, 99), parts)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("options", help="the fields of Options, as JSON")
    options = msgspec.json.decode(parser.parse_args().options, type=Options)
    print(msgspec.json.encode(uvloop.run(generate(options))).decode())


if __name__ == "__main__":
    main()
