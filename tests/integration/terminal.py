"""The command line on a real terminal: a pseudo-terminal of a given width."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.integration.service_process import PROGRAM, data_dir_in, environment

_ROWS = 40


class Shown:
    """What a terminal was sent until the program ended, and its exit status."""

    def __init__(self, status: int, sent: str) -> None:
        self.status = status
        self.sent = sent
        self.lines = [line.rstrip() for line in sent.replace("\r\n", "\n").splitlines()]

    def __contains__(self, text: str) -> bool:
        """Whether the text is shown, wherever its lines were broken."""
        return text.replace(" ", "") in self.sent.replace("\r\n", "").replace(" ", "")


def on_terminal(
    *arguments: object,
    columns: int = 120,
    question: str = "",
    answer: Callable[[], str] = lambda: "",
    cwd: Path | None = None,
    **variables: str,
) -> Shown:
    """Run the command line on a terminal without colors, unless a variable says otherwise.

    Once the question is shown, what `answer` returns is typed.
    """
    words = list(map(str, arguments))
    given = environment(data_dir_in(words), **{"TERM": "xterm-256color", "NO_COLOR": "1", **variables})
    # These would be believed instead of the terminal.
    plain = {name: value for name, value in given.items() if value and name not in ("COLUMNS", "LINES", "FORCE_COLOR")}
    with _pseudo_terminal(columns) as (master, slave):
        process = subprocess.Popen([*PROGRAM, *words], env=plain, stdin=slave, stdout=slave, stderr=slave, cwd=cwd)
        os.close(slave)
        sent = b""
        for piece in _read(master):
            sent += piece
            if question and question in sent.decode(errors="replace"):
                question = ""
                os.write(master, answer().encode())
        return Shown(process.wait(30), sent.decode())


@contextmanager
def _pseudo_terminal(columns: int) -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, columns, 0, 0))
    try:
        yield master, slave
    finally:
        os.close(master)


def _read(master: int) -> Iterator[bytes]:
    # The end of the last program on it is an error.
    with suppress(OSError):
        while piece := os.read(master, 65536):
            yield piece
