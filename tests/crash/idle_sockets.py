"""Sockets that never complete a request, kept open against a service: many send a byte now and then.

Run as `python -m tests.crash.idle_sockets PORT COUNT`. Whatever the service closes is opened again, until the end of
standard input; then it prints how many it opened.
"""

import contextlib
import resource
import select
import socket
import sys
import time
from typing import Final

_PAUSE_SECONDS: Final = 0.05
_OPENED_AT_ONCE: Final = 250


class IdleSockets:
    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self._count = count
        self._sockets: list[socket.socket] = []
        # Those that are in the middle of a header.
        self._begun: set[socket.socket] = set()
        self.opened = 0

    def turn(self) -> None:
        """Open what is missing, some at a time, drop what was closed, and send a byte on every other one."""
        for _ in range(min(_OPENED_AT_ONCE, self._count - len(self._sockets))):
            with contextlib.suppress(OSError):
                opened = socket.create_connection(("127.0.0.1", self._port), timeout=5)
                self._sockets.append(opened)
                self.opened += 1
                if self.opened % 4 == 1:
                    opened.send(b"GET /a HTTP/1.1\r\nA: ")
                    self._begun.add(opened)
        poll = select.poll()
        for each in self._sockets:
            poll.register(each, select.POLLIN)
        closed = {number for number, _ in poll.poll(0)}
        for position, each in enumerate(self._sockets):
            if each in self._begun or position % 2:
                with contextlib.suppress(OSError):
                    each.send(b"b" if each in self._begun else b"\r\n", socket.MSG_DONTWAIT)
            if each.fileno() in closed:
                self._begun.discard(each)
                each.close()
        self._sockets = [each for each in self._sockets if each.fileno() >= 0]


def main(port: int, count: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sockets = IdleSockets(port, count)
    while not select.select([sys.stdin], [], [], 0)[0]:
        sockets.turn()
        time.sleep(_PAUSE_SECONDS)
    sys.stdout.write(f"{sockets.opened}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
