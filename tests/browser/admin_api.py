"""The service's API over the socket of its data directory, without an event loop: Playwright has this thread's."""

import json
import socket
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

_SECONDS = 10


class _OverSocket(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(data_dir: Path, method: str, path: str, body: object = None) -> Any:
    """The decoded answer, which must be a good one."""
    content = json.dumps({} if body is None else body) if method != "GET" else None
    connection = _OverSocket(data_dir / "admin.sock")
    try:
        connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (method, path, text)
        return json.loads(text)
    finally:
        connection.close()
